"""A plan to frames, piece by piece: a result is never held whole unless its order asks for it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

import polars as pl

from sandbox.model.kinds import DTYPES
from sandbox.model.tables import Column, Table
from sandbox.nql import aggregates, plan
from sandbox.nql.conditions import expression, time_bounds
from sandbox.nql.timeframe import Frame

Pieces = Iterator[pl.DataFrame]


class Source(Protocol):
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
        """Yield the rows of a frame, at least one piece; in any order if newest is None."""
        ...


def evaluate(prepared: plan.Plan, source: Source, frame: Frame, now: datetime) -> Pieces:
    """Yield the result of a plan, at least one piece, every piece with the result's columns."""
    stages = list(prepared.stages)
    narrowed = _narrowed(prepared, frame)
    newest = _drop_sort_by_time(prepared.table, stages)
    needed = prepared.needed
    pieces = source.pieces(prepared.table, needed, narrowed, now, newest=newest)
    for stage in stages:
        pieces = _apply(stage, pieces)
    empty = True
    for piece in pieces:
        if piece.height:
            empty = False
            yield piece
    if empty:
        yield pl.DataFrame(schema={c.path: DTYPES[c.kind] for c in prepared.output})


def _narrowed(prepared: plan.Plan, frame: Frame) -> Frame:
    """Read bounds of time off the leading conditions, so that other days are never made."""
    for stage in prepared.stages:
        if not isinstance(stage, plan.Filter):
            break
        if prepared.table.is_event:
            frame = frame.narrowed(*time_bounds(stage.predicate, prepared.table.time))
    return frame


def _drop_sort_by_time(table: Table, stages: list[plan.Stage]) -> bool | None:
    """Take out a sort that the source can do by itself; say whether it starts at the newest."""
    for position, stage in enumerate(stages):
        if isinstance(stage, plan.Order) and table.is_event:
            column, descending = stage.keys[0]
            if len(stage.keys) == 1 and column.path == table.time:
                del stages[position]
                return descending
        if not isinstance(stage, plan.Filter | plan.Project):
            break
    return None


def _apply(stage: plan.Stage, pieces: Pieces) -> Pieces:
    match stage:
        case plan.Filter(predicate):
            condition = expression(predicate)
            return (piece.filter(condition) for piece in pieces)
        case plan.Project(columns):
            paths = [column.path for column in columns]
            return (piece.select(paths) for piece in pieces)
        case plan.Head(rows):
            return head(pieces, rows)
        case plan.Order(keys):
            return _sorted(pieces, keys)
        case plan.Reduce():
            return _reduced(pieces, stage)


def head(pieces: Pieces, rows: int) -> Pieces:
    """Yield the first rows, and take no piece more than that needs."""
    left = rows
    for piece in pieces:
        yield piece.head(left)
        left -= piece.height
        if left <= 0:
            return


def _sorted(pieces: Pieces, keys: tuple[tuple[Column, bool], ...]) -> Pieces:
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


def _reduced(pieces: Pieces, reduction: plan.Reduce) -> Pieces:
    merged: pl.DataFrame | None = None
    for piece in pieces:
        part = aggregates.partial(reduction, piece)
        merged = part if merged is None else aggregates.merge(reduction, [merged, part])
    if merged is not None:
        yield aggregates.finish(reduction, merged)
