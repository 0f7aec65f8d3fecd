"""SQLite, in the copy that ADBC brings.

It has no types for some values. Date-times are text `YYYY-MM-DD HH:MM:SS.ffffff` in UTC, which
SQLAlchemy's DateTime reads, SQLite's date functions understand and string comparison orders. Dates
are `YYYY-MM-DD`; lists and JSON are JSON text.
"""

import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import adbc_driver_sqlite.dbapi as driver
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import Error
from sqlalchemy import BigInteger, Boolean, Date, DateTime, Dialect, Double, Text
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.types import TypeEngine

from connectors.catalogue import ColumnType
from connectors.databases.names import SQLITE
from connectors.databases.sqlite_failures import folder_meaning, sqlite_meaning
from connectors.errors import ConfigurationError, PipelineError
from connectors.quoting import quoted_text
from connectors.sql.adbc_session import AdbcSession
from connectors.sql.database import WAIT_SECONDS, Database, ExistingColumn, as_json
from connectors.sql.session import Session

TYPES: dict[ColumnType, TypeEngine[Any]] = {
    ColumnType.STRING: Text(),
    ColumnType.INT: BigInteger(),
    ColumnType.FLOAT: Double(),
    ColumnType.BOOL: Boolean(),
    ColumnType.DATETIME: DateTime(),
    ColumnType.DATE: Date(),
    ColumnType.BYTES: BigInteger(),
    ColumnType.DURATION: Double(),
    # In a column declared as JSON, the text 1 would become a number.
    ColumnType.LIST: Text(),
    ColumnType.JSON: Text(),
}
WHOLE = {"BIGINT", "INTEGER", "INT"}
FRACTIONS = {ColumnType.FLOAT, ColumnType.DURATION}
DATETIME = "%Y-%m-%d %H:%M:%S"


class SqliteDatabase(Database):
    """A SQLite database in a file."""

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:" or url.query:
            raise ConfigurationError("NXP_DATABASE_URL: SQLite needs a file, sqlite:///file.db")
        self.dialect: Dialect = sqlite.dialect()
        self.types = TYPES
        self.limits = SQLITE
        self._path = Path(url.database).expanduser().resolve()

    def begin(self, table: str, *, writes: bool = True) -> Session:
        """Return a session: file open, transaction begun; a writer waits for other writers."""
        try:
            if not self._path.exists():
                self._create()
            connection = driver.connect(str(self._path))
        except (OSError, Error) as error:
            raise self._unusable(error) from None
        session = AdbcSession(connection, self.dialect, table)
        try:
            session.fetch(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
            self.start(session, writes=writes)
        except PipelineError:
            session.close()
            raise
        return session

    def start(self, session: Session, *, writes: bool = True) -> None:
        """Set up a transaction that has just begun."""
        if writes:
            # ADBC's own transaction would read first, and then could not wait for another writer.
            session.execute("ROLLBACK")
            session.execute("BEGIN IMMEDIATE")

    def schema(self, session: Session, wanted: str | None) -> None:
        """Return None: SQLite has no schemas, and the same catalogue serves both databases."""

    def make_schema(self, session: Session, schema: str | None) -> None:
        """Do nothing: SQLite has no schemas."""

    def lock(self, session: Session, name: str) -> None:
        """Do nothing: SQLite has a single writer, and that is this transaction."""

    def columns(
        self,
        session: Session,
        schema: str | None,  # noqa: ARG002 - the protocol's
        table: str,
    ) -> dict[str, ExistingColumn] | None:
        """Return a table's columns, None if there is no such table."""
        named = f"name = {quoted_text(table)} COLLATE NOCASE"
        kinds = session.fetch(f"SELECT type FROM sqlite_schema WHERE {named}")  # noqa: S608 - a name, quoted
        if not kinds:
            return None
        if kinds[0][0] != "table":
            raise ConfigurationError(f"{session.table} is not a table: name another in landings")
        rows = session.fetch(
            'SELECT name, type, "notnull", dflt_value IS NULL '  # noqa: S608 - a name, quoted
            f"FROM pragma_table_info({quoted_text(table)})"
        )
        return {
            name: ExistingColumn(type_.upper(), bool(not_null and bare))
            for name, type_, not_null, bare in rows
        }

    def indices(
        self,
        session: Session,
        schema: str | None,  # noqa: ARG002 - the protocol's
        table: str,
    ) -> set[str]:
        """Return the names of a table's indices."""
        rows = session.fetch(f"SELECT name FROM pragma_index_list({quoted_text(table)})")  # noqa: S608 - a name, quoted
        return {name for (name,) in rows}

    def takes(self, existing: str, kind: ColumnType) -> bool:
        """Return whether a column of this type takes the values unchanged.

        An integer column keeps fractions: SQLite's types are only preferences.
        """
        declared = str(TYPES[kind].compile(self.dialect))
        return existing == declared or (kind in FRACTIONS and existing in WHOLE)

    def convert(self, values: pa.Array, kind: ColumnType) -> pa.Array:
        """Return a column's values as SQLite's columns hold them."""
        if kind is ColumnType.DATETIME:
            return pc.strftime(values, DATETIME)
        if kind is ColumnType.LIST:
            return as_json(values)
        if kind is ColumnType.JSON:
            return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
        return values

    def _unusable(self, error: OSError | Error) -> PipelineError:
        if isinstance(error, OSError):
            meaning, reason = folder_meaning(error), error.strerror
        else:
            meaning, reason = sqlite_meaning(str(error)), "no permission, or a folder"
        if meaning:
            kind, words = meaning
            return kind(f"NXP_DATABASE_URL: cannot open {self._path}{words}")
        return ConfigurationError(f"NXP_DATABASE_URL: cannot open {self._path}: {reason}")

    def _create(self) -> None:
        """Create the file, for its owner only, and in WAL mode, so that loads block no reader.

        It is made under another name, because setting WAL mode fails at once, without waiting, if
        another process does the same.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        try:
            new.touch(mode=0o600)
            with (
                driver.connect(str(new), autocommit=True) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("PRAGMA journal_mode = WAL")
                cursor.fetchall()
            with suppress(FileExistsError):
                # Not a rename, which would replace a file that another process has just made.
                self._path.hardlink_to(new)
        finally:
            new.unlink(missing_ok=True)
