"""Reading dates and date-times, exactly as documented or not at all.

Date-times are read with one exact format per batch, found from the first value: Polars' own
guessing costs four times as much. Values with an offset keep it; others are read in the tenant's
zone. The shape is checked apart, since Polars' formats also take `2026-1-5` and a second 60.
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

UTC_TYPE = pl.Datetime("us", "UTC")
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
DATETIME = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])?$"
)
# Every form that DATETIME knows: date and time, with or without an offset.
FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%dT%H:%M:%S%.f%z",
)
OFFSET = len("2026-01-05 10:15:00")
# What readers can hold: Python's own date-times, and so DuckDB's answers, end there.
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def read_dates(text: pl.Series) -> pl.Series:
    """Read `2026-01-05`; anything else becomes null."""
    values = _shaped(text, DATE).str.to_date("%Y-%m-%d", strict=False)
    return values.set((values < date.min).fill_null(value=False), None)


def read_datetimes(text: pl.Series, zone: str) -> tuple[pl.Series, int]:
    """Read date-times in the zone; also count the naive ones in an hour that it has twice."""
    shaped = _shaped(text, DATETIME)
    present = shaped.drop_nulls()
    if not len(present):
        return pl.Series(text.name, [None] * len(text), UTC_TYPE), 0
    result, repeated = _parse(shaped, _format_of(present[0]), zone)
    for form in FORMATS:
        # A batch of several forms: each value that is left takes the first form that fits it.
        left = result.is_null() & shaped.is_not_null()
        if not left.any():
            break
        nothing = pl.Series([None], dtype=pl.String)
        more, more_repeated = _parse(shaped.zip_with(left, nothing), form, zone)
        result = result.zip_with(~left, more)
        repeated += more_repeated
    beyond = ((result < FIRST) | (result > LAST)).fill_null(value=False)
    return result.set(beyond, None), repeated


def _shaped(text: pl.Series, pattern: str) -> pl.Series:
    """Leave only what has the exact shape."""
    return text.set(~text.str.contains(pattern).fill_null(value=True), None)


def _format_of(value: str) -> str:
    has_offset = value.endswith("Z") or any(sign in value[OFFSET:] for sign in "+-")
    return FORMATS[2 * has_offset + (value[len("2026-01-05")] == "T")]


def _parse(text: pl.Series, form: str, zone: str) -> tuple[pl.Series, int]:
    if form.endswith("%z"):
        offset = text.str.replace("Z$", "+00:00")
        return offset.str.to_datetime(form, time_unit="us", strict=False).cast(UTC_TYPE), 0
    naive = text.str.to_datetime(form, time_unit="us", strict=False)
    if zone == "UTC":
        return naive.dt.replace_time_zone("UTC"), 0
    return _localise(naive, zone)


def _localise(naive: pl.Series, zone: str) -> tuple[pl.Series, int]:
    """Read naive values in the zone: first reading where it has two, later where it has none."""
    first = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    last = naive.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    repeated = int((first != last).sum())
    values = first.dt.convert_time_zone("UTC")
    missing = first.is_null() & naive.is_not_null()
    if missing.any():
        # With the offset from before the gap the clock's hand goes on by as much as was left out.
        gap = naive.filter(missing).unique()
        moved = [local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC) for local in gap]
        forward = naive.replace_strict(gap, pl.Series(moved, dtype=UTC_TYPE), default=None)
        values = values.zip_with(~missing, forward)
    return values, repeated
