"""Polars SQL expressions over the columns of a dataset: checked without data, exact in arithmetic.

An expression must be one of a single row, so that it has the same value whatever batch, run or
replay the row is in. Polars does not say so itself: the tree of the parsed expression is read, and
only what is known to look at one row is allowed.

Whole numbers are 64 bits wide here, and arithmetic on them fails where it would wrap around: Polars
itself keeps the 8 bits of an hour, and silently wraps. Decimal literals are floats, as the columns
are.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import orjson
import polars as pl

from connectors.catalogue.frame_types import column_type

# Polars needs quadratic time for long ones.
MOST_CHARACTERS: Final = 4_000
SHOWN: Final = 160
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
# Refused before anything is parsed: parsing a subquery opens the files that it names.
_QUERY: Final = re.compile(r"\bselect\b|\bwith\b(?!\s+time\b)", re.IGNORECASE)
# The start of a text that may end elsewhere than it seems to, and hide one: E'\'', $$'$$.
_ODD_TEXT: Final = re.compile(r"(?<!\w)[A-Za-z]&?$")
_CLOCK: Final = re.compile(
    r"\b(current_(?:date|time|timestamp)|localtime(?:stamp)?|now(?=\s*\())\b", re.IGNORECASE
)
# Polars takes it for the column itself where it is not followed by OVER.
_LAST: Final = re.compile(r"\blast_value\s*\(", re.IGNORECASE)
# How Polars' parser shows what it does not support.
_PARSED: Final = re.compile(r"(expression [A-Z]\w+).*")
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """An expression that is one of a single row, and the type of frames that it has."""

    expression: pl.Expr
    kind: pl.DataType


def prepared(text: str, columns: Mapping[str, pl.DataType]) -> Prepared:
    """Parse an expression, check it against columns, and find its type.

    Raises:
        ExpressionError: it is not one of a single row, names an unknown column, or fails even
            without rows.
    """
    expression = _parsed(text)
    for name in dict.fromkeys(expression.meta.root_names()):
        if name not in columns:
            near = get_close_matches(name.lower(), columns, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ExpressionError(f"{name!r} is not a column here{meant}")
    empty = pl.LazyFrame(schema=dict(columns))
    try:
        tree = orjson.loads(expression.meta.serialize(format="json"))
        exact = _Reading(empty).read(tree)
        if exact != tree:
            expression = _expression(exact)
        # Some mistakes show only when it runs, even without rows.
        kind = empty.select(expression.alias("value")).collect().schema["value"]
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        raise ExpressionError("it is nested too deeply: divide it") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ExpressionError(_first_line(error)) from None
    return Prepared(expression, kind)


def _parsed(text: str) -> pl.Expr:
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"it is longer than {MOST_CHARACTERS:,} characters")
    odd = any(_ODD_TEXT.search(text[: each.start()]) for each in _QUOTED.finditer(text))
    plain = _QUOTED.sub("''", text)
    if odd or "$" in plain:
        raise ExpressionError("write texts in plain single quotes, without a letter or $ in front")
    if _QUERY.search(plain):
        raise _refused("SubPlan")
    if _LAST.search(plain):
        raise _refused("Over")
    if clock := _CLOCK.search(plain):
        raise ExpressionError(
            f"{clock[1]} changes from run to run: the same row must land the same again"
        )
    try:
        return pl.sql_expr(text)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ExpressionError(_first_line(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever else parsing meets
        raise ExpressionError(f"parsing it raises {type(error).__name__}") from None


def _first_line(error: BaseException) -> str:
    """Return what Polars says in one line: about the expression, since there are no rows."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    line = _PARSED.sub(r"\1 is not supported", line)
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"


def _expression(tree: Tree) -> pl.Expr:
    return pl.Expr.deserialize(io.BytesIO(orjson.dumps(tree)), format="json")


class _Reading:
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
            raise _refused(kind)
        return read(self, parts)

    def _cast(self, parts: dict[str, Any]) -> Tree:
        return self._whole({"Cast": {**parts, "expr": self.read(parts["expr"])}})

    def _ternary(self, parts: dict[str, Tree]) -> Tree:
        return {"Ternary": {name: self.read(part) for name, part in parts.items()}}

    def _binary(self, parts: dict[str, Any]) -> Tree:
        def made(sides: list[Tree]) -> Tree:
            return {"BinaryExpr": {**parts, "left": sides[0], "right": sides[1]}}

        sides = [self.read(parts["left"]), self.read(parts["right"])]
        return self._exact(sides, parts["op"] in _SUMS, made)

    def _items(self, parts: dict[str, Any]) -> Tree:
        """Read what looks at the items of one list."""
        return {"Eval": {**parts, "expr": self.read(parts["expr"])}}

    def _function(self, parts: dict[str, Any]) -> Tree:
        inputs, function = [self.read(each) for each in parts["input"]], parts["function"]
        name, of = (function, None) if isinstance(function, str) else next(iter(function.items()))
        if not _is_of_one_row(name, of):
            raise _refused(name)
        if name == "StringExpr" and isinstance(of, dict) and _PADDING & of.keys():
            _check_length(inputs[1])
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
            return self._empty.select(_expression(tree).alias("value")).collect_schema()["value"]
        except pl.exceptions.PolarsError:
            return None


_READ: Final[Mapping[str, Callable[[_Reading, Any], Tree]]] = {
    "Cast": _Reading._cast,  # noqa: SLF001 - its own class
    "Ternary": _Reading._ternary,  # noqa: SLF001
    "BinaryExpr": _Reading._binary,  # noqa: SLF001
    "Function": _Reading._function,  # noqa: SLF001
    "Eval": _Reading._items,  # noqa: SLF001
}


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


def _refused(name: str) -> ExpressionError:
    part = _PARTS.get(name)
    if part is None and name in _AGGREGATES:
        part = "an aggregate, which looks at other rows"
    return ExpressionError(
        f"it has {part or f'a part ({name}) that is not known to look at one row only'}; only "
        "expressions of a single row are allowed"
    )
