"""Turning text columns into declared types, strictly: what does not fit stays null and is told.

Date-times are read with one exact format per batch, found from the first value: Polars' own
guessing costs four times as much. Values with an offset keep it; others are read in the tenant's
zone.
"""

import re
from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

import polars as pl

from connectors.catalogue import ColumnType

UTC_TYPE = pl.Datetime("us", "UTC")
POLARS_TYPES: dict[ColumnType, pl.DataType] = {
    ColumnType.STRING: pl.String(),
    ColumnType.INT: pl.Int64(),
    ColumnType.FLOAT: pl.Float64(),
    ColumnType.BOOL: pl.Boolean(),
    ColumnType.DATETIME: UTC_TYPE,
    ColumnType.DATE: pl.Date(),
    ColumnType.BYTES: pl.Int64(),
    ColumnType.DURATION: pl.Float64(),
    ColumnType.LIST: pl.List(pl.String()),
    ColumnType.JSON: pl.String(),
}
TRUE = ("true", "1")
FALSE = ("false", "0")
DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}([ T])\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?")
# Every form that DATETIME knows: date and time, with or without an offset.
FORMATS = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%dT%H:%M:%S%.f%z",
)


@dataclass(frozen=True, slots=True)
class Cast:
    """A typed column; `repeated` counts naive values in an hour that the zone has twice."""

    values: pl.Series
    repeated: int = 0


def cast(text: pl.Series, kind: ColumnType, zone: str) -> Cast:
    """Cast one text column; values that do not fit become null.

    An empty string is a value for a string column only, elsewhere it is null.
    """
    if kind is ColumnType.STRING:
        return Cast(text)
    if kind is ColumnType.DATETIME:
        return _datetime(text, zone)
    if kind is ColumnType.BOOL:
        lower = text.str.to_lowercase()
        truth = pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False)
        return Cast(pl.select(truth.alias(text.name)).to_series())
    if kind is ColumnType.LIST:
        inner = text.str.extract(r"(?s)^\[(.*)\]$", 1)
        items = inner.str.split(",").list.eval(pl.element().str.strip_chars())
        return Cast(items.alias(text.name))
    if kind is ColumnType.JSON:
        return Cast(text)
    if kind is ColumnType.DATE:
        return Cast(text.str.to_date("%Y-%m-%d", strict=False))
    values = text.cast(POLARS_TYPES[kind], strict=False)
    if values.dtype == pl.Float64:
        # A number too large to hold would become infinite.
        values = values.set(~values.is_finite().fill_null(value=True), None)
    return Cast(values)


def failed(text: pl.Series, values: pl.Series) -> pl.Series:
    """Mark the values that were there and did not fit their type."""
    return values.is_null() & text.is_not_null() & (text != "")


def _datetime(text: pl.Series, zone: str) -> Cast:
    present = text.drop_nulls()
    present = present.filter(present != "") if len(present) else present
    if not len(present):
        return Cast(pl.Series(text.name, [None] * len(text), UTC_TYPE))
    result, repeated = _parse(text, _format_of(present[0]), zone)
    for form in FORMATS:
        # A batch of several forms: each value that is left takes the first form that fits it.
        left = failed(text, result)
        if not left.any():
            break
        nothing = pl.Series([None], dtype=pl.String)
        more, more_repeated = _parse(text.zip_with(left, nothing), form, zone)
        result = result.zip_with(~left, more)
        repeated += more_repeated
    return Cast(result, repeated)


def _format_of(value: str) -> str:
    match = DATETIME.fullmatch(value)
    if not match:
        return FORMATS[0]
    return FORMATS[2 * bool(match[3]) + (match[1] == "T")]


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
