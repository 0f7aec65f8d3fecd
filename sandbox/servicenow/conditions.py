"""Conditions of an encoded query as expressions over a table's frame."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from sandbox.servicenow.dates import computed
from sandbox.servicenow.encoded_query import Condition, EncodedQuery
from sandbox.servicenow.schema import DictionaryField, FieldType, TableSchema, resolve

# Returns the column of values at a dotted path.
Walk = Callable[[str], pl.Expr]

_NUMBERS = frozenset({FieldType.INTEGER, FieldType.CURRENCY})
_DATE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")

_OWN_ID = "javascript:gs.getUserID()"

_MATCHES: dict[str, Callable[[pl.Expr, str], pl.Expr]] = {
    "ANYTHING": lambda column, _: column.is_not_null(),
    "ISEMPTY": lambda column, _: column == "",
    "EMPTYSTRING": lambda column, _: column == "",
    "ISNOTEMPTY": lambda column, _: column != "",
    "IN": lambda column, value: column.is_in(value.split(",")),
    "NOT IN": lambda column, value: ~column.is_in(value.split(",")),
    "LIKE": lambda column, value: column.str.contains(value, literal=True),
    "NOT LIKE": lambda column, value: ~column.str.contains(value, literal=True),
    "STARTSWITH": lambda column, value: column.str.starts_with(value),
    "ENDSWITH": lambda column, value: column.str.ends_with(value),
}
_EQUALITY: dict[str, Callable[[pl.Expr, str], pl.Expr]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
}
_SIZES: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ">": lambda column, limit: column > limit,
    ">=": lambda column, limit: column >= limit,
    "<": lambda column, limit: column < limit,
    "<=": lambda column, limit: column <= limit,
}


@dataclass(frozen=True, slots=True)
class QueryContext:
    """The user and time of a query, on which some values depend."""

    now: datetime
    zone: ZoneInfo
    user_id: str = ""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The valid part of a query: an expression, or None for every row."""

    keep: pl.Expr | None
    dropped: bool


def build_filter(
    query: EncodedQuery, table: TableSchema, walk: Walk, reader: QueryContext
) -> RowFilter:
    """Return the filter of a query without its invalid parts."""
    dropped = bool(query.unread)
    alternatives: list[pl.Expr] = []
    for group in query.groups:
        all_of: list[pl.Expr] = []
        for choices in group:
            built = [_expression(choice, table, walk, reader) for choice in choices]
            valid = [each for each in built if each is not None]
            dropped |= len(valid) < len(built)
            if valid:
                all_of.append(pl.any_horizontal(valid))
        if all_of:
            alternatives.append(pl.all_horizontal(all_of))
    return RowFilter(pl.any_horizontal(alternatives) if alternatives else None, dropped)


def _expression(
    condition: Condition, table: TableSchema, walk: Walk, reader: QueryContext
) -> pl.Expr | None:
    """Return one comparison, or None if its field or its value is invalid."""
    fields = resolve(table, condition.path)
    if fields is None:
        return None
    value = condition.value
    if value.startswith("javascript:"):
        made = reader.user_id if value == _OWN_ID else computed(value, reader.now, reader.zone)
        if made is None:
            return None
        value = made
    return _compared(walk(condition.path), fields[-1], condition.operator, value)


def _compared(column: pl.Expr, field: DictionaryField, operator: str, value: str) -> pl.Expr | None:
    # The database below compares texts case-insensitively.
    text = column.str.to_lowercase() if field.kind is FieldType.STRING else column
    folded = value.lower()
    if operator in _MATCHES:
        return _MATCHES[operator](text, folded)
    if operator == "BETWEEN":
        low, _, high = folded.partition("@")
        above, below = _ordered(text, field, ">=", low), _ordered(text, field, "<=", high)
        return None if above is None or below is None else above & below
    if not _readable(field, folded):
        return None
    if operator in _EQUALITY:
        return _EQUALITY[operator](text, folded)
    return _ordered(text, field, operator, folded)


def _readable(field: DictionaryField, value: str) -> bool:
    """Return whether a value can be compared with a field of this type."""
    if field.kind in (FieldType.DATE, FieldType.DATETIME):
        return value == "" or _DATE.fullmatch(value) is not None
    return True


def _ordered(column: pl.Expr, field: DictionaryField, operator: str, value: str) -> pl.Expr | None:
    """Return a comparison by order; a missing value is neither greater nor less than any."""
    if not _readable(field, value):
        return None
    left: pl.Expr = column
    right: str | float = value
    if field.kind in _NUMBERS:
        try:
            right = float(value)
        except ValueError:
            return None
        left = column.cast(pl.Float64, strict=False)
    sized = _SIZES[operator](left, pl.lit(right)).fill_null(value=False)
    return (column != "") & sized
