"""Reading cells: what empties a field, what is refused, and the canonical form of values."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.nexthink.fields import FieldKind, check_value
from tasks.sync.cells import read_cells, read_keys
from tests.shaping import BROKER, CENTRE, TYPE, UPDATED, sync_of


def read(
    texts: list[str | None],
    field: str = CENTRE,
    *,
    clears: list[bool | None] | None = None,
    **of: Any,
) -> tuple[list[str | None], list[str | None]]:
    """Read one field's cells; return them, and the reason for each that is refused."""
    mode = of.pop("mode", "upsert")
    if clears:
        of["clear_when"] = "true"
    sync = sync_of(mode=mode, fields={field: of})
    column = pl.Series("t0", texts, dtype=pl.String).to_frame()
    said = read_cells(sync, column, pl.DataFrame({field: clears} if clears else {}))
    reasons = dict(said.rejects.select("row", "reason").iter_rows())
    assert said.cells["bad"].to_list() == [n in reasons for n in range(len(texts))]
    return said.cells["v0"].to_list(), [reasons.get(n) for n in range(len(texts))]


@pytest.mark.parametrize(
    ("mode", "empty", "expected"),
    [
        ("upsert", "null", ["a", None, None]),
        ("upsert", "keep", ["a", None, ""]),
        ("mirror", "null", ["a", "", ""]),
        ("mirror", "keep", ["a", "", ""]),
    ],
)
def test_what_no_value_and_an_empty_text_mean(mode: str, empty: str, expected: list[Any]) -> None:
    assert read(["a", None, ""], mode=mode, empty=empty)[0] == expected


def test_a_condition_empties_whatever_the_value_is_and_null_is_no() -> None:
    values, reasons = read(["a", None, "x" * 99, "d"], clears=[True, True, True, None])
    assert values == ["", "", "", "d"]
    assert reasons == [None] * 4


def test_what_cannot_be_emptied_is_left_alone() -> None:
    sync = sync_of(mode="mirror", fields={TYPE: {}, UPDATED: {}})
    said = read_cells(
        sync, pl.DataFrame({"a": [None, "1"], "b": ["2026-11-20", ""]}), pl.DataFrame()
    )
    assert said.cells.select("v0", "v1").rows() == [(None, "2026-11-20T00:00:00.000Z"), ("1", None)]
    assert said.cells["not_clearable"].to_list() == [True, True]


def test_steps_of_normalisation_go_in_their_order() -> None:
    text = "  Zu\u0308rich \t Nord "
    assert read([text], normalise=["trim", "collapse", "upper", "nfc"])[0] == ["ZÜRICH NORD"]
    assert read([text], normalise=["lower"])[0] == [text.lower()]
    # Text of blanks only becomes empty text first.
    assert read([" "], normalise=["trim"], empty="keep")[0] == [""]
    assert read([" "], empty="keep")[0] == [" "]


def test_values_are_translated_and_others_are_refused() -> None:
    values, reasons = read(["Citrix", "none", "7", ""], BROKER, values={"Citrix": 1, "none": "0"})
    assert values == ["1", "0", None, None]
    assert reasons == [None, None, "not among the values", None]


def test_numbers_and_texts_that_do_not_fit_are_refused() -> None:
    values, reasons = read(["04", "+3", "8", "2.0", "-1", " 1", "9" * 30, "٣"], BROKER)
    assert values == ["4", "3", *[None] * 6]
    assert reasons[:2] == [None, None]
    assert set(reasons[2:]) == {"out of range", "wrong type"}
    values, reasons = read(["😀" * 64, "😀" * 65, "a\0b", "\u202e\ufeff"])
    assert values == ["😀" * 64, None, None, "\u202e\ufeff"]
    assert reasons == [None, "too long", "has a NUL character", None]
    assert read(["abcd"], longest=3)[1] == ["too long"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-03", "2026-10-03T00:00:00.000Z"),
        ("2026-10-03T15:00Z", "2026-10-03T15:00:00.000Z"),
        ("2026-10-03T15:00:07.1234567+02:00", "2026-10-03T13:00:07.123Z"),
        ("2026-10-03T00:30:00-05:30", "2026-10-03T06:00:00.000Z"),
        # The form in which DuckDB writes a TIMESTAMPTZ.
        ("2026-10-03 15:00:00.5+00", "2026-10-03T15:00:00.500Z"),
        ("2026-10-03 15:00:00", None),
        ("2026-10-03 15:00:00+2", None),
        ("2026-02-30", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("9999-12-31T23:30:00-01:00", None),
        ("tomorrow", None),
    ],
)
def test_moments_are_in_utc_to_the_millisecond_or_refused(text: str, expected: str | None) -> None:
    values, reasons = read([text], UPDATED)
    assert values == [expected]
    assert (reasons[0] is None) == (expected is not None)


ALL_KINDS = sync_of(fields={field: {} for field in (CENTRE, BROKER, UPDATED, TYPE)})


@given(st.lists(st.one_of(st.none(), st.text(max_size=70)), max_size=8))
def test_every_cell_is_what_the_api_takes_or_is_refused(texts: list[str | None]) -> None:
    columns = pl.DataFrame([pl.Series(f"t{n}", texts, dtype=pl.String) for n in range(4)])
    said = read_cells(ALL_KINDS, columns, pl.DataFrame())
    refused = set(said.rejects.select("row", "field").iter_rows())
    for place, (field, api) in enumerate(ALL_KINDS.api_fields.items()):
        for row, (text, value) in enumerate(zip(texts, said.cells[f"v{place}"], strict=True)):
            assert ((row, field) in refused) == (value is None and bool(text))
            if value is not None:
                sent = int(value) if api.kind is FieldKind.NUMBER else value
                assert check_value(api, sent) is None


def test_keys_are_compared_without_case_and_blanks_and_sent_with_their_case() -> None:
    keys = read_keys(pl.Series([" PC-1\u00a0", "STRASSE", "", None, "x" * 255, "x" * 256, "\0"]))
    assert keys["key"].to_list() == ["pc-1", "strasse", None, None, "x" * 255, None, None]
    assert keys["identity"].to_list()[:2] == ["PC-1", "STRASSE"]
    assert keys["reason"].is_null().to_list() == [True, True, False, False, True, False, False]
