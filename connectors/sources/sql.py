"""A query of a SQL database as a source: any database that SQLAlchemy supports.

Rows are fetched on demand (on PostgreSQL with a server-side cursor), within one transaction that
cannot write.
"""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Connection as Database,
)
from sqlalchemy import (
    CursorResult,
    Engine,
    NullPool,
    Select,
    TextualSelect,
    column,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from connectors.databases.names import ALIKE, twins
from connectors.databases.sessions import connect_arguments, set_up_sessions
from connectors.databases.urls import POSTGRESQL, database_url, driver_errors
from connectors.errors import ConfigurationError, DataRefusedError, UnavailableError
from connectors.sources.connection import Connection
from connectors.sources.cursor import MIXED, Cursor, Known, fingerprint, kept_cursor
from connectors.sources.moments import (
    earlier,
    is_before,
    is_mixed,
    is_moment,
    read_moment,
    unusable_since,
    write_moment,
)
from connectors.sources.source import (
    BATCH_ROWS,
    Batches,
    Completeness,
    Pull,
    PullOutcome,
    Source,
)
from connectors.sources.specification import SqlSourceSpecification
from connectors.sources.sql_failures import explain
from connectors.sources.texts import Beyond, text_batch

# Run first. On other databases only the user's rights keep the query from writing.
BEGINNING: dict[str, tuple[str, ...]] = {
    # All statements of a pull see the same state of the data.
    "postgresql": ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",),
    "sqlite": ("PRAGMA query_only = ON",),
}
OUTSIDE = (
    "such as infinity, a year before 1 or after 9999, or the hour 24: correct the row, or cast the "
    "column to text in the query"
)
# At its most detailed level SQLAlchemy logs every row.
LOGGER = "nxp_source"


class SqlSource(Source):
    """A query, run again by each pull."""

    def __init__(
        self, name: str, specification: SqlSourceSpecification, connection: Connection
    ) -> None:
        self.name = name
        self._of = specification
        self._variable = connection.variable("url")
        self._engine = _engine(name, connection)
        self._mark = fingerprint(specification, connection.url.get_secret_value())
        self._columns: tuple[str, ...] = ()

    def check(self) -> tuple[str, ...]:
        """Start the query without fetching rows, and check its columns."""
        with self._reading() as database, self._all_rows(database) as result:
            self._columns = tuple(result.keys())
        twice = sorted({name for name in self._columns if self._columns.count(name) > 1})
        needed = dict.fromkeys((*self._of.fields, *self._of.key, self._of.incremental or ""))
        missing = [name for name in needed if name and name not in self._columns]
        alike = twins(self._columns)
        if twice or missing or alike:
            problems = [f"has no column {name}" for name in missing]
            problems += [f"has the column {name} twice" for name in twice]
            # Even if only one is wanted: the database may not distinguish them in an increment.
            problems += [f"has {pair}, {ALIKE}: name one of them by AS" for pair in alike]
            raise ConfigurationError(f"source {self.name}: the query {', '.join(problems)}")
        return self._of.fields or self._columns

    def pull(self, since: str | None = None) -> Pull:
        """Read all rows, or those that changed since a cursor."""
        columns = self.check()
        cursor, unusable = kept_cursor(since if self._of.incremental else None, self._mark)
        return Pull(columns, self._pulled(columns, cursor, unusable))

    def keys(self) -> Pull:
        """Read the key of every row."""
        if not self._of.key:
            raise ConfigurationError(f"source {self.name}: set a key, which scanning keys needs")
        self.check()
        return Pull(self._of.key, self._scanned())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _pulled(
        self, columns: tuple[str, ...], cursor: Cursor | None, unusable: str | None
    ) -> Batches:
        before = until = None
        with self._reading() as database:
            if self._of.incremental:
                oldest, newest = self._ends(database)
                if is_mixed(oldest, newest):
                    newest = cursor = None
                    unusable = MIXED
                if cursor and (unusable := unusable_since(cursor, newest, self._of.overlap)):
                    cursor = None
                if cursor and newest is None:
                    # No row has a moment, and a query with one may not even suit the column.
                    return PullOutcome(Completeness.CHANGES, cursor.write())
                before = read_moment(cursor.until) if cursor else None
                until = before if newest is None or is_before(newest, before) else newest
            known = Known(cursor.known if cursor else ())
            rows = self._changed(database, before, until) if cursor else self._all_rows(database)
            with rows as result:
                for part in self._parts(result, (*columns, self._of.incremental)):
                    new = self._new(part, known, until) if self._of.incremental else part
                    if values := list(zip(*new, strict=True)):
                        yield text_batch(columns, [values[n] for n in self._places(columns)])
        completeness = Completeness.CHANGES if cursor else Completeness.COMPLETE
        if until is None:
            return PullOutcome(completeness, None, unusable)
        kept = Cursor(self._mark, write_moment(until), frozenset(known.found))
        return PullOutcome(completeness, kept.write(), unusable)

    def _scanned(self) -> Batches:
        with self._reading() as database:
            source = self._query().subquery("source")
            keys = select(*(source.c[name] for name in self._of.key))
            with database.execute(keys) as result:
                for part in self._parts(result, self._of.key):
                    yield text_batch(self._of.key, list(zip(*part, strict=True)))
        return PullOutcome(Completeness.COMPLETE)

    def _parts(
        self, result: CursorResult[Any], columns: Sequence[str | None]
    ) -> Iterator[Sequence[Any]]:
        """Yield the rows in batches; raise for a time in these columns that Python cannot hold."""
        names, rows = list(result.keys()), 0
        for part in result.partitions(BATCH_ROWS):
            for name, values in zip(names, zip(*part, strict=True), strict=True):
                if name in columns and Beyond in (kinds := list(map(type, values))):
                    raise DataRefusedError(
                        f"source {self.name}: row {rows + kinds.index(Beyond) + 1}: the column "
                        f"{name} holds a time that the query cannot handle, {OUTSIDE} "
                        f"({self._variable})"
                    )
            rows += len(part)
            yield part

    @contextmanager
    def _reading(self) -> Iterator[Database]:
        """Hold one transaction that cannot write; explain what the database refuses."""
        try:
            with self._engine.connect() as database:
                for statement in BEGINNING.get(database.dialect.name, ()):
                    database.exec_driver_sql(statement)
                yield database.execution_options(stream_results=True, yield_per=BATCH_ROWS)
        except SQLAlchemyError as error:
            raise explain(error, self.name, self._variable) from None

    def _query(self) -> TextualSelect:
        # A colon would start a parameter.
        query = text(self._of.query.replace(":", "\\:") + "\n")
        return query.columns(*(column(name) for name in self._columns))

    def _all_rows(self, database: Database) -> CursorResult[Any]:
        # Sent as written: some databases allow less in a query inside another.
        return database.execution_options(no_parameters=True).exec_driver_sql(self._of.query)

    def _ends(self, database: Database) -> tuple[Any, Any]:
        """Return the oldest and the newest moment."""
        moment = self._query().subquery("source").c[self._of.incremental or ""]
        oldest, newest = database.execute(select(func.min(moment), func.max(moment))).one()
        self._check_moment(newest)
        return oldest, newest

    def _check_moment(self, newest: Any) -> None:
        """Raise unless pulls can compare the newest moment with others of its kind."""
        column = f"source {self.name}: the column {self._of.incremental}"
        if isinstance(newest, Beyond):
            raise DataRefusedError(
                f"{column} holds a time that the query cannot handle, {OUTSIDE} ({self._variable})"
            )
        if newest is not None and not is_moment(newest):
            raise ConfigurationError(
                f"{column} cannot be incremental: it must be a date-time, a date, a number or text "
                f"({self._variable})"
            )
        if isinstance(newest, float | Decimal) and not isfinite(newest):
            raise DataRefusedError(
                f"{column} holds NaN or infinity, so what is newest is not known: correct the row "
                f"({self._variable})"
            )

    def _changed(self, database: Database, before: Any, until: Any) -> CursorResult[Any]:
        source = self._query().subquery("source")
        moment = source.c[self._of.incremental or ""]
        since = earlier(before, self._of.overlap)
        changed: Select[Any] = select(source).where(moment >= since, moment <= until)
        return database.execute(changed)

    def _new(self, rows: Sequence[Any], known: Known, until: Any) -> Iterator[Any]:
        """Yield the rows that the last pull did not return."""
        place = self._columns.index(self._of.incremental or "")
        recent = None if until is None else earlier(until, self._of.overlap)
        for row in rows:
            is_recent = None not in (row[place], recent) and not is_before(row[place], recent)
            if known.is_new(row, is_recent=is_recent):
                yield row

    def _places(self, columns: tuple[str, ...]) -> list[int]:
        return [self._columns.index(name) for name in columns]


def _engine(source: str, connection: Connection) -> Engine:
    variable = connection.variable("url")
    logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGER}").setLevel(logging.WARNING)
    url = database_url(connection.url.get_secret_value(), variable)
    if connection.has("user"):
        url = url.set(username=connection.user)
    if connection.has("password"):
        url = url.set(password=connection.password.get_secret_value())
    if url.get_backend_name() == "sqlite":
        return _sqlite(source, variable, url)
    with driver_errors(url, variable):
        engine = create_engine(
            url, connect_args=connect_arguments(url), poolclass=NullPool, logging_name=LOGGER
        )
    set_up_sessions(engine)
    if url.drivername == POSTGRESQL:
        from connectors.sources.postgresql_values import keep_json, recognise_times  # noqa: PLC0415 - psycopg

        event.listen(engine, "connect", recognise_times)
        event.listen(engine, "connect", keep_json)
    return engine


def _sqlite(source: str, variable: str, url: URL) -> Engine:
    """Open the file read-only: SQLite would otherwise create an empty one if it is missing."""
    path = Path(url.database or "").expanduser().absolute()

    def connect() -> sqlite3.Connection:
        if not path.is_file():
            raise UnavailableError(
                f"source {source}: no database file at {path}: correct {variable}, or try "
                "again once the file is there"
            )
        return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool, logging_name=LOGGER)
