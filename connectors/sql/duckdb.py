"""DuckDB, in a file, by the package that `nxp sql` uses too; Arrow's batches go in as they are.

One process at a time can have the file open: another one waits until this one has closed it. There
are no indices: DuckDB changes no table that has one, and prunes by the least and greatest values of
its row groups.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import BigInteger, Boolean, Date, Dialect, Table, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.schema import CreateSchema
from sqlalchemy.types import TypeEngine

from connectors.catalogue import ColumnType
from connectors.databases.names import DUCKDB
from connectors.databases.sqlite_failures import folder_meaning
from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    StorageError,
    UnavailableError,
)
from connectors.quoting import quoted_text
from connectors.sql.commenting import DuckdbCommenting
from connectors.sql.database import (
    WAIT_SECONDS,
    Alterations,
    Database,
    ExistingColumn,
)
from connectors.sql.failures import AS_IT_WAS
from connectors.sql.session import Session, Statement

_FRACTION: TypeEngine[Any] = postgresql.DOUBLE_PRECISION()
TYPES: Final[dict[ColumnType, TypeEngine[Any]]] = {
    ColumnType.STRING: Text(),
    ColumnType.INT: BigInteger(),
    ColumnType.FLOAT: _FRACTION,
    ColumnType.BOOL: Boolean(),
    ColumnType.DATETIME: postgresql.TIMESTAMP(timezone=True),
    ColumnType.DATE: Date(),
    ColumnType.BYTES: BigInteger(),
    ColumnType.DURATION: _FRACTION,
    ColumnType.LIST: postgresql.ARRAY(Text()),
    ColumnType.JSON: postgresql.JSON(),
}
NAMES: Final = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INT: "BIGINT",
    ColumnType.FLOAT: "DOUBLE",
    ColumnType.BOOL: "BOOLEAN",
    ColumnType.DATETIME: "TIMESTAMP WITH TIME ZONE",
    ColumnType.DATE: "DATE",
    ColumnType.BYTES: "BIGINT",
    ColumnType.DURATION: "DOUBLE",
    ColumnType.LIST: "VARCHAR[]",
    ColumnType.JSON: "JSON",
}
KEYWORDS: Final = (
    "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
)
HELD: Final = "Could not set lock"
# While another thread of this process closes the file that it had open.
CLOSING: Final = "is already attached"
# In errors of several kinds, if the disk is full.
UNWRITTEN: Final = "Could not write file"
FULL: Final = (
    ": the disk is full, or fails to read or write the file: free space, or check the disk"
)
# Between two attempts to open a file that another process has open.
PAUSE_SECONDS: Final = 0.1
_writers: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class DuckdbSession(Session):
    """A transaction of DuckDB; `done` is called when it is closed."""

    failures = duckdb.Error

    def __init__(
        self, connection: Any, dialect: Dialect, table: str, done: Callable[[], None]
    ) -> None:
        super().__init__(connection, dialect, table)
        self._done = done

    def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows of a query; use it for few."""
        with self.explained():
            return list(self._run(statement).fetchall())

    def load(
        self,
        table: Table,
        rows: pa.RecordBatchReader,
        *,
        temporary: bool = False,  # noqa: ARG002 - the protocol's
    ) -> None:
        """Append rows to a table, matched by column name."""
        names = ", ".join(self.quoted(name) for name in rows.schema.names)
        with self.explained():
            self._connection.register("nxp_rows", rows)
            self._run(f"INSERT INTO {self.named(table)} ({names}) SELECT {names} FROM nxp_rows")  # noqa: S608 - names, quoted
            self._connection.unregister("nxp_rows")

    def close(self) -> None:
        """Roll back what was not committed, and close the connection."""
        try:
            super().close()
        finally:
            self._done()

    def _run(self, statement: Statement) -> Any:
        return self._connection.execute(self._written(statement))

    def _reason(self, error: duckdb.Error) -> PipelineError:
        return explain_duckdb(error, self.table)


