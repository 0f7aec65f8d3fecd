"""Casting text columns to declared types, strictly: a value that does not fit becomes null.

`failed` then marks those values. Each type is an expression of Polars, or a function of whole
columns where the values decide how they are read.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson
import polars as pl
import pyarrow as pa

from connectors.catalogue import ColumnType
from tasks.columns.times import UTC_TYPE, DateTimes, failed, fits, read_dates

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
TRUE = ("true", "1")
FALSE = ("false", "0")
LISTS = pl.List(pl.String())
Read = Callable[[pl.Series], pl.Series]
QUOTE = '"'
# Signs of nesting. As part of an item they would need quotes, to differ from the list's own.
NESTED = r"[\[\]{}]"
NULL = "null"
# Distinct texts of a column whose values are kept from one batch to the next.
MOST_KNOWN = 10_000

__all__ = [
    "ARROW_TYPES",
    "POLARS_TYPES",
    "UTC_TYPE",
    "Cast",
    "ColumnCast",
    "cast",
    "failed",
    "fits",
]


@dataclass(frozen=True, slots=True)
class Cast:
    """A typed column; `repeated` counts naive values in an hour that the zone repeats."""

    values: pl.Series
    repeated: int = 0


class ColumnCast:
    """How one text column is cast, batch by batch.

    An empty string is a value for a string column only, elsewhere it is null.
    """

    def __init__(self, kind: ColumnType, zone: str) -> None:
        self._expression = EXPRESSIONS.get(kind)
        self._times = DateTimes(zone)
        self._read = self._times.read if kind is ColumnType.DATETIME else _reader(kind)

    @property
    def repeated(self) -> int:
        """Count the naive date-times, so far, in an hour that the zone repeats."""
        return self._times.repeated

    def of(self, text: pl.Series) -> pl.Expr | pl.Series:
        """Return the values of a text column; those that do not fit are null.

        What goes through Python is read here and now, and not as part of a query: there Polars'
        threads would wait for Python's lock, and other queries for those threads.
        """
        if self._expression is None:
            return self._read(text)
        return self._expression(pl.col(text.name))


def cast(text: pl.Series, kind: ColumnType, zone: str) -> Cast:
    """Cast one text column; values that do not fit become null."""
    casting = ColumnCast(kind, zone)
    values = text.to_frame().select(casting.of(text)).to_series()
    return Cast(values, casting.repeated)


def _strings(text: pl.Expr) -> pl.Expr:
    return text


def _integers(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def _floats(text: pl.Expr) -> pl.Expr:
    values = text.cast(pl.Float64, strict=False)
    # A number too large to hold would become infinite.
    return pl.when(values.is_finite()).then(values)


def _booleans(text: pl.Expr) -> pl.Expr:
    lower = text.str.to_lowercase()
    return pl.when(lower.is_in(TRUE)).then(True).when(lower.is_in(FALSE)).then(False)


class Distinct:
    """Reads a column that rarely has many distinct values, batch by batch: each of them once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        # The texts read so far, as the categories of an enumeration, and their values.
        self._texts = pl.Enum([])
        self._values: pl.Series | None = None

    @property
    def known(self) -> int:
        """The number of texts whose values are kept."""
        return len(self._texts.categories)

    def __call__(self, text: pl.Series) -> pl.Series:
        """Return the values of the next texts; those that do not fit are null."""
        places = self._places(text)
        if not fits(text, places):
            distinct = text.drop_nulls().unique()
            if 2 * len(distinct) > len(text):
                return self._read(text)
            self._learn(distinct)
            places = self._places(text)
        if self._values is None:
            return self._read(text)
        return self._values.gather(places).alias(text.name)

    def _places(self, text: pl.Series) -> pl.Series:
        return text.cast(self._texts, strict=False).to_physical()

    def _learn(self, distinct: pl.Series) -> None:
        values = self._read(distinct)
        if self._values is not None and self.known + len(distinct) <= MOST_KNOWN:
            known = self._texts.categories
            is_new = ~distinct.is_in(known.implode())
            distinct = pl.concat([known, distinct.filter(is_new)])
            values = pl.concat([self._values, values.filter(is_new)])
        self._texts, self._values = pl.Enum(distinct), values


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

EXPRESSIONS: dict[ColumnType, Callable[[pl.Expr], pl.Expr]] = {
    ColumnType.STRING: _strings,
    ColumnType.INT: _integers,
    ColumnType.BYTES: _integers,
    ColumnType.FLOAT: _floats,
    ColumnType.DURATION: _floats,
    ColumnType.BOOL: _booleans,
}


def _reader(kind: ColumnType) -> Read:
    if kind is ColumnType.JSON:
        return read_json
    return Distinct(read_dates if kind is ColumnType.DATE else read_lists)
