"""Request bodies made by column equal what the json module writes, for any values."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.errors import DataRefusedError, UsageError
from connectors.nexthink.encoding import (
    ObjectLayout,
    RequestBatch,
    batches,
    check_objects,
    encode,
    json_expression,
    with_values,
)

UID = "device/device/uid"
FIELDS = {
    "owner": "device/device/#owner",
    "broker": "device/device/virtualization/desktop_broker",
    "updated": "device/device/virtualization/last_update",
    "day": "user/user/ad/last_update",
}
LAYOUT = ObjectLayout(UID, "uid", FIELDS, "cmdb")
SCHEMA: dict[str, Any] = {
    "uid": pl.String,
    "owner": pl.String,
    "broker": pl.Int8,
    "updated": pl.Datetime("us", "Europe/Zurich"),
    "day": pl.Date,
}

# Every character that JSON must escape, and some that are easy to get wrong.
AWKWARD = [*map(chr, range(0x21)), *'"\\/\x7f\x80\u2028\u2029\ufeff\uffff😀é\\n\\u0041']
TEXTS = st.text(st.sampled_from(AWKWARD) | st.characters(codec="utf-8"))
ROWS = st.fixed_dictionaries(
    {
        "uid": TEXTS.filter(bool),
        "owner": st.none() | TEXTS,
        "broker": st.none() | st.integers(0, 7),
        "updated": st.none() | st.datetimes(datetime(2, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        "day": st.none() | st.dates(),
    }
)


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def plain(value: Any) -> Any:
    """Return a value in the documented form, without Polars."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return f"{moment:%m-%dT%H:%M:%S}".join((f"{moment.year:04}-", "")) + (
            f".{moment.microsecond // 1000:03}Z"
        )
    return value.isoformat() if isinstance(value, date) else value


def expected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for row in rows:
        fields = [
            {"name": name, "value": plain(row[column])}
            for column, name in FIELDS.items()
            if row[column] is not None
        ]
        identification = [{"name": UID, "value": row["uid"]}]
        made.append({"identification": identification, "fields": fields})
    return [each for each in made if each["fields"]]


@given(st.lists(ROWS, max_size=8), TEXTS.filter(bool))
@example(
    [
        {
            "uid": "".join(AWKWARD),
            "owner": "".join(AWKWARD),
            "broker": 0,
            "updated": None,
            "day": None,
        }
    ],
    "d",
)
def test_a_body_is_what_the_json_module_would_write(
    rows: list[dict[str, Any]], domain: str
) -> None:
    layout = ObjectLayout(UID, "uid", FIELDS, domain)
    body = encode(with_values(frame(rows), layout), layout)
    assert json.loads(body) == {"enrichments": expected(rows), "domain": domain}


@given(st.lists(st.none() | TEXTS, min_size=1))
def test_texts_are_written_byte_for_byte_as_the_json_module_does(texts: list[str | None]) -> None:
    values = pl.Series("text", texts, pl.String)
    written = values.to_frame().select(json_expression(values)).to_series().to_list()
    assert written == [
        text if text is None else json.dumps(text, ensure_ascii=False) for text in texts
    ]


@pytest.mark.parametrize("sign", AWKWARD)
def test_an_awkward_sign_that_is_alone_in_its_column_is_seen(sign: str) -> None:
    values = pl.Series("text", [sign])
    (written,) = values.to_frame().select(json_expression(values)).to_series()
    assert written == json.dumps(sign, ensure_ascii=False)


@given(
    st.lists(st.none() | st.booleans(), min_size=1),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)),
)
def test_truths_and_numbers_are_written_exactly(
    truths: list[bool | None], numbers: list[int | None]
) -> None:
    for values in (pl.Series("v", truths, pl.Boolean), pl.Series("v", numbers, pl.Int64)):
        written = values.to_frame().select(json_expression(values)).to_series().to_list()
        assert written == [None if value is None else json.dumps(value) for value in values]


@given(st.lists(ROWS, max_size=12), st.integers(1, 5), st.integers(1, 1500))
def test_batches_hold_every_object_once_in_order_within_their_limits(
    rows: list[dict[str, Any]], most_objects: int, most_bytes: int
) -> None:
    made = list(batches(frame(rows), LAYOUT, most_objects=most_objects, most_bytes=most_bytes))
    sent = [each for batch in made for each in json.loads(batch.body)["enrichments"]]
    assert sent == expected(rows)
    for batch in made:
        held = json.loads(batch.body)["enrichments"]
        keys = [each["identification"][0]["value"] for each in held]
        assert keys == batch.objects["uid"].to_list()
        assert 1 <= len(held) <= most_objects
        assert len(batch.body) <= most_bytes or len(held) == 1
        assert batch.body == encode(batch.objects, LAYOUT)


