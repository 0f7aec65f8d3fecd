"""Landing a dataset's units in a table: each in one transaction, completely or not at all.

The rows go straight into the table, after those that they replace are deleted; readers see neither
before the commit. docs/decisions/0004-sql-landing.md lists what this was measured against.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import pyarrow as pa
from sqlalchemy import Table, delete

from connectors.catalogue import DatasetSpecification, SnapshotLoad
from connectors.clock import utc_now
from connectors.databases.names import long_table
from connectors.errors import ConfigurationError, DataRefusedError, PipelineError
from connectors.lake import Entry
from connectors.lake.stage import StagedFile
from connectors.logs import UNREPORTED
from connectors.sql.batches import Batches
from connectors.sql.comments import changed_comments, write_comments
from connectors.sql.database import Database
from connectors.sql.opening import open_database
from connectors.sql.partitions import (
    PartitionWindow,
    TablePartition,
    check_swapping,
    drop_partitions,
    partitions_of,
)
from connectors.sql.replacing import drop_ended, is_outdated, record, replaced, within
from connectors.sql.session import Session
from connectors.sql.table import (
    SNAPSHOT,
    check_owner,
    check_permissions,
    columns_of,
    describe,
    prepare,
    target_of,
)
from connectors.sql.units import UNITS, Units, rows_in
from connectors.sql.upsert import empty_copy, merge, refuse_twice

logger = logging.getLogger(__name__)


class SqlLanding:
    """One dataset of one tenant in a table of the database at NXP_DATABASE_URL."""

    name = "sql"

    def __init__(
        self,
        url: str,
        tenant: str,
        specification: DatasetSpecification,
        clock: Callable[[], datetime] = utc_now,
        opening: Callable[[str], Database] = open_database,
    ) -> None:
        self._target = target_of(tenant, specification)
        self._database = opening(url)
        if too_long := long_table(self._target.table, self._database.limits):
            raise ConfigurationError(f"{specification.dataset}: {too_long}")
        self._clock = clock
        self._is_commented = False
        self._is_warned = False

    def check(self) -> None:
        """Create the table, or raise unless it is ours and can hold the dataset."""
        with self._session() as session:
            table = prepare(session, self._database, self._target, columns_of(self._target))
            check_permissions(session, self._target, table)
            if self._partitions(session, table) is not None:
                check_swapping(session, table)
            session.commit()

    def rows_before(self, starts_at: datetime, ends_at: datetime) -> int:
        """Return the number of rows that publishing [starts_at, ends_at) replaces."""
        with self._session(writes=False) as session:
            table = self._existing(session)
            if table is None:
                return 0
            if self._target.is_window:
                return rows_in(session, table, *within(self._target, table, starts_at, ends_at))
            newest = Units(session, table.schema, table.name).newest()
            return newest.rows if newest else 0

    def check_unit(self, entry: Entry) -> None:
        """Accept every unit: a table replaces rows by their time, not whole units."""

    def publish(self, entry: Entry, staged: Sequence[StagedFile], schema: pa.Schema) -> None:
        """Replace the rows that a unit supersedes with its staged ones."""
        columns = columns_of(self._target, schema.names)
        added = {SNAPSHOT: entry.unit} if SNAPSHOT in columns else {}
        batches = Batches(self._database, staged, columns, added)
        with self._session() as session:
            # In a transaction of its own: until a change of the table is committed, readers wait.
            table = prepare(session, self._database, self._target, columns)
            session.commit()
            self._database.start(session)
            self._database.lock(session, rows_of(table))
            check_owner(session, self._target, table)
            if is_outdated(session, self._target, table, entry):
                logger.warning(
                    "%s: %s is older than the snapshot in the table, which stays as it is",
                    self._target.shown,
                    entry.unit,
                    extra=UNREPORTED,
                )
                return
            self._replace(session, table, entry, batches, schema)
            self._check_rows(batches, staged)
            record(session, self._target, table, entry, batches.rows, self._clock())
            session.commit()
        self._comment(table)

    def _comment(self, table: Table) -> None:
        """Write what the YAML says of the table, if that has changed; once in a run."""
        if self._is_commented or self._database.commenting is None:
            return
        self._is_commented = True
        try:
            with self._session() as session:
                changed = changed_comments(session, self._database, self._target, table)
                if changed:
                    write_comments(session, self._database, table, changed)
                    session.commit()
        except PipelineError as error:
            logger.info("%s: its comments are written later: %s", self._target.shown, error)

    def drop_before(self, instant: datetime, *, dry_run: bool = False) -> int:
        """Drop all units that ended before an instant; return how many rows they had."""
        with self._session(writes=not dry_run) as session:
            table = self._existing(session)
            if table is None:
                return 0
            if not dry_run:
                self._database.lock(session, rows_of(table))
            check_owner(session, self._target, table)
            parts = self._partitions(session, table) or []
            drop = None if dry_run else partial(drop_partitions, session, parts)
            rows = drop_ended(session, self._target, table, instant, drop)
            session.commit()
        return rows

    def close(self) -> None:
        """Do nothing: every call has a connection of its own."""

    @contextmanager
    def _session(self, *, writes: bool = True) -> Iterator[Session]:
        session = self._database.begin(self._target.shown, writes=writes)
        try:
            yield session
        finally:
            session.close()

    def _existing(self, session: Session) -> Table | None:
        schema = self._database.schema(session, self._target.wanted_schema)
        if self._database.columns(session, schema, UNITS) is None:
            return None
        there = self._database.columns(session, schema, self._target.table)
        if there is None:
            return None
        return describe(self._target, schema, columns_of(self._target), self._database, there)

    def _replace(
        self, session: Session, table: Table, entry: Entry, batches: Batches, schema: pa.Schema
    ) -> None:
        parts = self._partitions(session, table)
        if parts is not None:
            where = replaced(self._target, table, entry)
            column = self._partitioned_by(table)
            window = PartitionWindow(session, table, column, entry.starts_at, entry.ends_at, where)
            window.replace(parts, lambda into: self._load(session, into, batches, schema))
            return
        if self._target.load != SnapshotLoad.UPSERT:
            session.execute(delete(table).where(*replaced(self._target, table, entry)))
            self._load(session, table, batches, schema)
            return
        keys = self._target.specification.key_columns
        staging = empty_copy(session, self._database, table)
        self._load(session, staging, batches, schema, temporary=True)
        refuse_twice(session, staging, keys, self._target.shown)
        merge(session, table, staging, keys)

    def _partitions(self, session: Session, table: Table) -> list[TablePartition] | None:
        """Return the table's partitions, None if its windows are not partitions."""
        if not (self._target.is_partitioned and self._database.partitions):
            return None
        parts = partitions_of(session, table, self._partitioned_by(table))
        if parts is None and not self._is_warned:
            self._is_warned = True
            logger.warning(
                "%s: the table is not partitioned by time, so it is filled as before: docs/sql.md "
                "says how to make the windows partitions",
                self._target.shown,
                extra=UNREPORTED,
            )
        return parts

    def _partitioned_by(self, table: Table) -> str:
        window = self._target.specification.window
        if window is None:
            raise AssertionError("only windows are partitions")
        return str(table.c[window.column].name)

    def _load(
        self,
        session: Session,
        table: Table,
        batches: Batches,
        schema: pa.Schema,
        *,
        temporary: bool = False,
    ) -> None:
        try:
            names = {column.key: column.name for column in table.c}
            session.load(table, batches.reader(schema, names), temporary=temporary)
        except (PipelineError, OSError, pa.ArrowException) as error:
            raise batches.failure or error from None

    def _check_rows(self, batches: Batches, staged: Sequence[StagedFile]) -> None:
        expected = sum(file.rows for file in staged)
        if batches.rows != expected:
            raise DataRefusedError(
                f"{self._target.shown}: the staged files hold {batches.rows} rows instead of "
                f"{expected}: run again; nothing was published"
            )


def rows_of(table: Table) -> str:
    """Return the name of the lock under which a table's rows change."""
    return f"rows of {table.schema}.{table.name}"
