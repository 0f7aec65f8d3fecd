"""Trees of parsed expressions: of one row only, and exact where Polars' own arithmetic is not.

Whole numbers are 64 bits wide here, and arithmetic on them fails where it would wrap around: Polars
itself keeps the 8 bits of an hour, and silently wraps. Decimal literals are floats, as the columns
are. A division by a constant is a division: Polars itself multiplies by the reciprocal, so that 5 /
1000000 is 4.9999999999999996e-06, but only in frames of more than one row.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson
import polars as pl

from connectors.catalogue.frame_types import column_type, divisor

# Polars needs quadratic time for long ones.
MOST_CHARACTERS: Final = 4_000
# Functions of one row, by the names that Polars' own trees use: whole families, and single ones.
_FAMILIES: Final = {"Sql", "StringExpr", "TemporalExpr", "ListExpr", "Trigonometry", "Pow", "Clip"}
_FUNCTIONS: Final = {
    *("Coalesce", "MaxHorizontal", "MinHorizontal", "Abs", "Ceil", "Floor", "Exp", "Log", "Log1p"),
    *("Sign", "Atan2", "FillNull"),
}
_OF_ONE_ROW: Final = {
    "Boolean": {"Not", "IsNull", "IsNotNull", "IsNan", "IsNotNan", "IsFinite", "IsInfinite"},
    "Bitwise": {"CountOnes", "CountZeros"},
}
_COMPARISONS: Final = {"Eq", "NotEq", "Lt", "LtEq", "Gt", "GtEq"}
# IS NOT DISTINCT FROM, for which a null is a value.
_WITH_NULLS: Final = {"EqValidity", "NotEqValidity"}
_NULL: Final = {"Literal": {"Scalar": {"Null": "Null"}}}
_DIVISIONS: Final = {"TrueDivide", "RustDivide", "FloorDivide", "Modulus", "Divide"}
_SQL_DIVISIONS: Final = {"Div", "IntDiv", "Rem"}
_MAY_BE_INFINITE: Final = [{"Sql": {"Binary": name}} for name in ("Div", "Rem")]
# How DATE_TRUNC, which Polars' parser refuses in an expression alone, stands in a tree.
TRUNCATED: Final = "nxp:date_trunc:"
_EVERY: Final = {
    "microsecond": "1us",
    "millisecond": "1ms",
    "second": "1s",
    "minute": "1m",
    "hour": "1h",
    "day": "1d",
    "week": "1w",
    "month": "1mo",
    "quarter": "1q",
    "year": "1y",
}
_TRUNCATE: Final = {"TemporalExpr": "Truncate"}
_PADDING: Final = {"PadStart", "PadEnd"}
_SUMS: Final = {"Plus", "Minus", "Multiply"}
_SQL_SUMS: Final = {"Plus", "Minus", "Mul"}
_AGGREGATES: Final = {"Agg", "Len", "Correlation", "Quantile", "NullCount", "NUnique", "Boolean"}
_PARTS: Final = {
    "Alias": "an alias: the name is the key in front of the expression",
    "Explode": "more than one row for a row",
    "Selector": "several columns",
    "SubPlan": "a subquery",
    "Over": "a window function, which looks at other rows",
}

Tree = dict[str, Any] | str


class ExpressionError(ValueError):
    """An expression cannot be used; the message says why, and what to do."""


def expression_of(tree: Tree) -> pl.Expr:
    """Return the expression of a tree."""
    return pl.Expr.deserialize(io.BytesIO(orjson.dumps(tree)), format="json")


def branches(tree: Any) -> Iterator[Tree]:
    """Yield the parts of every CASE and IF in a tree: Polars runs only those that a row needs."""
    if isinstance(tree, dict):
        for kind, parts in tree.items():
            if kind == "Ternary":
                yield from parts.values()
            yield from branches(parts)
    elif isinstance(tree, list):
        for part in tree:
            yield from branches(part)


def divisors_of(expression: pl.Expr) -> list[pl.Expr]:
    """Return what an expression divides by, wherever in it, where the result may be infinite."""
    tree = orjson.loads(expression.meta.serialize(format="json"))
    return [expression_of(each) for each in _divisors(tree)]


def _divisors(tree: Any) -> Iterator[Tree]:
    if isinstance(tree, dict):
        for kind, parts in tree.items():
            if kind == "Function" and parts["function"] in _MAY_BE_INFINITE:
                yield parts["input"][1]
            yield from _divisors(parts)
    elif isinstance(tree, list):
        for part in tree:
            yield from _divisors(part)


class TreeReader:
    """Reads a tree from the leaves up, and makes its arithmetic on whole numbers exact."""

    def __init__(self, empty: pl.LazyFrame) -> None:
        self._empty = empty

    def read(self, tree: Tree) -> Tree:
        """Return the tree with exact arithmetic.

        Raises:
            ExpressionError: a part of it looks at more than one row.
        """
        kind, parts = (tree, {}) if isinstance(tree, str) else next(iter(tree.items()))
        if kind == "Column":
            return tree
        if kind == "Literal" or (kind == "Alias" and "Literal" in parts[0]):
            # Polars names the list of `= ANY(…)`.
            return {"Literal": _plain_literal(parts if kind == "Literal" else parts[0]["Literal"])}
        read = _READ.get(kind)
        if read is None:
            raise refused(kind)
        return read(self, parts)

    def _cast(self, parts: dict[str, Any]) -> Tree:
        return self._whole({"Cast": {**parts, "expr": self.read(parts["expr"])}})

    def _ternary(self, parts: dict[str, Tree]) -> Tree:
        return {"Ternary": {name: self.read(part) for name, part in parts.items()}}

    def _binary(self, parts: dict[str, Any]) -> Tree:
        def made(sides: list[Tree]) -> Tree:
            return {"BinaryExpr": {**parts, "left": sides[0], "right": sides[1]}}

        if parts["op"] in _COMPARISONS and _NULL in (parts["left"], parts["right"]):
            raise ExpressionError(
                "a comparison with NULL is true for no row: write IS NULL or IS NOT NULL"
            )
        sides = [self.read(parts["left"]), self.read(parts["right"])]
        if parts["op"] in _COMPARISONS | _WITH_NULLS:
            _check_compared([kind for each in sides if (kind := self._kind(each))])
        if parts["op"] in _DIVISIONS:
            sides[1] = self._divisor(*sides)
        return self._exact(sides, parts["op"] in _SUMS, made)

    def _items(self, parts: dict[str, Any]) -> Tree:
        """Read what looks at the items of one list."""
        return {"Eval": {**parts, "expr": self.read(parts["expr"])}}

    def _function(self, parts: dict[str, Any]) -> Tree:
        inputs, function = [self.read(each) for each in parts["input"]], parts["function"]
        name, of = (function, None) if isinstance(function, str) else next(iter(function.items()))
        if not _is_of_one_row(name, of):
            raise refused(name)
        if name == "StringExpr" and isinstance(of, dict):
            if _PADDING & of.keys():
                _check_length(inputs[1])
            if every := _truncating(of):
                return {"Function": {"input": [*inputs, every], "function": _TRUNCATE}}
            if "Find" in of:
                # STRPOS and POSITION look for a text; Polars takes it for a pattern.
                function = {"StringExpr": {"Find": {**of["Find"], "literal": True}}}
        if of == {"TimeStamp": "Nanoseconds"}:
            return _nanoseconds(inputs[0])
        if (name, of) == ("Pow", "Generic") and all(map(self._is_whole, inputs)):
            return _power(*inputs)
        if name == "Sql" and isinstance(of, dict) and of.get("Binary") in _SQL_DIVISIONS:
            inputs[1] = self._divisor(*inputs)
        is_sum = name == "Abs" or (
            name == "Sql" and isinstance(of, dict) and of.get("Binary") in _SQL_SUMS
        )
        return self._exact(
            inputs, is_sum, lambda of: {"Function": {"input": of, "function": function}}
        )

    def _exact(self, inputs: list[Tree], is_sum: bool, made: Callable[[list[Tree]], Tree]) -> Tree:
        """Calculate whole numbers in 128 bits; the cast back fails where 64 are too few."""
        plain: Tree = made(inputs)
        numbers = [each for each in inputs if not _is_whole_literal(each)]
        if not is_sum or not numbers or not all(self._is_whole(each) for each in numbers):
            return self._whole(plain)
        wide = [each if _is_whole_literal(each) else _cast(each, "Int128") for each in inputs]
        return _cast(made(wide), "Int64")

    def _divisor(self, left: Tree, right: Tree) -> Tree:
        """Return what divides as a column of its own if it is a constant number."""
        kinds = [self._kind(each) for each in (left, right)]
        is_number = all(kind is not None and kind.is_numeric() for kind in kinds)
        if not is_number or _names(right) or not _names(left):
            return right
        return _tree(divisor(expression_of(right), expression_of(left)))

    def _whole(self, tree: Tree) -> Tree:
        """Widen what is a whole number of fewer bits."""
        kind = self._kind(tree)
        is_narrow = kind is not None and kind.is_integer() and kind not in {pl.Int64, pl.UInt64}
        return _cast(tree, "Int64") if is_narrow and kind != pl.Int128 else tree

    def _is_whole(self, tree: Tree) -> bool:
        kind = self._kind(tree)
        return kind is not None and column_type(kind) is not None and kind.is_integer()

    def _kind(self, tree: Tree) -> pl.DataType | None:
        """Return the type of a part; None if only the whole can be tried."""
        try:
            return self._empty.select(expression_of(tree).alias("value")).collect_schema()["value"]
        except pl.exceptions.PolarsError:
            return None


_READ: Final[Mapping[str, Callable[[TreeReader, Any], Tree]]] = {
    "Cast": TreeReader._cast,  # noqa: SLF001 - its own class
    "Ternary": TreeReader._ternary,  # noqa: SLF001 - its own class
    "BinaryExpr": TreeReader._binary,  # noqa: SLF001 - its own class
    "Function": TreeReader._function,  # noqa: SLF001 - its own class
    "Eval": TreeReader._items,  # noqa: SLF001 - its own class
}


def _check_compared(kinds: list[pl.DataType]) -> None:
    """Raise if a time is compared with a number, which Polars takes for microseconds or days."""
    if any(kind.is_temporal() for kind in kinds) and any(kind.is_numeric() for kind in kinds):
        raise ExpressionError(
            "a time or date is compared with a number: write a time as TIMESTAMPTZ '2026-11-01 "
            "00:00:00Z', a date as DATE '2026-11-01', the length of one as INTERVAL '1 hour'"
        )


def _truncating(of: dict[str, Any]) -> Tree | None:
    """Return to what DATE_TRUNC truncates, None if this is another function."""
    delimiter = of.get("ConcatHorizontal", {}).get("delimiter", "")
    if not delimiter.startswith(TRUNCATED):
        return None
    unit = delimiter.removeprefix(TRUNCATED).lower()
    if unit not in _EVERY:
        raise ExpressionError(f"DATE_TRUNC knows no {unit!r}, but: {', '.join(_EVERY)}")
    return {"Literal": {"Scalar": {"String": _EVERY[unit]}}}


def _power(base: Tree, exponent: Tree) -> Tree:
    """Return a power of whole numbers that fails where 64 bits are too few."""
    one, other = expression_of(base), expression_of(exponent)
    size = one.cast(pl.Float64).pow(other.cast(pl.Float64)).abs()
    exact = one.cast(pl.Int128).pow(other)
    return _cast(
        _tree(pl.when(size >= 2.0**64).then(pl.lit(2**63, pl.Int128)).otherwise(exact)), "Int64"
    )


def _nanoseconds(time: Tree) -> Tree:
    """Return what EXTRACT(EPOCH …) counts from: Polars' own are null before 1677 and after 2262."""
    return _tree(expression_of(time).dt.timestamp("us").cast(pl.Int128) * 1_000)


