"""Which rows of a table belong to a unit: what it replaces, and what is deleted when it is old."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Table, delete

from connectors.catalogue import SnapshotLoad
from connectors.lake import Entry
from connectors.sql.session import Session
from connectors.sql.table import EXPORTED_AT, SNAPSHOT, Target
from connectors.sql.units import Stretch, Units, left_over, rows_in, stretch_of

Conditions = list[ColumnElement[bool]]


def within(target: Target, table: Table, starts_at: datetime, ends_at: datetime) -> Conditions:
    """Return the conditions that select the rows of [starts_at, ends_at)."""
    if target.specification.window is None:
        raise AssertionError("only a dataset of windows has rows of a span of time")
    column = table.c[target.specification.window.column]
    return [column >= starts_at.astimezone(UTC), column < ends_at.astimezone(UTC)]


def replaced(target: Target, table: Table, entry: Entry) -> Conditions:
    """Return the conditions for the rows that a unit replaces: by time, as windows may change."""
    if target.is_window:
        return within(target, table, entry.starts_at, entry.ends_at)
    if target.load == SnapshotLoad.APPEND:
        return [table.c[SNAPSHOT] == entry.unit]
    return []


def is_outdated(session: Session, target: Target, table: Table, entry: Entry) -> bool:
    """Return whether a snapshot that replaces all rows would replace a later one."""
    if target.load != SnapshotLoad.REPLACE:
        return False
    newest = Units(session, table.schema, table.name).newest()
    return newest is not None and newest.starts_at > entry.starts_at


def record(
    session: Session,
    target: Target,
    table: Table,
    entry: Entry,
    rows: int,
    landed_at: datetime,
) -> None:
    """Record a landed unit, and remove the records of those that it replaced."""
    units = Units(session, table.schema, table.name)
    stretches = [stretch_of(entry, rows)]
    if target.is_window:

        def count(starts_at: datetime, ends_at: datetime) -> int:
            return rows_in(session, table, *within(target, table, starts_at, ends_at))

        known = units.overlapping(entry.starts_at, entry.ends_at)
        for one in known:
            stretches += left_over(one, entry, count)
        units.forget([one.unit for one in known])
    else:
        units.forget(None if target.load == SnapshotLoad.REPLACE else [entry.unit])
    for stretch in stretches:
        units.record(target.owner, stretch, landed_at)


def drop_ended(
    session: Session,
    target: Target,
    table: Table,
    instant: datetime,
    drop: Callable[[datetime, datetime], None] | None,
) -> int:
    """Delete the rows of the units that ended before an instant; return how many.

    `drop` drops the partitions within a span of time, before rows are deleted; None: only count.
    """
    units = Units(session, table.schema, table.name)
    ended = units.ended_by(instant)
    newest = units.newest()
    if not target.is_window and newest in ended:
        # The newest snapshot, however old, is what is known about the present.
        ended = [one for one in ended if one != newest]
    dropped = 0
    chosen = _rows_of(target, table, units, ended)
    for conditions in chosen:
        dropped += rows_in(session, table, *conditions)
    if drop is not None:
        for starts_at, ends_at in _joined(ended) if target.is_window else []:
            drop(starts_at, ends_at)
        for conditions in chosen:
            session.execute(delete(table).where(*conditions))
        units.forget([one.unit for one in ended])
    return dropped


def _rows_of(target: Target, table: Table, units: Units, ended: list[Stretch]) -> list[Conditions]:
    if not ended:
        return []
    if target.is_window:
        return [within(target, table, start, end) for start, end in _joined(ended)]
    if target.load == SnapshotLoad.APPEND:
        return [[table.c[SNAPSHOT].in_([one.unit for one in ended])]]
    kept = [one.exported_at for one in units.stretches() if one not in ended]
    # Of an upsert, rows that are in none of the kept snapshots; of a replaced table, all or none.
    return [[table.c[EXPORTED_AT] < min(kept).astimezone(UTC)]] if kept else [[]]


def _joined(ended: list[Stretch]) -> list[tuple[datetime, datetime]]:
    """Return adjacent windows joined, for one statement instead of hundreds."""
    joined: list[tuple[datetime, datetime]] = []
    for one in ended:
        if joined and joined[-1][1] == one.starts_at:
            joined[-1] = (joined[-1][0], one.ends_at)
        else:
            joined.append((one.starts_at, one.ends_at))
    return joined
