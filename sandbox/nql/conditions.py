"""Conditions as column expressions, and the time bounds that they imply."""

import re
from datetime import datetime
from functools import reduce
from ipaddress import ip_network
from operator import and_, or_

import polars as pl

from nql.kinds import Kind
from sandbox.model.kinds import TEXTUAL
from sandbox.model.tables import TableColumn
from sandbox.nql import plan
from sandbox.nql.values import Plain

_IPV4 = 4
_WILD = re.compile(r"(?<!\\)[*?]")


def expression(predicate: plan.Predicate) -> pl.Expr:
    """Return a predicate as an expression that is never null."""
    match predicate:
        case plan.Every(parts):
            return reduce(and_, (expression(part) for part in parts))
        case plan.Some(parts):
            return reduce(or_, (expression(part) for part in parts))
        case plan.Test(_, operator) if operator.startswith("!"):
            # Null differs from every value, so negations keep it.
            return ~_holds(predicate, operator[1:])
        case plan.Test(_, operator):
            return _holds(predicate, operator)


def time_bounds(predicate: plan.Predicate, path: str) -> tuple[datetime | None, datetime | None]:
    """Return the bounds of a date-time column in the rows that pass."""
    if isinstance(predicate, plan.Every):
        pairs = [time_bounds(part, path) for part in predicate.parts]
        starts = [start for start, _ in pairs if start]
        ends = [end for _, end in pairs if end]
        return max(starts, default=None), min(ends, default=None)
    if isinstance(predicate, plan.Some) or predicate.column.path != path or predicate.other:
        return None, None
    value = predicate.values[0]
    if not isinstance(value, datetime):
        return None, None
    start = value if predicate.operator in (">=", "=") else None
    end = value if predicate.operator in ("<=", "=") else None
    return start, end


def _holds(test: plan.Test, operator: str) -> pl.Expr:
    column, kind = pl.col(test.column.path), test.column.kind
    if test.other is not None:
        # Null equals nothing, not even another null: a guess.
        left, right = _comparable(test.column, test.other)
        return _ordered(operator, left, right).fill_null(value=False)
    if operator in ("=", "in"):
        return reduce(or_, (_equal(column, kind, value) for value in test.values))
    if operator == "contains":
        return _contains(column, kind, str(test.values[0]))
    value = test.values[0]
    if value is None:
        return pl.lit(value=False)
    left, right = column, _constant(kind, value)
    if kind is Kind.VERSION:
        left, right = _version_key(column), _version_key(pl.lit(value))
    return _ordered(operator, left, right).fill_null(value=False)


def _ordered(operator: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    match operator:
        case "=":
            return left == right
        case "<":
            return left < right
        case ">":
            return left > right
        case "<=":
            return left <= right
        case _:
            return left >= right


def _comparable(one: TableColumn, other: TableColumn) -> tuple[pl.Expr, pl.Expr]:
    left, right = pl.col(one.path), pl.col(other.path)
    if Kind.VERSION in (one.kind, other.kind):
        # A custom field holds a version as a text, such as 1.2.3.
        return _version_key(left), _version_key(right)
    if one.kind in TEXTUAL:
        return left.str.to_lowercase(), right.str.to_lowercase()
    return left, right


def _equal(column: pl.Expr, kind: Kind, value: Plain) -> pl.Expr:
    if value is None:
        return column.is_null()
    if kind is Kind.IP and not _WILD.search(str(value)):
        return _is_address(column, str(value))
    if kind not in TEXTUAL:
        return (column == _constant(kind, value)).fill_null(value=False)
    text = str(value)
    if _WILD.search(text):
        return column.str.contains(_pattern(text)).fill_null(value=False)
    plain = re.sub(r"\\([*?\\])", r"\1", text)
    return (column.str.to_lowercase() == plain.lower()).fill_null(value=False)


def _is_address(column: pl.Expr, text: str) -> pl.Expr:
    """Return whether a column is an address, or within a mask such as 10.0.0.0/8."""
    network = ip_network(text, strict=False)
    if network.version != _IPV4:
        # For IPv6 only a single address is supported, not a mask.
        return (column.str.to_lowercase() == str(network[0])).fill_null(value=False)
    # An IPv4 address may be written as IPv6, `::ffff:10.1.2.3`.
    octets = column.str.extract(r"(?i)^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$").str.split(".")
    number = reduce(
        lambda total, i: total * 256 + octets.list.get(i, null_on_oob=True).cast(pl.Int64),
        range(4),
        pl.lit(0, dtype=pl.Int64),
    )
    first, last = int(network[0]), int(network[-1])
    return number.is_between(first, last).fill_null(value=False)


def _contains(column: pl.Expr, kind: Kind, text: str) -> pl.Expr:
    if kind is Kind.ARRAY:
        element = pl.element().str
        if _WILD.search(text):
            matching = column.list.eval(element.contains(_pattern(text)))
            return matching.list.any().fill_null(value=False)
        lowered = column.list.eval(element.to_lowercase())
        return lowered.list.contains(text.lower()).fill_null(value=False)
    return column.str.to_lowercase().str.contains(text.lower(), literal=True).fill_null(value=False)


def _constant(kind: Kind, value: Plain) -> pl.Expr:
    if kind is Kind.DATETIME:
        return pl.lit(value, dtype=pl.Datetime("us", "UTC"))
    return pl.lit(value)


def _pattern(text: str) -> str:
    """Return the wildcard text as an anchored expression; an escaped star is literal."""
    parts = re.split(r"(\\[*?\\]|[*?])", text)
    body = "".join(
        {"*": ".*", "?": "."}.get(part) or re.escape(re.sub(r"^\\([*?\\])$", r"\1", part))
        for part in parts
    )
    return f"(?is)^{body}$"


def _version_key(version: pl.Expr) -> pl.Expr:
    """Return versions with padded numbers, so that comparing texts compares versions."""
    numbers = version.str.extract_all(r"\d+")
    return numbers.list.eval(pl.element().str.zfill(10)).list.join(".")
