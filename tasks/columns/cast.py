"""Turning text columns into declared types, strictly: what does not fit stays null and is told."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from connectors.catalogue import ColumnType
from tasks.columns.nested import read_json, read_lists
from tasks.columns.times import UTC_TYPE, read_column, read_dates, read_datetimes

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
# Slow to read and rarely of many values: each distinct text is read once.
FEW_VALUES = (ColumnType.DATE, ColumnType.LIST)
# More different ones than these are not kept in memory.
MOST_REMEMBERED = 4096
# What numbers of these types consist of, written plainly; Arrow reads them as Polars does, but
# also takes hexadecimal and white space, and no sign before a whole number.
PLAIN_SIGNS = {
    ColumnType.INT: (ord("-"), ord("9")),
    ColumnType.BYTES: (ord("-"), ord("9")),
    ColumnType.FLOAT: (ord("+"), ord("9")),
    ColumnType.DURATION: (ord("+"), ord("9")),
}
TRUE = ("true", "1")
FALSE = ("false", "0")

__all__ = [
    "ARROW_TYPES",
    "POLARS_TYPES",
    "UTC_TYPE",
    "Cast",
    "ColumnCast",
    "cast",
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


class ColumnCast:
    """Casts one column, table by table: the same values as `cast`, for less.

    What is text is not copied, what is plain is read by Arrow, and of columns that rarely have
    many values each distinct text is read once.
    """

    def __init__(self, kind: ColumnType, zone: str) -> None:
        self._kind = kind
        self._zone = zone
        self._texts = pa.array([], pa.string())
        self._values = pa.array([], ARROW_TYPES[kind])

    def cast(self, text: pa.ChunkedArray) -> tuple[pa.Array, int]:
        """Cast the next rows; also count naive date-times in an hour that the zone has twice."""
        if self._kind is ColumnType.STRING:
            return text, 0
        whole = text.combine_chunks()
        if self._kind is ColumnType.DATETIME:
            return read_column(whole, self._zone)
        if self._kind in FEW_VALUES:
            return self._remembered(whole.dictionary_encode()), 0
        plain = _read_plain(whole, self._kind)
        return _converted(whole, self._kind) if plain is None else plain, 0

    def _remembered(self, text: pa.DictionaryArray) -> pa.Array:
        """Read what has not been read before, and look everything up."""
        if len(self._texts) > MOST_REMEMBERED:
            self._texts, self._values = self._texts[:0], self._values[:0]
        known = pc.index_in(text.dictionary, self._texts)
        if known.null_count:
            new = text.dictionary.filter(pc.is_null(known))
            self._texts = pa.concat_arrays([self._texts, new])
            self._values = pa.concat_arrays([self._values, _converted(new, self._kind)])
            known = pc.index_in(text.dictionary, self._texts)
        return self._values.take(known.take(text.indices))


def _read_plain(text: pa.Array, kind: ColumnType) -> pa.Array | None:
    """Have Arrow read what it reads as `cast` does; None where there is anything else."""
    is_plain = kind is ColumnType.BOOL or (
        kind in PLAIN_SIGNS and _is_within(text, *PLAIN_SIGNS[kind])
    )
    if not is_plain:
        return None
    try:
        values = text.cast(ARROW_TYPES[kind])
    except pa.ArrowInvalid:
        return None
    if pa.types.is_floating(values.type) and pc.any(pc.is_inf(values)).as_py():
        return None
    return values


def _is_within(text: pa.Array, least: int, most: int) -> bool:
    """Tell whether all bytes of all values lie between two."""
    _, offsets, content = text.buffers()
    if content is None:
        return True
    bounds = np.frombuffer(offsets, np.int32)[[text.offset, text.offset + len(text)]]
    signs = np.frombuffer(content, np.uint8)[slice(*bounds)]
    return not len(signs) or bool(signs.min() >= least and signs.max() <= most)


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
