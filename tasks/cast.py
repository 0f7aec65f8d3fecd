"""Turning text columns into declared types, strictly: what does not fit stays null and is told."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from connectors.catalogue import ColumnType
from tasks.nested import read_json, read_lists
from tasks.times import UTC_TYPE, read_column, read_dates, read_datetimes

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
# As every reader knows them: not every one knows the large kinds and views.
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.STRING: pa.string(),
    ColumnType.INT: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.DATETIME: pa.timestamp("us", "UTC"),
    ColumnType.DATE: pa.date32(),
    ColumnType.BYTES: pa.int64(),
    ColumnType.DURATION: pa.float64(),
    ColumnType.LIST: pa.list_(pa.string()),
    ColumnType.JSON: pa.string(),
}
# Slow to read and rarely of many values: each distinct text of a batch is read once.
FEW_VALUES = (ColumnType.BOOL, ColumnType.DATE, ColumnType.LIST)
TRUE = ("true", "1")
FALSE = ("false", "0")

__all__ = [
    "ARROW_TYPES",
    "POLARS_TYPES",
    "UTC_TYPE",
    "Cast",
    "cast",
    "cast_column",
    "failed",
    "misfits",
]


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


def cast_column(text: pa.ChunkedArray, kind: ColumnType, zone: str) -> tuple[pa.Array, int]:
    """Cast one column of a table: the same values as `cast`, without a copy of what is text."""
    if kind is ColumnType.STRING:
        return text, 0
    if kind is ColumnType.DATETIME:
        return read_column(text.combine_chunks(), zone)
    if kind in FEW_VALUES:
        encoded = text.combine_chunks().dictionary_encode()
        return _converted(encoded.dictionary, kind).take(encoded.indices), 0
    return _converted(text, kind), 0


def _converted(text: pa.ChunkedArray | pa.Array, kind: ColumnType) -> pa.Array:
    return CONVERTERS[kind](pl.Series(text)).to_arrow().cast(ARROW_TYPES[kind])


def misfits(text: pa.ChunkedArray, values: pa.Array) -> pa.Array | None:
    """Mark the values that were there and did not fit their type; None where all did."""
    if values.null_count == text.null_count:
        return None
    written = pc.greater(pc.fill_null(pc.binary_length(text), 0), 0)
    return pc.and_(pc.is_null(values), written.combine_chunks())


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
