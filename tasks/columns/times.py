"""Reading dates and date-times, exactly as documented or not at all.

Date-times of a batch are read in one exact form, known from its first rows, by Arrow's own parser:
it takes a twentieth of the time of any other. Values in other forms take the general path, which
tries every form. Values with an offset keep it; others are read in the tenant's zone. The shape is
checked separately, since Polars' formats also accept `2026-1-5` and a second 60.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

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
# Forms that Arrow reads exactly: to the second, or with a point and up to six digits.
EXACT = r"^[0-9-]{10}[ T][0-9:]{8}(\.[0-9]{1,6})?Z?$"
POSSIBLE = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[ T]"
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z?$"
)
FIRST_LOOK = 100
NAIVE = pa.timestamp("us")
ARROW_UTC = pa.timestamp("us", "UTC")
# What readers can represent: Python's date-times, and therefore DuckDB's answers, end there.
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
DAY = timedelta(days=1)
# In a longer span most zones change their clocks: do not look for a single offset.
LONGEST_SPAN = timedelta(days=190)
# Polars knows the zones' rules to the end of this year.
LAST_TABULATED = 2099
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MICROS, LAST_MICROS = (
    (instant - EPOCH) // timedelta(microseconds=1) for instant in (FIRST + DAY, LAST - DAY)
)


def read_dates(text: pl.Series) -> pl.Series:
    """Read `2026-01-05`; anything else becomes null."""
    values = _shaped(text, DATE).str.to_date("%Y-%m-%d", strict=False)
    return values.set((values < date.min).fill_null(value=False), None)


class DateTimes:
    """Reads a column of date-times, batch by batch.

    `repeated` counts the naive values in an hour that the zone repeats.
    """

    def __init__(self, zone: str) -> None:
        self.repeated = 0
        self._zone = zone

    def read(self, text: pl.Series) -> pl.Series:
        """Read the next values; only unusual ones take the slow way of `read_datetimes`."""
        plain = text.to_arrow(compat_level=pl.CompatLevel.newest()).cast(pa.string())
        found, repeated = _read_exact(plain, self._zone)
        values = pl.Series(text.name, found, UTC_TYPE)
        if not fits(text, values) and (left := failed(text, values)).any():
            more, again = read_datetimes(text.filter(left), self._zone)
            values = values.scatter(left.arg_true(), more)
            repeated += again
        self.repeated += repeated
        return values


def fits(text: pl.Series, values: pl.Series) -> bool:
    """Return whether all values that are present fit their type: the quick way to know."""
    return values.null_count() == text.null_count()


def failed(text: pl.Series, values: pl.Series) -> pl.Series:
    """Mark the values that are present but do not fit their type."""
    if fits(text, values):
        return pl.repeat(False, len(text), dtype=pl.Boolean, eager=True)
    return values.is_null() & text.is_not_null() & (text != "")


def _read_exact(text: pa.Array, zone: str) -> tuple[pa.Array, int]:
    """Read the values that have the form of the first rows; the rest is null."""
    nothing = pa.nulls(len(text), ARROW_UTC)
    few = text.drop_null()[:FIRST_LOOK].to_pylist()
    first = next((value for value in few if re.match(EXACT, value)), "")
    if not first:
        return nothing, 0
    lengths = pc.binary_length(text)
    fits = pc.equal(lengths, len(first))
    has_offset = first.endswith("Z")
    if has_offset:
        # Forms with an offset in digits can have the same length.
        fits = pc.and_(fits, pc.ends_with(text, "Z"))
    shaped = text if pc.all(fits).as_py() else pc.if_else(fits, text, None)
    kind = ARROW_UTC if has_offset else NAIVE
    try:
        values = shaped.cast(kind)
    except pa.ArrowInvalid:
        possible = pc.match_substring_regex(shaped, POSSIBLE)
        try:
            values = pc.if_else(possible, shaped, None).cast(kind)
        except pa.ArrowInvalid:
            return nothing, 0
    span = pc.min_max(values)
    if not _holds(span["min"]) or not _holds(span["max"]):
        return nothing, 0
    if has_offset or zone == "UTC":
        return values.cast(ARROW_UTC), 0
    offset = _only_offset(span, zone)
    if offset is not None:
        return pc.subtract(values, pa.scalar(offset, pa.duration("us"))).cast(ARROW_UTC), 0
    local, repeated = _localise(pl.Series(values), zone)
    return local.to_arrow().cast(ARROW_UTC), repeated


def _only_offset(span: pa.Scalar, zone: str) -> timedelta | None:
    """Return the zone's offset if it is the same throughout a span of local time; if not, None."""
    first, last = span["min"].as_py(), span["max"].as_py()
    if first is None or last - first > LONGEST_SPAN or last.year > LAST_TABULATED:
        return None
    days = (last.date() - first.date()).days
    found = {_offset_of_day(first.date() + timedelta(days=day), zone) for day in range(days + 1)}
    return found.pop() if len(found) == 1 else None


@cache
def _offset_of_day(day: date, zone: str) -> timedelta | None:
    """Return the zone's offset on a local day, or None if its clocks change on that day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    quarters = (midnight + timedelta(minutes=15 * quarter) for quarter in range(4 * 24 + 1))
    found = {local.replace(fold=fold).utcoffset() for local in quarters for fold in (0, 1)}
    return found.pop() if len(found) == 1 else None


def _holds(instant: pa.Scalar) -> bool:
    """Return whether readers can represent an instant in any zone; a day is the widest offset."""
    return instant.value is None or FIRST_MICROS <= instant.value <= LAST_MICROS


def read_datetimes(text: pl.Series, zone: str) -> tuple[pl.Series, int]:
    """Read date-times in the zone; also count the naive ones in an hour that it repeats."""
    shaped = _shaped(text, DATETIME)
    present = shaped.drop_nulls()
    if not len(present):
        return pl.Series(text.name, [None] * len(text), UTC_TYPE), 0
    result, repeated = _parse(shaped, _format_of(present[0]), zone)
    for form in FORMATS:
        # A batch of several forms: each remaining value is read by the first form that fits.
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
    """Read naive values in the zone: a repeated time as its first instant, a skipped one later."""
    first = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    last = naive.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    repeated = int((first != last).sum())
    values = first.dt.convert_time_zone("UTC")
    missing = first.is_null() & naive.is_not_null()
    if missing.any():
        # The offset from before the gap moves a skipped time forward by the length of the gap.
        gap = naive.filter(missing).unique()
        moved = [local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC) for local in gap]
        forward = naive.replace_strict(gap, pl.Series(moved, dtype=UTC_TYPE), default=None)
        values = values.zip_with(~missing, forward)
    return values, repeated
