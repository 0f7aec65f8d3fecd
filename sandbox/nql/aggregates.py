"""Aggregates that are computed piece by piece: partial, merged, finished."""

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from sandbox.nql import plan
from sandbox.nql.conditions import expression
from sandbox.nql.deriving import derived

# The number of rows of each group, which is always counted.
ROWS = "#rows"
_START, _END, _DURATION = "start_time", "end_time", "bucket_duration"
# Parts are merged once they have this many rows in total, not one by one.
_MERGE_AT = 200_000
_QUANTILES = {"p95": 0.95, "p05": 0.05}


def gather(reduction: plan.Reduce, pieces: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return one row for each group; there must be at least one piece."""
    parts: list[pl.DataFrame] = []
    for piece in pieces:
        parts.append(_partial(reduction, piece))
        if len(parts) > 1 and sum(part.height for part in parts) > _MERGE_AT:
            parts = [_merge(reduction, parts)]
    merged = _merge(reduction, parts)
    slots = [_final(i, a).alias(f"#{i}") for i, a in enumerate(reduction.aggregates)]
    return merged.with_columns(slots).select(
        *_keys(reduction), ROWS, *(f"#{i}" for i in range(len(slots)))
    )


def finish(reduction: plan.Reduce, gathered: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the results, with all columns named as the query names them."""
    frame = with_results(reduction, gathered, now)
    times: list[str] = []
    if reduction.bucket is not None:
        frame = _with_ends(reduction.bucket, frame).sort(_START, maintain_order=True)
        times = [_START, _END, _DURATION]
    groups = [column.path for column in reduction.groups]
    return frame.select(*times, *groups, *(r.column.path for r in reduction.results))


def with_results(reduction: plan.Reduce, frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the frame with the results added; each result may use earlier ones."""
    for result in reduction.results:
        value = _worked_out(result.formula, now).cast(result.column.dtype)
        frame = frame.with_columns(value.alias(result.column.path))
    return frame


def _keys(reduction: plan.Reduce) -> list[str]:
    groups = [column.path for column in reduction.groups]
    return [_START, *groups] if reduction.bucket else groups


def _partial(reduction: plan.Reduce, frame: pl.DataFrame) -> pl.DataFrame:
    if reduction.bucket is not None:
        local = pl.col(reduction.bucket.time.path).dt.convert_time_zone(reduction.bucket.zone)
        start = local.dt.truncate(reduction.bucket.length).dt.convert_time_zone("UTC")
        frame = frame.with_columns(start.alias(_START))
    expressions = [e for i, a in enumerate(reduction.aggregates) for e in _parts(i, a)]
    return _grouped(reduction, frame, [pl.len().cast(pl.Int64).alias(ROWS), *expressions])


def _merge(reduction: plan.Reduce, parts: list[pl.DataFrame]) -> pl.DataFrame:
    expressions = [e for i, a in enumerate(reduction.aggregates) for e in _merged(i, a)]
    return _grouped(reduction, pl.concat(parts), [pl.col(ROWS).sum(), *expressions])


def _grouped(
    reduction: plan.Reduce, frame: pl.DataFrame, expressions: list[pl.Expr]
) -> pl.DataFrame:
    keys = _keys(reduction)
    if not keys:
        return frame.select(expressions)
    return frame.group_by(keys, maintain_order=True).agg(expressions)


def _names(index: int) -> tuple[str, str]:
    return f"#{index}", f"#{index}n"


def _parts(  # noqa: PLR0911 - one per function
    index: int, aggregate: plan.Aggregate
) -> list[pl.Expr]:
    value, number = _names(index)
    condition = expression(aggregate.condition) if aggregate.condition is not None else None
    if aggregate.argument is None:
        rows = pl.len() if condition is None else condition.sum()
        return [rows.cast(pl.Int64).alias(value)]
    column = pl.col(aggregate.argument.path)
    if condition is not None:
        column = pl.when(condition).then(column)
    match aggregate.function:
        case "count":
            return [column.count().cast(pl.Int64).alias(value)]
        case "distinct":
            return [column.drop_nulls().unique().implode().alias(value)]
        case "p95" | "p05":
            # Exact, so every value is held until the end.
            return [column.drop_nulls().cast(pl.Float64).implode().alias(value)]
        case "last":
            return _last(column, aggregate, value, number)
        case "min":
            return [column.min().alias(value)]
        case "max":
            return [column.max().alias(value)]
        case _:
            return [column.sum().alias(value), column.count().cast(pl.Int64).alias(number)]


def _last(column: pl.Expr, aggregate: plan.Aggregate, value: str, number: str) -> list[pl.Expr]:
    known = column.is_not_null()
    if aggregate.time is None:
        none = pl.lit(None, dtype=pl.Int64).alias(number)
        return [column.filter(known).last().alias(value), none]
    time = pl.col(aggregate.time.path).filter(known)
    return [
        column.filter(known).sort_by(time, maintain_order=True).last().alias(value),
        time.max().alias(number),
    ]


def _merged(  # noqa: PLR0911 - one per function
    index: int, aggregate: plan.Aggregate
) -> list[pl.Expr]:
    value, number = (pl.col(name) for name in _names(index))
    match aggregate.function:
        case "count":
            return [value.sum()]
        case "distinct":
            return [value.explode(empty_as_null=False).unique().implode()]
        case "p95" | "p05":
            return [value.explode(empty_as_null=False).implode()]
        case "last":
            known = value.is_not_null()
            ordered = value.filter(known).sort_by(number.filter(known), maintain_order=True)
            return [ordered.last(), number.max()]
        case "min":
            return [value.min()]
        case "max":
            return [value.max()]
        case _:
            return [value.sum(), number.sum()]


def _final(index: int, aggregate: plan.Aggregate) -> pl.Expr:
    value, number = (pl.col(name) for name in _names(index))
    match aggregate.function:
        # The sum or average of nothing is null, not zero: a guess.
        case "sum":
            return pl.when(number > 0).then(value)
        case "avg":
            return pl.when(number > 0).then(value / number)
        case "distinct":
            return value.list.len().cast(pl.Int64)
        case "p95" | "p05":
            share = _QUANTILES[aggregate.function]
            # Quantiles are interpolated linearly: a guess.
            return value.list.eval(pl.element().quantile(share, "linear")).list.first()
        case _:
            return value


def _worked_out(formula: plan.Formula, now: datetime) -> pl.Expr:
    match formula:
        case plan.AggregateRef(index):
            return pl.col(f"#{index}")
        case plan.Own(column):
            return pl.col(column.path)
        case plan.Constant(value):
            return pl.lit(value)
        case plan.FunctionCall(function, inner, zone):
            return derived(_worked_out(inner, now), function, zone, now)
        case plan.Arithmetic(operator, left, right):
            return _operation(operator, _worked_out(left, now), _worked_out(right, now))


def _operation(operator: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            # Division by zero is null: a guess.
            return pl.when(right != 0).then(left / right)
        case _:
            return left.cast(pl.Float64).pow(right.cast(pl.Float64))


def _with_ends(bucket: plan.TimeBucket, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the end of each group. Times without rows have no group: a guess."""
    local = pl.col(_START).dt.convert_time_zone(bucket.zone)
    end = local.dt.offset_by(bucket.length).dt.convert_time_zone("UTC")
    frame = frame.with_columns(end.alias(_END))
    return frame.with_columns((pl.col(_END) - pl.col(_START)).dt.total_seconds().alias(_DURATION))
