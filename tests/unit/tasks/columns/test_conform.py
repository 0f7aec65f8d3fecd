"""Conforming batches to declared columns."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.catalogue import DatasetSpecification
from connectors.errors import DataRefusedError
from tasks.columns.conform import RAGGED, Conformer
from tasks.columns.header import match_header
from tasks.exports.windows import Window

EXPORTED = datetime(2026, 11, 20, 9, tzinfo=UTC)
WINDOW = Window(datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))


def specification(**changes: object) -> DatasetSpecification:
    return DatasetSpecification.model_validate(
        {
            "dataset": "things",
            "query_id": "#things",
            "mode": "window",
            "window": {"column": "at", "from": "from", "to": "to"},
            "columns": [
                {"nql": "thing.time", "name": "at", "type": "datetime"},
                {"nql": "thing.uid", "name": "uid", "nullable": False},
                {"nql": "thing.size", "name": "size", "type": "int"},
            ],
            **changes,
        }
    )


HEADER = ["thing.time", "thing.uid", "thing.size"]


def conformer(header: list[str] = HEADER, **changes: object) -> Conformer:
    layout = match_header(header, specification(**changes))
    return Conformer(layout, "UTC", "run", EXPORTED, ("at", WINDOW))


def frame(*rows: tuple[str | None, ...], header: list[str] = HEADER) -> pl.DataFrame:
    return pl.DataFrame(list(rows), dict.fromkeys(header, pl.String), orient="row")


INSIDE = "2026-11-19 10:00:00"


def test_a_row_with_bad_values_is_rejected_whole_with_all_its_reasons() -> None:
    machine = conformer()
    result = machine.conform(frame((INSIDE, "a", "1"), (INSIDE, None, "x"), ("never", "c", "3")))
    assert result.landed["uid"].to_list() == ["a"]
    assert result.rejects.to_dicts() == [
        {"record": 2, "reasons": ["uid: null in a required column", "size: not int"]},
        {"record": 3, "reasons": ["at: not datetime"]},
    ]
    assert [text.count("never") for text in result.raw] == [0, 1]
    assert (machine.counts.read, machine.counts.landed, machine.counts.rejected) == (3, 1, 2)
    machine.counts.check("things")


def test_a_row_without_a_time_is_rejected_once() -> None:
    result = conformer().conform(frame((None, "a", "1"), ("", "b", "2")))
    reasons = [["no time to place it by"]] * 2
    assert result.rejects["reasons"].to_list() == reasons


def test_record_numbers_go_on_over_batches_and_ragged_rows_are_rejects() -> None:
    machine = conformer()
    machine.conform(frame((INSIDE, "a", "1")))
    result = machine.conform(frame((INSIDE, "b", "x")))
    assert result.rejects["record"].to_list() == [2]
    # It is not known where a ragged row stood, so rows after it have no number.
    machine.conform(frame((INSIDE, "a", "1")), ["short"])
    result = machine.conform(frame((INSIDE, "b", "x")))
    assert result.rejects["record"].to_list() == [None]
    assert machine.counts.rejected == 3
    ragged = conformer().conform(frame(), ["a,b"])
    assert ragged.rejects.to_dicts() == [{"record": None, "reasons": [RAGGED]}]


@pytest.mark.parametrize(
    ("time", "landed", "outside", "strayed"),
    [
        ("2026-11-19 00:00:00", 1, 0, 0),
        ("2026-11-19 23:59:59.999", 1, 0, 0),
        ("2026-11-20 00:00:00", 0, 1, 0),
        ("2026-11-20 00:00:01", 0, 1, 1),
        ("2026-11-18 23:59:59", 0, 1, 1),
    ],
)
def test_the_window_is_half_open_and_only_its_exact_end_may_be_sent(
    time: str, landed: int, outside: int, strayed: int
) -> None:
    machine = conformer()
    machine.conform(frame((time, "a", "1")))
    counts = machine.counts
    assert (counts.landed, counts.outside, counts.strayed) == (landed, outside, strayed)
    if strayed:
        with pytest.raises(DataRefusedError, match="did not honour"):
            counts.check("things")


@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.none(),
                st.just("soon"),
                st.integers(-2, 26).map(
                    lambda hours: f"{WINDOW.start + timedelta(hours=hours):%Y-%m-%d %H:%M:%S}"
                ),
            ),
            st.one_of(st.none(), st.text(max_size=3)),
            st.one_of(st.none(), st.sampled_from(["1", "", "x"])),
        ),
        max_size=20,
    ),
    st.lists(st.text(max_size=3), max_size=3),
)
def test_every_row_is_landed_rejected_or_outside(
    rows: list[tuple[str | None, ...]], ragged: list[str]
) -> None:
    machine = conformer()
    result = machine.conform(frame(*rows), ragged)
    counts = machine.counts
    assert counts.read == len(rows) + len(ragged)
    assert counts.read == counts.landed + counts.rejected + counts.outside
    assert len(result.landed) == counts.landed
    assert len(result.rejects) == len(result.raw) == counts.rejected
    assert result.landed.schema == machine.schema()


@pytest.mark.parametrize(
    "rules",
    [
        {"where": "size > 1"},
        {"where": "size IS NULL OR uid = 'a'"},
        {"derive": {"kb": "size / 1000", "big": "kb > 1"}, "where": "NOT big"},
    ],
)
def test_a_result_without_a_column_that_where_looks_at_is_refused(rules: dict[str, object]) -> None:
    with pytest.raises(DataRefusedError, match=r"lacks thing\.size, which where looks at"):
        match_header(HEADER[:2], specification(**rules))
    others = {"derive": {"kb": "size / 1000"}, "where": "uid = 'a'"}
    layout = match_header(HEADER[:2], specification(**others))
    assert [column.name for column in layout.absent] == ["size"]


def test_a_missing_required_column_is_refused_and_an_optional_one_is_null() -> None:
    with pytest.raises(DataRefusedError, match=r"lacks the required thing\.uid"):
        conformer(["thing.time", "thing.size"])
    header = ["thing.time", "thing.uid"]
    result = conformer(header).conform(frame((INSIDE, "a"), header=header))
    assert result.landed["size"].to_list() == [None]


def test_an_unasked_column_lands_is_refused_or_is_dropped_as_drift_says() -> None:
    header = [*HEADER, "thing.New-Name"]
    row = frame((INSIDE, "a", "1", "new"), header=header)
    assert conformer(header).conform(row).landed["thing_new_name"].to_list() == ["new"]
    assert "thing_new_name" not in conformer(header, drift="discard").conform(row).landed.columns
    with pytest.raises(DataRefusedError, match="drift is freeze"):
        conformer(header, drift="freeze")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ([*HEADER, "thing.uid"], "twice"),
        ([*HEADER, "thing.a-b", "thing.a.b"], "land as thing_a_b: declare both"),
        ([*HEADER, "size"], "land as size"),
        ([*HEADER, "date"], "reserved"),
        ([*HEADER, "_nxp_run_id"], "reserved"),
    ],
)
def test_headers_that_meet_or_are_reserved_are_refused(header: list[str], words: str) -> None:
    with pytest.raises(DataRefusedError, match=words):
        conformer(header)


def test_text_and_lists_are_written_as_every_reader_knows_them() -> None:
    columns = [
        {"nql": "thing.time", "name": "at", "type": "datetime"},
        {"nql": "tags", "type": "list"},
        {"nql": "outputs", "type": "json"},
    ]
    header = ["thing.time", "tags", "outputs"]
    machine = conformer(header, columns=columns)
    rows = frame((INSIDE, "[a, b]", '{"a": 1}'), (INSIDE, "a", "{"), header=header)
    result = machine.conform(rows)
    table = result.landed.to_arrow().cast(machine.arrow_schema())
    assert [str(field.type) for field in table.schema][1:4] == [
        "list<item: string>",
        "string",
        "string",
    ]
    assert table["tags"].to_pylist() == [["a", "b"]]
    assert result.rejects["reasons"].to_list() == [["tags: not list", "outputs: not json"]]


def test_hostile_headers_make_no_long_messages() -> None:
    header = [*HEADER, *(f"{number}{'x' * 10_000}" for number in range(500))]
    with pytest.raises(DataRefusedError, match="and 490 more") as caught:
        conformer(header, drift="freeze")
    assert len(str(caught.value)) < 3_000


def test_rejected_rows_beyond_the_ceiling_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NXP_MAX_REJECTED_MB", "0.01")
    machine = conformer()
    with pytest.raises(DataRefusedError, match="NXP_MAX_REJECTED_MB"):
        machine.conform(frame(*[("never", "a", "1")] * 200))
    with pytest.raises(DataRefusedError, match="NXP_MAX_REJECTED_MB"):
        conformer().conform(frame(), ["1"] * 200)
