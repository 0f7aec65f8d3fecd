"""A PostgreSQL table whose windows are partitions: each landing brings a new one and swaps it in.

The new table is loaded before any lock is taken. Only the swap keeps readers out: it waits for them
for a moment, and where one stays, the rows are replaced in the partition that is there instead.
Everything is in the landing's transaction, so a kill at any moment leaves the old partition.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Column, MetaData, Table, delete, insert, select

from connectors.databases.names import POSTGRESQL
from connectors.errors import StorageError
from connectors.quoting import quoted_text
from connectors.sql.failures import AS_IT_WAS
from connectors.sql.replacing import Conditions
from connectors.sql.session import Session

# How long readers may be kept waiting for one that does not end.
SWAP_SECONDS: Final = 2
CHECK: Final = "nxp_window"
_BOUNDS: Final = re.compile(r"FOR VALUES FROM \((.+)\) TO \((.+)\)")
_ENDLESS: Final = {
    **dict.fromkeys(("MINVALUE", "'-infinity'"), datetime.min.replace(tzinfo=UTC)),
    **dict.fromkeys(("MAXVALUE", "'infinity'"), datetime.max.replace(tzinfo=UTC)),
}


@dataclass(frozen=True, slots=True)
class TablePartition:
    """A partition, quoted with its schema, and its time; of the default one both are None."""

    name: str
    starts_at: datetime | None
    ends_at: datetime | None

    def overlaps(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Return whether it has rows of [starts_at, ends_at)."""
        if self.starts_at is None or self.ends_at is None:
            return False
        return self.starts_at < ends_at and starts_at < self.ends_at

    def is_within(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Return whether it has no other rows."""
        if self.starts_at is None or self.ends_at is None:
            return False
        return starts_at <= self.starts_at and self.ends_at <= ends_at


def partitions_of(session: Session, table: Table, column: str) -> list[TablePartition] | None:
    """Return a table's partitions in order of time, None if it has none by ranges of the column."""
    relation = (
        f"n.nspname = {quoted_text(table.schema or '')} AND c.relname = {quoted_text(table.name)}"
    )
    is_ours = session.scalar(
        "SELECT count(*) FROM pg_catalog.pg_partitioned_table p "  # noqa: S608 - names, quoted
        "JOIN pg_catalog.pg_class c ON c.oid = p.partrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] "
        "WHERE p.partstrat = 'r' AND p.partnatts = 1 "
        f"AND a.attname = {quoted_text(column)} AND {relation}"
    )
    if not is_ours:
        return None
    rows = session.fetch(
        "SELECT pg_catalog.format('%I.%I', m.nspname, k.relname)::text, "  # noqa: S608 - names, quoted
        "pg_catalog.pg_get_expr(k.relpartbound, k.oid)::text "
        "FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class k ON k.oid = i.inhrelid "
        "JOIN pg_catalog.pg_namespace m ON m.oid = k.relnamespace "
        "JOIN pg_catalog.pg_class c ON c.oid = i.inhparent "
        f"JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE {relation}"
    )
    found = [TablePartition(name, *_bounds(written)) for name, written in rows]
    return sorted(found, key=lambda each: each.starts_at or _ENDLESS["MAXVALUE"])


def _bounds(written: str) -> tuple[datetime | None, datetime | None]:
    match = _BOUNDS.fullmatch(written)
    if match is None:
        return None, None
    return _instant(match[1]), _instant(match[2])


def _instant(written: str) -> datetime:
    return _ENDLESS.get(written) or datetime.fromisoformat(written.strip("'")).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class PartitionWindow:
    """A window that lands in a partitioned table.

    Attributes:
        session: whose transaction is in progress, with the table's rows locked.
        table: the partitioned one.
        column: by whose ranges it is partitioned, as stored.
        starts_at, ends_at: the window.
        replaced: the conditions that select its rows.
    """

    session: Session
    table: Table
    column: str
    starts_at: datetime
    ends_at: datetime
    replaced: Conditions

    def replace(self, partitions: Sequence[TablePartition], load: Callable[[Table], None]) -> None:
        """Replace the window's rows: by a new partition, or within those that reach further."""
        touched = [each for each in partitions if each.overlaps(self.starts_at, self.ends_at)]
        if not all(each.is_within(self.starts_at, self.ends_at) for each in touched):
            self.session.execute(delete(self.table).where(*self.replaced))
            self._fill_gaps(touched)
            load(self.table)
            return
        fresh = self._create("_new")
        load(fresh)
        self._index(fresh)
        defaults = [each for each in partitions if each.starts_at is None]
        if defaults:
            # Otherwise no partition of their time can be added.
            self.session.execute(delete(self.table).where(*self.replaced))
        swap = [f"DROP TABLE {each.name}" for each in touched]
        if not changed_without_readers(self.session, [*swap, *self._attaching(fresh)]):
            self._copy(fresh, touched)
            return
        final = self.session.quoted(_named(self.table, self.starts_at))
        self.session.execute(f"ALTER TABLE {self.session.named(fresh)} RENAME TO {final}")

    def _copy(self, fresh: Table, touched: Sequence[TablePartition]) -> None:
        """Replace the rows in place, where a reader does not let the partitions go."""
        self.session.execute(delete(self.table).where(*self.replaced))
        self._fill_gaps(touched)
        keys = list(self.table.c.keys())
        self.session.execute(insert(self.table).from_select(keys, select(fresh)))
        self.session.execute(f"DROP TABLE {self.session.named(fresh)}")

    def _fill_gaps(self, touched: Sequence[TablePartition]) -> None:
        """Add partitions for the time of the window that has none."""
        start = self.starts_at
        for each in touched:
            if each.starts_at and start < each.starts_at:
                self._add_empty(start, each.starts_at)
            start = max(start, each.ends_at or start)
        if start < self.ends_at:
            self._add_empty(start, self.ends_at)

    def _add_empty(self, starts_at: datetime, ends_at: datetime) -> None:
        # Not CREATE TABLE … PARTITION OF, which keeps readers out.
        part = replace(self, starts_at=starts_at, ends_at=ends_at)
        for statement in part._attaching(part._create()):  # noqa: SLF001 - of the same class
            self.session.execute(statement)

    def _create(self, ending: str = "") -> Table:
        name = _named(self.table, self.starts_at)
        columns = (Column(each.name, each.type, key=each.key) for each in self.table.c)
        fresh = Table(
            POSTGRESQL.short(name + ending), MetaData(), *columns, schema=self.table.schema
        )
        column = self.session.quoted(self.column)
        # The check spares the swap a look at every row.
        self.session.execute(
            f"CREATE TABLE {self.session.named(fresh)} (LIKE {self.session.named(self.table)} "
            "INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING STATISTICS EXCLUDING "
            f"COMMENTS, CONSTRAINT {CHECK} CHECK ({column} >= {_written(self.starts_at)} "
            f"AND {column} < {_written(self.ends_at)}))"
        )
        return fresh

    def _index(self, fresh: Table) -> None:
        """Give the new table the indices of the others, which the swap would build otherwise."""
        relation = quoted_text(self.session.named(self.table))
        rows = self.session.fetch(
            "SELECT indisunique, pg_catalog.pg_get_indexdef(indexrelid)::text "  # noqa: S608 - a name, quoted
            f"FROM pg_catalog.pg_index WHERE indrelid = {relation}::regclass AND indisvalid"
        )
        for is_unique, written in rows:
            unique = "UNIQUE " if is_unique else ""
            how = written.partition(" USING ")[2]
            self.session.execute(f"CREATE {unique}INDEX ON {self.session.named(fresh)} USING {how}")

    def _attaching(self, fresh: Table) -> list[str]:
        named = self.session.named(fresh)
        bounds = f"FROM ({_written(self.starts_at)}) TO ({_written(self.ends_at)})"
        table = self.session.named(self.table)
        return [
            f"ALTER TABLE {table} ATTACH PARTITION {named} FOR VALUES {bounds}",
            f"ALTER TABLE {named} DROP CONSTRAINT {CHECK}",
        ]


def check_swapping(session: Session, table: Table) -> None:
    """Raise unless the database's user can add partitions to a table and drop them.

    Raises:
        StorageError: it lacks a permission.
    """
    relation = quoted_text(session.named(table))
    may = session.scalar(
        "SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') "  # noqa: S608 - a name, quoted
        "AND pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE') "
        f"FROM pg_catalog.pg_class c WHERE c.oid = {relation}::regclass"
    )
    if not may:
        raise StorageError(
            f"{session.table}: the database's user lacks a permission: to change partitions it "
            f"has to own the table, and may CREATE in its schema (docs/sql.md); {AS_IT_WAS}"
        )


def drop_partitions(
    session: Session, partitions: Sequence[TablePartition], starts_at: datetime, ends_at: datetime
) -> None:
    """Drop the partitions that lie within [starts_at, ends_at), unless a reader has them."""
    ended = [each for each in partitions if each.is_within(starts_at, ends_at)]
    if ended:
        # If not, their rows are deleted, and the empty partitions stay.
        changed_without_readers(session, [f"DROP TABLE {each.name}" for each in ended])


def changed_without_readers(session: Session, statements: Sequence[str]) -> bool:
    """Return whether statements that keep readers out were run: not if a reader stays.

    In a block of the server: after an error, ADBC lets a transaction only end.
    """
    run = "".join(f"EXECUTE {quoted_text(statement)}; " for statement in statements)
    session.execute(
        "DO $nxp$ BEGIN "
        f"PERFORM pg_catalog.set_config('lock_timeout', '{SWAP_SECONDS}s', true); {run}"
        "PERFORM pg_catalog.set_config('nxp.swapped', 'yes', true); "
        "EXCEPTION WHEN lock_not_available OR deadlock_detected THEN "
        "PERFORM pg_catalog.set_config('nxp.swapped', 'no', true); END $nxp$"
    )
    return bool(session.scalar("SELECT pg_catalog.current_setting('nxp.swapped')") == "yes")


def _named(table: Table, starts_at: datetime) -> str:
    return POSTGRESQL.short(f"{table.name}_{starts_at.astimezone(UTC):%Y%m%dt%H%M%S}")


def _written(instant: datetime) -> str:
    return quoted_text(instant.astimezone(UTC).isoformat())