class DuckdbDatabase(Database):
    """A DuckDB database in a file.

    Args:
        url: duckdb:////path/file.db.
        sleep: waits a number of seconds for another process.
    """

    commenting = DuckdbCommenting()
    indexes_are_unique = None
    alterations = Alterations()

    def __init__(self, url: URL, sleep: Callable[[float], None] = time.sleep) -> None:
        if not url.database or url.database == ":memory:" or url.query:
            raise ConfigurationError("NXP_DATABASE_URL: DuckDB needs a file, duckdb:////path/file")
        self.dialect: Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call] # SQLAlchemy does not type it
        with duckdb.connect() as memory:
            words = {word for (word,) in memory.execute(KEYWORDS).fetchall()}
        preparer = self.dialect.identifier_preparer
        preparer.reserved_words = preparer.reserved_words | words
        self.types = TYPES
        self.limits = DUCKDB
        self._path = Path(url.database).expanduser().resolve()
        self._sleep = sleep

    def begin(self, table: str, *, writes: bool = True) -> Session:
        """Return a session: file open, transaction begun; a writer waits for other writers."""
        done: Callable[[], None] = lambda: None  # noqa: E731 - replaced by a writer's
        if writes:
            writer = _writers[str(self._path)]
            if not writer.acquire(timeout=WAIT_SECONDS):
                raise UnavailableError(f"{table} is locked by another landing: try again")
            done = writer.release
        try:
            session = DuckdbSession(self._open(), self.dialect, table, done)
        except BaseException:
            done()
            raise
        try:
            session.execute("SET TimeZone = 'UTC'")
            self.start(session, writes=writes)
        except BaseException:
            session.close()
            raise
        return session

    def _open(self) -> duckdb.DuckDBPyConnection:
        waited = 0.0
        while True:
            try:
                is_new = not self._path.exists()
                if is_new:
                    self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                connection = duckdb.connect(str(self._path))
                if is_new:
                    self._path.chmod(0o600)
            except (OSError, duckdb.Error) as error:
                will_pass = HELD in str(error) or CLOSING in str(error)
                if not will_pass or waited >= WAIT_SECONDS:
                    raise self._unusable(error) from None
            else:
                return connection
            self._sleep(PAUSE_SECONDS)
            waited += PAUSE_SECONDS

    def _unusable(self, error: Exception) -> PipelineError:
        if HELD in str(error):
            return UnavailableError(
                f"NXP_DATABASE_URL: another process has {self._path} open, and DuckDB allows one "
                "at a time: close it there, or try again"
            )
        if isinstance(error, OSError) and (meaning := folder_meaning(error)):
            kind, words = meaning
            return kind(f"NXP_DATABASE_URL: cannot open {self._path}{words}")
        if UNWRITTEN in str(error):
            return StorageError(f"cannot open {self._path}{FULL}")
        if "not a valid DuckDB" in str(error):
            return ConfigurationError(f"NXP_DATABASE_URL: {self._path} is not a DuckDB database")
        return ConfigurationError(
            f"NXP_DATABASE_URL: cannot open {self._path}: no permission, a folder, or the file of "
            "a later DuckDB"
        )

    def start(self, session: Session, *, writes: bool = True) -> None:  # noqa: ARG002 - the protocol's
        """Begin a transaction."""
        session.execute("BEGIN TRANSACTION")

    def schema(self, session: Session, wanted: str | None) -> str:
        """Return the name of the schema to land in."""
        return wanted or str(session.scalar("SELECT current_schema()"))

    def make_schema(self, session: Session, schema: str | None) -> None:
        """Create the schema if it is missing."""
        session.execute(CreateSchema(schema or "main", if_not_exists=True))

    def lock(self, session: Session, name: str) -> None:
        """Do nothing: `begin` let one writer in."""

    def columns(
        self, session: Session, schema: str | None, table: str
    ) -> dict[str, ExistingColumn] | None:
        """Return a table's columns, None if there is no such table."""
        named = f"lower(table_name) = lower({quoted_text(table)}) AND "
        of = f"= {quoted_text(schema or '')}"
        kinds = session.fetch(
            f"SELECT table_type FROM information_schema.tables WHERE {named} table_schema {of}"  # noqa: S608 - names, quoted
        )
        if not kinds:
            return None
        if kinds[0][0] != "BASE TABLE":
            raise ConfigurationError(f"{session.table} is not a table: name another in landings")
        rows = session.fetch(
            "SELECT column_name, data_type, NOT is_nullable AND column_default IS NULL, "  # noqa: S608 - names, quoted
            "coalesce(comment, '') FROM duckdb_columns() "
            f"WHERE {named} schema_name {of} AND database_name = current_database() "
            "ORDER BY column_index"
        )
        return {name: ExistingColumn(*described) for name, *described in rows}

    def indices(self, *_of: object) -> set[str]:
        """Return nothing: none is made here."""
        return set()

    def takes(self, existing: str, kind: ColumnType) -> bool:
        """Return whether a column of this type takes the values unchanged."""
        return existing == NAMES[kind]

    def convert(self, values: pa.Array, kind: ColumnType) -> pa.Array:
        """Return a column's values as DuckDB takes them from Arrow."""
        if kind is ColumnType.JSON:
            return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
        return values


def explain_duckdb(error: duckdb.Error, table: str) -> PipelineError:
    """Return the error to raise: the database's own message may quote rows, and is left out."""
    if isinstance(error, duckdb.ConstraintException):
        # The name of a column after the last dot.
        words = str(error).partition("NOT NULL constraint failed: ")[2].split()
        broken = f"column {words[0].rpartition('.')[2]}, which is NOT NULL" if words else ""
        return DataRefusedError(
            f"{table}: rows break {broken or 'a constraint'} of the table: change it, or the "
            f"query; {AS_IT_WAS}"
        )
    if isinstance(error, duckdb.DependencyException):
        return DataRefusedError(
            f"{table}: an index or a view keeps a column from being changed: drop it first; "
            f"{AS_IT_WAS}"
        )
    if isinstance(error, duckdb.DataError):
        return DataRefusedError(
            f"{table}: a column holds a value that its type does not allow: declare it as string, "
            f"or correct the query; {AS_IT_WAS}"
        )
    # A commit that cannot be written is an error of transactions.
    if isinstance(error, duckdb.IOException) or UNWRITTEN in str(error):
        return StorageError(f"{table}{FULL}; {AS_IT_WAS}")
    if isinstance(error, duckdb.TransactionException):
        return UnavailableError(
            f"{table} is being changed by another session: try again; {AS_IT_WAS}"
        )
    return ConfigurationError(f"{table}: the database refuses a statement; {AS_IT_WAS}")
