"""Checking whole columns of values before anything is sent: which are bad, why, and how many.

Finds the same problems as `fields.check_value`, but without running Python for each row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from connectors.nexthink.fields import (
    FIRST_YEAR,
    LAST_YEAR,
    MOMENT_TEXT,
    FieldKind,
    ValueProblem,
    WritableField,
)


@dataclass(frozen=True, slots=True)
class ColumnCheck:
    """The result of a check: `problems` has a reason for each bad value, null for the others."""

    problems: pl.Series = field(repr=False)
    counts: Mapping[ValueProblem, int]

    @property
    def bad(self) -> pl.Series:
        """A mask of the values that must not be sent."""
        return self.problems.is_not_null()


def check_column(column: WritableField, values: pl.Series) -> ColumnCheck:
    """Return the problems of one field's values; null is a missing value, never a problem."""
    frame = values.alias("value").to_frame()
    problems = frame.select(
        pl.when(pl.col("value").is_not_null()).then(_problem(column, values.dtype)).alias("problem")
    ).to_series()
    counted = problems.drop_nulls().value_counts().iter_rows()
    return ColumnCheck(problems, {ValueProblem(reason): count for reason, count in counted})


def _problem(column: WritableField, dtype: pl.DataType) -> pl.Expr:
    """Return an expression for the problem of each value, null where there is none."""
    value = pl.col("value")
    if column.kind is FieldKind.TEXT and isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        if column.longest is None:
            return pl.lit(None, pl.String)
        return _unless(
            value.cast(pl.String).str.len_chars() <= column.longest, ValueProblem.TOO_LONG
        )
    if column.kind is FieldKind.NUMBER and dtype.is_integer():
        within = value.is_between(column.numbers.start, column.numbers.stop - 1)
        return _unless(within, ValueProblem.OUT_OF_RANGE)
    if column.kind is FieldKind.MOMENT:
        return _problem_of_moment(value, dtype)
    return pl.lit(ValueProblem.WRONG_TYPE.value)


def _problem_of_moment(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.String):
        day = value.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        # A text that does not match yields a null year, which would hide the problem.
        is_moment = value.str.contains(f"^{MOMENT_TEXT}$") & _has_a_year(day).fill_null(value=False)
        return _unless(is_moment, ValueProblem.WRONG_TYPE)
    if isinstance(dtype, pl.Date):
        return _unless(_has_a_year(value), ValueProblem.OUT_OF_RANGE)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        in_utc = value.dt.convert_time_zone("UTC")
        return _unless(_has_a_year(in_utc), ValueProblem.OUT_OF_RANGE)
    return pl.lit(ValueProblem.WRONG_TYPE.value)


def _has_a_year(moment: pl.Expr) -> pl.Expr:
    return moment.dt.year().is_between(FIRST_YEAR, LAST_YEAR)


def _unless(good: pl.Expr, problem: ValueProblem) -> pl.Expr:
    return pl.when(~good).then(pl.lit(problem.value))
