"""A dataset's own expressions over its rows: derived columns, and which rows are left out.

All rows of a batch are computed at once. Only if that fails are they divided, until the rows at
fault stand alone: these are rejected like values that do not fit their type, and the others land.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from connectors.catalogue import Column, ColumnType, DatasetSpecification
from connectors.catalogue.derived import Derived
from connectors.catalogue.expression_trees import divisors_of
from connectors.catalogue.frame_types import FRAME_TYPES, landed
from connectors.errors import DataRefusedError
from tasks.columns.reasons import BY_ZERO, INFINITE, NOT_COMPUTED, TOO_FAR
from tasks.columns.times import FIRST, LAST

# Each takes some milliseconds to find: an expression that fails on more is a mistake.
MOST_FOUND: Final = 1_000
WHERE: Final = "where"
_VALUE: Final = "_nxp_value"
# What Polars raises. A panic is one of its own mistakes, and not an Exception.
_FAILURES: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


@dataclass(frozen=True, slots=True)
class Computed:
    """A batch with its derived columns: all rows are there.

    `problems` mark the rows that each reason rejects; `keep` marks the rows that `where` lets land.
    """

    rows: pl.DataFrame
    problems: dict[str, pl.Series]
    keep: pl.Series | None


class Derivation:
    """Computes the expressions of one dataset, batch by batch, for one unit."""

    def __init__(self, dataset: str, of: Derived, most_found: int = MOST_FOUND) -> None:
        self._dataset = dataset
        self._of = of
        self._most_found = most_found
        self._found = 0

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that are added, in their order."""
        return tuple(self._of.columns)

    def compute(self, rows: pl.DataFrame) -> Computed:
        """Return the rows with their derived columns, those that fail, and those that land.

        Raises:
            DataRefusedError: an expression fails on too many rows to set them apart.
        """
        problems: dict[str, pl.Series] = {}
        for column in self._of.columns:
            expression = self._of.expressions[column.name]
            values, failed = self._values(
                rows, landed(expression.expression, expression.kind), column.type, column.name
            )
            if failed is not None:
                problems[f"{column.name}: {NOT_COMPUTED}"] = failed
            wrong = unfit(values, column.type)
            if wrong is not None:
                for reason, mask in _why_unfit(rows, expression.expression, column.type, wrong):
                    problems[f"{column.name}: {reason}"] = mask
                values = values.set(wrong, None)
            rows = rows.with_columns(values.alias(column.name))
        keep = None
        if self._of.condition is not None:
            condition = self._of.condition.expression
            keep, failed = self._values(rows, condition, ColumnType.BOOL, WHERE)
            keep = keep.fill_null(value=False)
            if failed is not None:
                problems[f"{WHERE}: {NOT_COMPUTED}"] = failed
        return Computed(rows, problems, keep)

    def _values(
        self, rows: pl.DataFrame, expression: pl.Expr, kind: ColumnType, name: str
    ) -> tuple[pl.Series, pl.Series | None]:
        """Return the values of all rows, null in those that fail, and a mask of these."""
        try:
            return rows.with_columns(expression.alias(_VALUE))[_VALUE], None
        except _FAILURES:
            if len(rows) > 1:
                half = len(rows) // 2
                parts = [
                    self._values(part, expression, kind, name)
                    for part in (rows[:half], rows[half:])
                ]
                masks = [
                    pl.repeat(value=False, n=len(values), eager=True) if mask is None else mask
                    for values, mask in parts
                ]
                return pl.concat([values for values, _ in parts]), pl.concat(masks)
        self._found += 1
        if self._found > self._most_found:
            what = WHERE if name == WHERE else f"derive.{name}"
            raise DataRefusedError(
                f"{self._dataset}: {what} fails on more than {self._most_found:,} rows: TRY_CAST "
                "gives null where CAST fails; nothing was published"
            ) from None
        return pl.Series([None], dtype=FRAME_TYPES[kind]), pl.Series([True])


def derivation(specification: DatasetSpecification) -> Derivation | None:
    """Return what computes a dataset's expressions in one unit; None if it has none."""
    found = specification.derived
    return Derivation(specification.dataset, found) if found else None


def _why_unfit(
    rows: pl.DataFrame, expression: pl.Expr, kind: ColumnType, wrong: pl.Series
) -> Iterator[tuple[str, pl.Series]]:
    """Yield why results cannot land, each reason with a mask of its rows."""
    if kind in {ColumnType.DATE, ColumnType.DATETIME}:
        yield TOO_FAR, wrong
        return
    by_zero = wrong & _divides_by_zero(rows, expression, wrong)
    for reason, mask in ((BY_ZERO, by_zero), (INFINITE, wrong & ~by_zero)):
        if mask.any():
            yield reason, mask


def _divides_by_zero(rows: pl.DataFrame, expression: pl.Expr, of: pl.Series) -> pl.Series:
    """Mark those of some rows in which a divisor of an expression is zero."""
    divisors = [(each == 0).fill_null(value=False) for each in divisors_of(expression)]
    none = pl.repeat(value=False, n=len(rows), dtype=pl.Boolean, eager=True)
    if not divisors:
        return none
    # In these rows no part of the expression fails, or it would have no result.
    found = rows.filter(of).with_columns(pl.any_horizontal(divisors).alias(_VALUE))[_VALUE]
    return none.scatter(of.arg_true(), found)


def unfit(values: pl.Series, kind: ColumnType) -> pl.Series | None:
    """Mark results that cannot land: not finite, or beyond the years 1 to 9999; None if all can."""
    if kind in {ColumnType.FLOAT, ColumnType.DURATION}:
        wrong = ~values.is_finite()
    elif kind is ColumnType.DATETIME:
        wrong = (values < FIRST) | (values > LAST)
    elif kind is ColumnType.DATE:
        wrong = (values < date.min) | (values > date.max)
    else:
        return None
    wrong = wrong.fill_null(value=False)
    return wrong if wrong.any() else None