def _names(tree: Tree) -> bool:
    """Return whether a part of an expression looks at a column."""
    return bool(expression_of(tree).meta.root_names())


def _tree(expression: pl.Expr) -> Tree:
    found: Tree = orjson.loads(expression.meta.serialize(format="json"))
    return found


def _cast(tree: Tree, to: str) -> Tree:
    return {"Cast": {"expr": tree, "dtype": {"Literal": to}, "options": "Strict"}}


def _is_whole_literal(tree: Tree) -> bool:
    match tree:
        case {"Literal": {"Dyn": {"Int": _}}}:
            return True
    return False


def _check_length(length: Tree) -> None:
    """Raise unless text is padded to a length that memory can hold for every row."""
    match length:
        case {"Literal": {"Dyn": {"Int": int(characters)}}} if characters <= MOST_CHARACTERS:
            return
    raise ExpressionError(f"LPAD and RPAD need a length, as a number up to {MOST_CHARACTERS:,}")


def _plain_literal(literal: Any) -> Any:
    """Return a decimal literal as a float."""
    match literal:
        case {"Scalar": {"Decimal": [digits, _, scale]}}:
            return {"Dyn": {"Float": int(digits) / 10 ** int(scale)}}
    return literal


def _is_of_one_row(name: str, of: Any) -> bool:
    member = next(iter(of)) if isinstance(of, dict) else of
    if name in _OF_ONE_ROW:
        return member in _OF_ONE_ROW[name]
    if name == "StringExpr" and member == "Strptime":
        if of["Strptime"][1]["format"] is None:
            raise ExpressionError(
                "reading text as a time needs its format, such as DATE(x, '%Y-%m-%d'): without "
                "one, other rows would decide"
            )
        return True
    return name in _FUNCTIONS or (name in _FAMILIES and member != "ConcatVertical")


def refused(name: str) -> ExpressionError:
    """Return the error for a part that is not one of a single row."""
    part = _PARTS.get(name)
    if part is None and name in _AGGREGATES:
        part = "an aggregate, which looks at other rows"
    return ExpressionError(
        f"it has {part or f'a part ({name}) that is not known to look at one row only'}; only "
        "expressions of a single row are allowed"
    )