def test_batches_are_as_large_as_they_may_be() -> None:
    rows = [{"uid": f"{number:03}", "owner": "x"} for number in range(100)]
    one = len(encode(frame(rows[:1]), LAYOUT))
    ten = len(encode(frame(rows[:10]), LAYOUT))

    def sizes(**limits: int) -> list[int]:
        return [batch.objects.height for batch in batches(frame(rows), LAYOUT, **limits)]

    assert sizes() == [100]
    assert sizes(most_objects=30) == [30, 30, 30, 10]
    # One byte of leeway: the comma after the last object.
    assert sizes(most_bytes=ten + 1) == [10] * 10
    assert sizes(most_bytes=one - 1) == [1] * 100


def test_a_batch_is_made_when_it_is_asked_for() -> None:
    rows = frame([{"uid": "a", "owner": "x"}, {"uid": None, "owner": "x"}])
    made: Iterator[RequestBatch] = batches(rows, LAYOUT, most_objects=1)
    assert next(made).objects["uid"].to_list() == ["a"]
    with pytest.raises(DataRefusedError, match="1 objects have nothing that identifies them"):
        next(made)


def test_half_characters_cannot_even_be_in_a_frame() -> None:
    with pytest.raises(UnicodeEncodeError):
        pl.Series(["\ud800"])


@pytest.mark.parametrize(
    "values",
    [
        pl.Series("owner", [1.5]),
        pl.Series("owner", [float("nan")]),
        pl.Series("owner", [float("inf")]),
        pl.Series("owner", [datetime(2026, 1, 1)]),  # noqa: DTZ001 - that is the point
        pl.Series("owner", [["a"]]),
        pl.Series("owner", [{"a": 1}]),
        pl.Series("owner", [b"a"]),
    ],
)
def test_columns_that_no_request_holds_are_refused(values: pl.Series) -> None:
    objects = pl.DataFrame({"uid": ["MARK"], "owner": values})
    layout = ObjectLayout(UID, "uid", {"owner": FIELDS["owner"]}, "cmdb")
    for act in (encode, check_objects):
        with pytest.raises(DataRefusedError, match="column owner is") as caught:
            act(objects, layout)
        assert "MARK" not in str(caught.value)


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["a", 'b"'])])
def test_categories_are_texts(dtype: Any) -> None:
    objects = pl.DataFrame({"uid": ["1", "2"], "owner": pl.Series(["a", 'b"']).cast(dtype)})
    layout = ObjectLayout(UID, "uid", {"owner": FIELDS["owner"]}, "cmdb")
    sent = json.loads(encode(objects, layout))["enrichments"]
    assert [each["fields"][0]["value"] for each in sent] == ["a", 'b"']


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["a", None], "1 objects have nothing that identifies them"),
        (["a", ""], "1 objects have nothing that identifies them"),
        (["a", "a", "b"], "1 objects are in the frame more than once"),
        ([1, 2], "an identification must be text"),
    ],
)
def test_frames_whose_keys_do_not_identify_are_refused(keys: list[Any], words: str) -> None:
    objects = pl.DataFrame({"uid": keys}).with_columns(owner=pl.lit("x"))
    with pytest.raises(DataRefusedError, match=words):
        check_objects(objects, ObjectLayout(UID, "uid", {"owner": FIELDS["owner"]}, "cmdb"))


def test_limits_and_layouts_that_make_no_sense_are_refused() -> None:
    objects = frame([{"uid": "a", "owner": "x"}])
    for limits in ({"most_objects": 0}, {"most_objects": 10_001}, {"most_bytes": 0}):
        with pytest.raises(UsageError):
            next(batches(objects, LAYOUT, **limits))
    for fields, domain in (({}, "cmdb"), (FIELDS, "")):
        with pytest.raises(UsageError):
            ObjectLayout(UID, "uid", fields, domain)


def test_an_empty_frame_makes_no_request() -> None:
    assert list(batches(frame([]), LAYOUT)) == []
    assert list(batches(frame([{"uid": "a"}]), LAYOUT)) == []


def test_a_slice_of_a_larger_frame_is_encoded_as_itself() -> None:
    rows = [{"uid": str(number), "owner": "x" * number} for number in range(50)]
    piece = frame(rows).slice(7, 5)
    sent = json.loads(encode(piece, LAYOUT))["enrichments"]
    assert [each["identification"][0]["value"] for each in sent] == ["7", "8", "9", "10", "11"]


def test_a_batch_shows_no_value() -> None:
    (batch,) = batches(frame([{"uid": "MARK-uid", "owner": "MARK-owner"}]), LAYOUT)
    assert "MARK" not in repr(batch)
