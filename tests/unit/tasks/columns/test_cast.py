"""Casting text to declared types."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.catalogue import ColumnType
from tasks.columns.cast import (
    MOST_KNOWN,
    POLARS_TYPES,
    ColumnCast,
    Distinct,
    cast,
    failed,
    read_lists,
)
from tasks.columns.times import read_dates, read_datetimes

ZURICH = "Europe/Zurich"


def values(texts: list[str | None], kind: ColumnType, zone: str = "UTC") -> list[object]:
    text = pl.Series("x", texts, pl.String)
    found = cast(text, kind, zone)
    assert found.values.dtype == POLARS_TYPES[kind]
    if kind is ColumnType.DATETIME:
        # Values of the usual forms are read in another way, to the same values.
        general, repeated = read_datetimes(text, zone)
        assert found.values.to_list() == general.to_list()
        assert found.repeated == repeated
    return found.values.to_list()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ColumnType.INT, {"12": 12, "-3": -3}, ["12.5", "x", "9" * 30, "1,000", "NULL"]),
        (ColumnType.BYTES, {"32000000000": 32_000_000_000}, ["3GB"]),
        (ColumnType.FLOAT, {"1.5": 1.5, "2": 2.0, "1e3": 1000.0}, ["1,5", "x", "NaN", "N/A"]),
        (ColumnType.DURATION, {"0.25": 0.25}, ["3h"]),
        (ColumnType.BOOL, {"true": True, "False": False, "1": True}, ["maybe", "2", "null"]),
        (
            ColumnType.DATE,
            {"2026-01-05": datetime(2026, 1, 5).date()},  # noqa: DTZ001
            ["20.11.2026", "2026-1-5", "2026-02-30", "2026-01-05 ", "0000-01-01", "-"],
        ),
        (ColumnType.STRING, {each: each for each in ("", "a", "NULL", "null", "NaN", "-")}, []),
        (
            ColumnType.DATETIME,
            {"2026-11-20 10:15:00": datetime(2026, 11, 20, 10, 15, tzinfo=UTC)},
            [
                "2026-11-20",
                "10:15",
                "2026-13-20 10:15:00",
                "soon",
                "NULL",
                "2026-1-5 10:15:00",
                "2026-01-05 1:15:00",
                "2026-01-05 10:15",
                "2026-01-05 10:15:60",
                "2026-01-05 24:00:00",
                "2026-01-05 10:15:00.",
                "2026-01-05 10:15:00+25:00",
                "0000-01-05 10:15:00",
                "0001-01-01T00:00:00+02:00",
                "9999-12-31T23:59:59-02:00",
            ],
        ),
        (
            ColumnType.LIST,
            {
                "[22631, 4169]": ["22631", "4169"],
                "[a b,c]": ["a b", "c"],
                '["a, b", "c"]': ["a, b", "c"],
                '["]", "", 1.50, true, null]': ["]", "", "1.50", "true", None],
                "[null, x]": [None, "x"],
                "[]": [],
                "[ ]": [],
            },
            [
                "a",
                "NULL",
                "[",
                "]",
                "[a,]",
                "[,]",
                "[[1], [2]]",
                '["a", b]',
                '{"a": 1}',
                "[a]x",
                "[a] ",
            ],
        ),
        (
            ColumnType.LIST,
            {},
            ['["\\ud800"]', '[["a"]]', "[" * 5000 + '"', '[5" x]', "[NaN, {}]", '["a", NaN]'],
        ),
        (
            ColumnType.JSON,
            {text: text for text in ('{"a": [1, null]}', "[]", "1", '"x"', "null", ' {"b":2} ')},
            ["{", "NaN", '{"a": Infinity}', "[1,]", "{'a': 1}", "[1] // x", "a", '"\\ud800"', " "],
        ),
    ],
)
def test_what_fits_becomes_a_value_and_what_does_not_is_told(
    kind: ColumnType, good: dict[str, object], bad: list[str]
) -> None:
    text = pl.Series("x", [*good, *bad, None], pl.String)
    result = cast(text, kind, "UTC").values
    assert result.dtype == POLARS_TYPES[kind]
    assert result.to_list() == [*good.values(), *([None] * len(bad)), None]
    wrong = [False] * len(good) + [True] * len(bad) + [False]
    assert failed(text, result).to_list() == wrong
    assert values(text.to_list(), kind) == result.to_list()


def test_a_list_reads_the_same_alone_and_among_quoted_ones() -> None:
    texts: list[str | None] = ["[a, b]", None, '["a, b"]', "", "x", "[]", '["a, b"]']
    expected = [["a", "b"], None, ["a, b"], None, None, [], ["a, b"]]
    assert values(texts, ColumnType.LIST) == expected
    assert [values([text], ColumnType.LIST)[0] for text in texts] == expected


@given(st.lists(st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text())))))
def test_lists_written_as_json_come_back_item_by_item(lists: list[list[str | None] | None]) -> None:
    texts = [None if items is None else json.dumps(items) for items in lists]
    assert values(texts, ColumnType.LIST) == lists


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)


@given(st.lists(st.one_of(JSON.map(json.dumps), st.text('[]{}",:0123eE+-. nulNa'))))
def test_json_is_kept_as_it_came_where_the_standard_library_reads_it(texts: list[str]) -> None:
    def reads(text: str) -> bool:
        def finite(number: str) -> float:
            if not math.isfinite(float(number)):
                raise ValueError
            return float(number)

        try:
            json.loads(text, parse_constant=finite, parse_float=finite)
        except ValueError:
            return False
        return True

    read: list[str | None] = [*texts]
    assert values(read, ColumnType.JSON) == [text if reads(text) else None for text in texts]


@given(st.datetimes(), st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d/%m/%Y", "%Y-%m-%dT%H:%M:%S.%f"]))
def test_a_date_time_is_read_exactly_or_not_at_all(instant: datetime, form: str) -> None:
    # The standard library writes years before 1000 with fewer digits.
    text = f"{instant.year:04d}" + instant.strftime(form.replace("%Y", ""))
    expected = datetime.fromisoformat(text).replace(tzinfo=UTC) if "/" not in form else None
    assert values([text], ColumnType.DATETIME) == [expected]


def test_an_empty_string_is_a_value_of_a_string_column_only() -> None:
    assert values([""], ColumnType.STRING) == [""]
    for kind in ColumnType:
        if kind is not ColumnType.STRING:
            text = pl.Series("x", [""], pl.String)
            result = cast(text, kind, "UTC").values
            assert result.to_list() == [None]
            assert failed(text, result).to_list() == [False]


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01 12:00:00",
        "2026-07-01T12:00:00",
        "2026-07-01 12:00:00.000",
        "2026-07-01T12:00:00+02:00",
        "2026-07-01T12:00:00+0200",
        "2026-07-01 10:00:00Z",
        "2026-07-01T10:00:00.000000Z",
    ],
)
def test_every_form_of_a_date_time_is_the_same_instant(text: str) -> None:
    expected = datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert values([text], ColumnType.DATETIME, ZURICH) == [expected]


def test_forms_may_be_mixed_in_one_column() -> None:
    texts = ["2026-07-01 12:00:00", "2026-07-01T10:00:00Z", None, "x", "2026-07-01T12:00:00.5"]
    base = datetime(2026, 7, 1, 10, tzinfo=UTC)
    expected = [base, base, None, None, base + timedelta(milliseconds=500)]
    assert values(texts, ColumnType.DATETIME, ZURICH) == expected


def test_a_repeated_hour_takes_the_first_reading_and_is_counted() -> None:
    text = pl.Series("x", ["2026-10-25 01:59:59", "2026-10-25 02:30:00", "2026-10-25 03:00:00"])
    result = cast(text, ColumnType.DATETIME, ZURICH)
    assert result.repeated == 1
    assert [f"{value:%H:%M:%S}" for value in result.values] == ["23:59:59", "00:30:00", "02:00:00"]


def test_a_missing_hour_moves_forward() -> None:
    assert values(["2026-03-29 02:30:00"], ColumnType.DATETIME, ZURICH) == [
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    ]


@given(
    st.lists(
        st.datetimes(
            min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - naive on purpose: local times
            max_value=datetime(2037, 12, 31),  # noqa: DTZ001
        ),
        max_size=30,
    ),
    st.sampled_from(["UTC", ZURICH, "America/New_York", "Asia/Kolkata"]),
)
def test_local_times_are_read_as_the_standard_library_reads_them(
    naive: list[datetime], zone: str
) -> None:
    existing = [
        local
        for local in (value.replace(microsecond=0) for value in naive)
        if local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
        == local.replace(tzinfo=ZoneInfo(zone))
    ]
    texts: list[str | None] = [f"{local:%Y-%m-%d %H:%M:%S}" for local in existing]
    expected = [local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC) for local in existing]
    assert values(texts, ColumnType.DATETIME, zone) == expected


FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%f")
NEARLY = st.text("0123456789-: TZ.+", min_size=18, max_size=27)
DATE_TIMES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))  # noqa: DTZ001 - local times


@given(
    st.sampled_from(FORMS),
    st.lists(DATE_TIMES, max_size=5),
    st.lists(st.one_of(st.none(), st.just(""), NEARLY, st.sampled_from(FORMS)), max_size=3),
    st.sampled_from(["UTC", ZURICH, "Asia/Kolkata"]),
)
def test_whole_columns_of_date_times_are_read_as_single_ones_are(
    form: str, instants: list[datetime], odd: list[str | None], zone: str
) -> None:
    texts: list[str | None] = [
        f"{instant.year:04d}" + instant.strftime(form.replace("%Y", "")) for instant in instants
    ]
    for column in (texts + odd, odd + texts):
        single = [values([text], ColumnType.DATETIME, zone)[0] for text in column]
        assert values(column, ColumnType.DATETIME, zone) == single


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30 10:15:00",
        "2026-01-05 24:00:00",
        "2026-01-05 10:15:60",
        "2026-01-05 101500+02",
        "2026-01-05 10+02:00",
        "+026-01-05 10:15:00",
        " 026-01-05 10:15:00",
        "2026-01-05 10:15:0 ",
        "2026-01-05\t10:15:00",
        "2026-01-05 10:15:00.1234567Z",
        "2026-01-05T10:15:00.12+02",
    ],
)
def test_what_arrows_parser_might_take_is_read_as_before(text: str) -> None:
    good = "2026-01-05 10:15:00"
    general = read_datetimes(pl.Series([text], dtype=pl.String), "UTC")[0][0]
    assert values([good, text, good], ColumnType.DATETIME)[1] == general
    assert values([text, text], ColumnType.DATETIME) == [general] * 2


def test_a_change_of_the_clocks_within_a_column_is_heeded() -> None:
    texts = ["2026-03-29 01:59:59", "2026-03-29 03:00:00"]
    instants = [datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)]
    assert values([*texts], ColumnType.DATETIME, ZURICH) == instants


WHOLE = re.compile("[+-]?[0-9]+")
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def as_python_reads(text: str | None, kind: ColumnType) -> object:
    """Return a number or truth value by the standard library, None for what does not fit."""
    if not text:
        return None
    if kind is ColumnType.BOOL:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if kind in {ColumnType.INT, ColumnType.BYTES}:
        number = int(text) if WHOLE.fullmatch(text) else None
        return number if number is not None and -(2**63) <= number < 2**63 else None
    decimal = float(text) if DECIMAL.fullmatch(text) else math.inf
    return decimal if math.isfinite(decimal) else None


NUMBERS = [ColumnType.INT, ColumnType.BYTES, ColumnType.FLOAT, ColumnType.DURATION]


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.text("0123456789+-.,/eExX_ \tnaif\u0661", max_size=8),
            st.integers(-(2**64), 2**64).map(str),
            st.floats().map(repr),
            st.sampled_from(["true", "TRUE", "fAlse", "yes", "inf", "NaN", "1e999", "0x1F", "1 "]),
        ),
        min_size=1,
    ),
    st.sampled_from([*NUMBERS, ColumnType.BOOL]),
)
def test_numbers_are_read_as_the_standard_library_reads_plain_ones(
    texts: list[str | None], kind: ColumnType
) -> None:
    assert values(texts, kind) == [as_python_reads(text, kind) for text in texts]


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (read_lists, ["[a, b]", "[]", None, "[", "", "[c]", '["a, b"]']),
        (read_dates, ["2026-01-05", None, "soon", "", "2026-02-30", "2026-12-31"]),
    ],
)
def test_repeated_values_are_read_once_and_the_same(
    read: Callable[[pl.Series], pl.Series], texts: list[str | None]
) -> None:
    seen: list[int] = []

    def counting(text: pl.Series) -> pl.Series:
        seen.append(len(text))
        return read(text)

    column = pl.Series("x", texts * 3)
    reading = Distinct(counting)
    assert reading(column).to_list() == read(column).to_list()
    assert seen == [len(texts) - 1]
    # The next batch has one more text; without a new one nothing is read.
    more = pl.Series("x", [*texts, "2026-11-30"] * 3)
    assert reading(more).to_list() == read(more).to_list()
    assert reading(column).to_list() == read(column).to_list()
    assert seen[1:] == [len(texts)]


def test_known_values_are_forgotten_when_they_are_many() -> None:
    reading = Distinct(read_dates)
    for year in range(1000, 1040):
        days = pl.select(
            pl.date_range(pl.date(year, 1, 1), pl.date(year, 12, 31)).cast(pl.String)
        ).to_series()
        column = pl.concat([days] * 3)
        assert reading(column).to_list() == read_dates(column).to_list()
        assert reading.known <= MOST_KNOWN + len(days)


def test_a_cast_counts_the_repeated_hour_over_its_batches() -> None:
    casting = ColumnCast(ColumnType.DATETIME, ZURICH)
    frame = pl.DataFrame({"at": ["2026-10-25 02:30:00", "2026-10-25 04:00:00"]})
    for _ in range(2):
        frame.select(casting.of(frame["at"]))
    assert casting.repeated == 2
