"""Turning text columns into declared types, strictly: what does not fit stays null and is told."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from connectors.catalogue import ColumnType
from tasks.nested import read_json, read_lists
from tasks.times import UTC_TYPE, read_dates, read_datetimes

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

__all__ = ["POLARS_TYPES", "UTC_TYPE", "Cast", "cast", "failed"]


@dataclass(frozen=True, slots=True)
class Cast:
    """A typed column; `repeated` counts naive values in an hour that the zone has twice."""

    values: pl.Series
    repeated: int = 0


def cast(text: pl.Series, kind: ColumnType, zone: str) -> Cast:
    """Cast one text column; values that do not fit become null.

    An empty string is a value for a string column only, elsewhere it is null.
    """
    if kind is ColumnType.DATETIME:
        return Cast(*read_datetimes(text, zone))
    return Cast(CONVERTERS[kind](text))


def failed(text: pl.Series, values: pl.Series) -> pl.Series:
    """Mark the values that were there and did not fit their type."""
    return values.is_null() & text.is_not_null() & (text != "")


def _strings(text: pl.Series) -> pl.Series:
    return text


def _integers(text: pl.Series) -> pl.Series:
    return text.cast(pl.Int64, strict=False)


def _floats(text: pl.Series) -> pl.Series:
    values = text.cast(pl.Float64, strict=False)
    # A number too large to hold would become infinite.
    return values.set(~values.is_finite().fill_null(value=True), None)


def _booleans(text: pl.Series) -> pl.Series:
    lower = text.str.to_lowercase()
    truth = pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False)
    return pl.select(truth.alias(text.name)).to_series()


CONVERTERS: dict[ColumnType, Callable[[pl.Series], pl.Series]] = {
    ColumnType.STRING: _strings,
    ColumnType.INT: _integers,
    ColumnType.BYTES: _integers,
    ColumnType.FLOAT: _floats,
    ColumnType.DURATION: _floats,
    ColumnType.BOOL: _booleans,
    ColumnType.DATE: read_dates,
    ColumnType.LIST: read_lists,
    ColumnType.JSON: read_json,
}
