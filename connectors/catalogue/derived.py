"""What a dataset's own expressions make of its declared columns: names, types, and problems.

Imports Polars, so datasets without expressions never import it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from connectors.catalogue.columns import (
    LANDED_NAME,
    RESERVED,
    Column,
    ColumnType,
    DerivedColumn,
)
from connectors.catalogue.expression_trees import ExpressionError
from connectors.catalogue.expressions import PreparedExpression, UnknownColumnError, prepared
from connectors.catalogue.frame_types import FRAME_TYPES, column_type, refused_type


@dataclass(slots=True)
class Derived:
    """The derived columns of a dataset, its condition, and everything that is wrong with them."""

    columns: list[Column] = field(default_factory=list)
    expressions: dict[str, PreparedExpression] = field(default_factory=dict)
    condition: PreparedExpression | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def filtered_by(self) -> frozenset[str]:
        """The declared columns that `where` looks at, also through derived ones."""
        waiting = _roots(self.condition)
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in self.expressions:
                waiting |= _roots(self.expressions[name])
            else:
                found.add(name)
        return frozenset(found)


def derived(
    declared: Sequence[Column], derive: Mapping[str, DerivedColumn], where: str | None
) -> Derived:
    """Check a dataset's expressions, each over the declared columns and those derived above it."""
    found = Derived()
    columns = {column.name: FRAME_TYPES[column.type] for column in declared}
    failed: set[str] = set()
    for name, column in derive.items():
        try:
            expression = _derived(name, column.text, columns)
        except ExpressionError as error:
            found.problems += _problem(f"derive.{name}", error, failed, derive)
            failed.add(name)
            continue
        kind = column_type(expression.kind) or ColumnType.STRING
        columns[name] = FRAME_TYPES[kind]
        found.expressions[name] = expression
        if column.sortable and kind is not ColumnType.STRING:
            found.problems.append(
                f"derive.{name}: sortable: {column.sortable} is for text, and {name} is {kind}"
            )
            continue
        found.columns.append(column.landing_as(name, kind))
    if where is not None:
        try:
            found.condition = _condition(where, columns)
        except ExpressionError as error:
            found.problems += _problem("where", error, failed, ())
    return found


def _roots(expression: PreparedExpression | None) -> set[str]:
    return set(expression.expression.meta.root_names()) if expression else set()


def _problem(
    key: str, error: ExpressionError, failed: Collection[str], derive: Collection[str]
) -> list[str]:
    """Return what is wrong, nothing if it follows from another problem."""
    if not isinstance(error, UnknownColumnError):
        return [f"{key}: {error}"]
    if error.name in failed:
        return []
    if error.name in derive and key != f"derive.{error.name}":
        return [f"{key}: {error.name!r} is derived further down: put it above"]
    return [f"{key}: {error}"]


def _derived(name: str, text: str, columns: Mapping[str, pl.DataType]) -> PreparedExpression:
    if not LANDED_NAME.fullmatch(name) or RESERVED.fullmatch(name):
        raise ExpressionError("the name: only a-z, 0-9 and _, and not a reserved name")
    if name in columns:
        raise ExpressionError("there is a column of this name already")
    expression = prepared(text, columns)
    if column_type(expression.kind) is None:
        raise ExpressionError(refused_type(expression.kind))
    return expression


def _condition(text: str, columns: Mapping[str, pl.DataType]) -> PreparedExpression:
    expression = prepared(text, columns)
    if expression.kind != pl.Boolean:
        kind = str(expression.kind).lower()
        raise ExpressionError(f"it is {kind}, and has to be true or false: compare it with a value")
    return expression
