"""Aggregates that can be taken piece by piece: partial, merged, finished."""

import polars as pl

from sandbox.nql import plan


def partial(reduction: plan.Reduce, frame: pl.DataFrame) -> pl.DataFrame:
    """Aggregate one piece."""
    expressions = [e for i, a in enumerate(reduction.aggregates) for e in _partial(i, a)]
    return _grouped(reduction, frame, expressions)


def merge(reduction: plan.Reduce, pieces: list[pl.DataFrame]) -> pl.DataFrame:
    """Aggregate the aggregates of pieces."""
    expressions = [e for i, a in enumerate(reduction.aggregates) for e in _merged(i, a)]
    return _grouped(reduction, pl.concat(pieces), expressions)


def finish(reduction: plan.Reduce, merged: pl.DataFrame) -> pl.DataFrame:
    """Name and finish the merged aggregates."""
    groups = [pl.col(column.path) for column in reduction.groups]
    final = [_final(i, a).alias(a.result.path) for i, a in enumerate(reduction.aggregates)]
    return merged.select(*groups, *final)


def _grouped(
    reduction: plan.Reduce, frame: pl.DataFrame, expressions: list[pl.Expr]
) -> pl.DataFrame:
    if not reduction.groups:
        return frame.select(expressions)
    keys = [column.path for column in reduction.groups]
    return frame.group_by(keys, maintain_order=True).agg(expressions)


def _names(index: int) -> tuple[str, str]:
    return f"#{index}", f"#{index}n"


def _partial(index: int, aggregate: plan.Aggregate) -> list[pl.Expr]:
    value, number = _names(index)
    if aggregate.argument is None:
        return [pl.len().cast(pl.Int64).alias(value)]
    column = pl.col(aggregate.argument.path)
    match aggregate.function:
        case "count":
            return [column.count().cast(pl.Int64).alias(value)]
        case "min":
            return [column.min().alias(value)]
        case "max":
            return [column.max().alias(value)]
        case _:
            return [column.sum().alias(value), column.count().cast(pl.Int64).alias(number)]


def _merged(index: int, aggregate: plan.Aggregate) -> list[pl.Expr]:
    value, number = (pl.col(name) for name in _names(index))
    match aggregate.function:
        case "count":
            return [value.sum()]
        case "min":
            return [value.min()]
        case "max":
            return [value.max()]
        case _:
            return [value.sum(), number.sum()]


def _final(index: int, aggregate: plan.Aggregate) -> pl.Expr:
    value, number = (pl.col(name) for name in _names(index))
    match aggregate.function:
        # Nothing to add up or to average is null, not zero.
        case "sum":
            return pl.when(number > 0).then(value)
        case "avg":
            return pl.when(number > 0).then(value / number)
        case _:
            return value
