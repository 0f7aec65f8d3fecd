"""Runs a plan piece by piece: a result is in memory as a whole only if it must be sorted."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal, Protocol

import polars as pl

from sandbox.model.tables import Table, TableColumn
from sandbox.nql import aggregates, plan
from sandbox.nql.conditions import expression, time_bounds
from sandbox.nql.deriving import derived
from sandbox.nql.timeframe import Frame

Pieces = Iterator[pl.DataFrame]


class RowSource(Protocol):
    """Where rows come from."""

    def pieces(
        self,
        table: Table,
        columns: tuple[str, ...],
        frame: Frame,
        now: datetime,
        *,
        newest: bool | None,
    ) -> Pieces:
        """Yield the rows of a time frame, at least one piece; in any order if newest is None."""
        ...


def evaluate(
    prepared: plan.QueryPlan,
    source: RowSource,
    frame: Frame,
    now: datetime,
    joined: Sequence[Frame] = (),
) -> Pieces:
    """Yield the result of a plan: at least one piece, each with the result's columns.

    `joined` has the time frame of each `with` or `include`, in order.
    """
    stages = list(prepared.stages)
    narrowed = _narrowed(prepared.table, prepared.stages, frame)
    newest = _drop_sort_by_time(prepared.table, stages)
    needed = prepared.needed
    pieces = source.pieces(prepared.table, needed, narrowed, now, newest=newest)
    frames = iter(joined)
    for stage in stages:
        if isinstance(stage, plan.Join):
            pieces = _joined(stage, pieces, source, next(frames), now)
        else:
            pieces = _apply(stage, pieces, now)
    empty = True
    for piece in pieces:
        if piece.height:
            empty = False
            yield piece
    if empty:
        yield pl.DataFrame(schema={c.path: c.dtype for c in prepared.output})


def _narrowed(table: Table, stages: tuple[plan.Stage, ...], frame: Frame) -> Frame:
    """Return the frame within the time bounds of the leading conditions: other days are skipped."""
    for stage in stages:
        if isinstance(stage, plan.Filter) and table.is_event:
            frame = frame.narrowed(*time_bounds(stage.predicate, table.time))
        elif not isinstance(stage, plan.Extend | plan.Filter):
            break
    return frame


def _drop_sort_by_time(table: Table, stages: list[plan.Stage]) -> bool | None:
    """Remove a sort by time that the source does itself; return whether it is descending."""
    for position, stage in enumerate(stages):
        if isinstance(stage, plan.Order) and table.is_event:
            column, descending = stage.keys[0]
            if len(stage.keys) == 1 and column.path == table.time:
                del stages[position]
                return descending
        if not isinstance(stage, plan.Filter | plan.Projection | plan.Extend):
            break
    return None


def _apply(stage: plan.Stage, pieces: Pieces, now: datetime) -> Pieces:
    match stage:
        case plan.Filter(predicate):
            condition = expression(predicate)
            return (piece.filter(condition) for piece in pieces)
        case plan.Projection(columns):
            paths = [column.path for column in columns]
            return (piece.select(paths) for piece in pieces)
        case plan.Head(rows):
            return head(pieces, rows)
        case plan.Order(keys):
            return _sorted(pieces, keys)
        case plan.Extend(columns):
            made = [
                derived(pl.col(d.source.path), d.function, d.zone, now).alias(d.result.path)
                for d in columns
            ]
            return (piece.with_columns(made) for piece in pieces)
        case plan.Reduce():
            return _reduced(pieces, stage, now)
        case plan.Join():
            raise AssertionError("a join can only be a stage of a plan")


def head(pieces: Pieces, rows: int) -> Pieces:
    """Yield the first rows, reading no more pieces than needed."""
    left = rows
    for piece in pieces:
        yield piece.head(left)
        left -= piece.height
        if left <= 0:
            return


def _sorted(pieces: Pieces, keys: tuple[tuple[TableColumn, bool], ...]) -> Pieces:
    held = list(pieces)
    if not held:
        return
    whole = pl.concat(held)
    held.clear()
    yield whole.sort(
        [column.path for column, _ in keys],
        descending=[descending for _, descending in keys],
        nulls_last=True,
        maintain_order=True,
    )


def _reduced(pieces: Pieces, reduction: plan.Reduce, now: datetime) -> Pieces:
    yield aggregates.finish(reduction, aggregates.gather(reduction, pieces), now)


def _joined(
    join: plan.Join, objects: Pieces, source: RowSource, frame: Frame, now: datetime
) -> Pieces:
    """Yield the objects with aggregates of another table's rows.

    There are far fewer objects than rows, and they are all in memory anyway.
    """
    narrowed = _narrowed(join.table, join.stages, frame)
    rows = source.pieces(join.table, join.needed, narrowed, now, newest=None)
    for stage in join.stages:
        rows = _apply(stage, rows, now)
    reduction = join.reduction
    key = reduction.groups[0].path
    found = aggregates.gather(reduction, rows).filter(pl.col(key).is_not_null())
    whole = pl.concat(objects)
    how: Literal["left", "inner"] = "left" if join.keeps_all else "inner"
    joined = whole.join(found, on=key, how=how, maintain_order="left")
    # Without rows the count is 0 and every other aggregate null.
    counts = [
        pl.col(f"#{i}").fill_null(0)
        for i, aggregate in enumerate(reduction.aggregates)
        if aggregate.function in ("count", "distinct")
    ]
    finished = aggregates.with_results(reduction, joined.with_columns(counts), now)
    yield finished.select(*whole.columns, *(r.column.path for r in reduction.results))
