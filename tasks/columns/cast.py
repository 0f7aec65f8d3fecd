"""Casting text columns to declared types, strictly: a value that does not fit becomes null.

`failed` and `misfits` then mark those values. Everything works on whole columns; only lists with
quotes, and JSON, go through Python.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from connectors.catalogue import ColumnType
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
# Types that every reader supports: some do not know Arrow's large types and views.
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
# Slow to read, and such columns rarely have many distinct values: each distinct text is read once.
FEW_VALUES = (ColumnType.DATE, ColumnType.LIST)
# At most so many distinct texts are remembered between tables, roughly: it bounds the memory.
MOST_REMEMBERED = 4096
# The bytes of plainly written numbers, as a range: within it Arrow reads the same as Polars. Beyond
# it Arrow also takes hexadecimal and white space, and refuses a plus before an integer.
PLAIN_SIGNS = {
    ColumnType.INT: (ord("-"), ord("9")),
    ColumnType.BYTES: (ord("-"), ord("9")),
    ColumnType.FLOAT: (ord("+"), ord("9")),
    ColumnType.DURATION: (ord("+"), ord("9")),
}
TRUE = ("true", "1")
FALSE = ("false", "0")
LISTS = pl.List(pl.String())
QUOTE = '"'
# Signs of nesting. As part of an item they would need quotes, to differ from the list's own.
NESTED = r"[\[\]{}]"
NULL = "null"

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
    """A typed column; `repeated` counts naive values in an hour that the zone repeats."""

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
    """Casts one column, table by table: the same values as `cast`, at less cost.

    Strings are not copied, plainly written values are read by Arrow, and in columns that rarely
    have many distinct values each distinct text is read once.
    """

    def __init__(self, kind: ColumnType, zone: str) -> None:
        self._kind = kind
        self._zone = zone
        self._texts = pa.array([], pa.string())
        self._values = pa.array([], ARROW_TYPES[kind])

    def cast(self, text: pa.ChunkedArray) -> tuple[pa.Array, int]:
        """Cast the next rows; also count naive date-times in an hour that the zone repeats."""
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
        """Read the texts that have not been read before, and look up all of them."""
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
    """Return the values as Arrow reads them, or None if `cast` might read one differently."""
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
    """Return whether all bytes of all values lie between two."""
    _, offsets, content = text.buffers()
    if content is None:
        return True
    bounds = np.frombuffer(offsets, np.int32)[[text.offset, text.offset + len(text)]]
    signs = np.frombuffer(content, np.uint8)[slice(*bounds)]
    return not len(signs) or bool(signs.min() >= least and signs.max() <= most)


def _converted(text: pa.ChunkedArray | pa.Array, kind: ColumnType) -> pa.Array:
    return CONVERTERS[kind](pl.Series(text)).to_arrow().cast(ARROW_TYPES[kind])


def misfits(text: pa.ChunkedArray, values: pa.Array) -> pa.Array | None:
    """Mark the values that are present but do not fit their type; None if all fit."""
    if values.null_count == text.null_count:
        return None
    written = pc.greater(pc.fill_null(pc.binary_length(text), 0), 0)
    return pc.and_(pc.is_null(values), written.combine_chunks())


def failed(text: pl.Series, values: pl.Series) -> pl.Series:
    """Mark the values that are present but do not fit their type."""
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


def read_lists(text: pl.Series) -> pl.Series:
    """Read `[a, b]` and `["a, b", "c"]` as lists of text; anything else becomes null.

    Without quotes the items are what commas separate; with quotes the whole must be JSON.
    Numbers stay as written. `[]` is an empty list, and an item `null` is null.
    """
    is_quoted = text.str.contains(QUOTE, literal=True)
    values = _bare(text.set(is_quoted.fill_null(value=False), None))
    if not is_quoted.any():
        return values.alias(text.name)
    quoted = text.filter(is_quoted).unique()
    # Through Arrow: Polars takes twenty times as long to build a column from nested lists.
    parsed = pl.Series(pa.array([_items(value) for value in quoted], pa.list_(pa.string())))
    positions = text.replace_strict(
        quoted, pl.int_range(len(quoted), eager=True), default=None, return_dtype=pl.Int64
    )
    return pl.select(
        pl.when(is_quoted).then(parsed.gather(positions)).otherwise(values).alias(text.name)
    ).to_series()


def read_json(text: pl.Series) -> pl.Series:
    """Keep the text that is JSON (RFC 8259: no NaN, no comments); anything else becomes null."""
    distinct = text.drop_nulls().unique()
    wrong = [value for value in distinct if not is_json(value)]
    return text.set(text.is_in(wrong).fill_null(value=False), None)


def is_json(text: str) -> bool:
    """Return whether a text is one JSON document."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _bare(text: pl.Series) -> pl.Series:
    is_list = text.str.starts_with("[") & text.str.ends_with("]")
    inner = text.set(~is_list.fill_null(value=True), None).str.slice(1)
    inner = inner.str.head(-1).str.strip_chars()
    inner = inner.set(inner.str.contains(NESTED).fill_null(value=False), None)
    item = pl.element().str.strip_chars()
    items = inner.str.split(",").list.eval(pl.when(item != NULL).then(item))
    is_empty = inner == ""
    # Between two commas there must be something.
    has_gap = items.list.contains(pl.lit("")) & ~is_empty
    nothing = pl.lit(None, LISTS)
    none = pl.lit([], LISTS)
    read = pl.when(has_gap).then(nothing).when(is_empty).then(none).otherwise(items)
    return pl.select(read).to_series()


def _items(text: str) -> list[str | None] | None:
    """Read a JSON list of scalars, numbers as they are written; None if it is not such a list."""
    try:
        found = AS_WRITTEN.decode(text)
        if not isinstance(found, list):
            return None
        items = [_item(item) for item in found]
        # JSON allows half of a surrogate pair, but no encoding of text does: refuse it here.
        "".join(item or "" for item in items).encode()
    except (ValueError, RecursionError):
        return None
    return items


def _item(value: Any) -> str | None:
    if isinstance(value, list | dict):
        raise ValueError("nested")  # noqa: TRY004 - one kind of refusal for all of them
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


AS_WRITTEN = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)

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
