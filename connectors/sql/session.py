"""One connection and its one transaction: statements, counts and bulk loads.

Everything goes through ADBC, reading too. The standard library's sqlite3 is another copy of
SQLite, and two copies in one process undo each other's file locks (sqlite.org/howtocorrupt.html,
section 2.2.1). SQLAlchemy writes the statements because it quotes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_manager.dbapi import Connection
from sqlalchemy import Dialect, Executable, Table
from sqlalchemy.schema import ExecutableDDLElement

from connectors.errors import UnavailableError
from connectors.sql.failures import database_errors, explain

Statement = Executable | ExecutableDDLElement | str


class Session:
    """A transaction in progress; errors name `table`."""

    def __init__(self, connection: Connection, dialect: Dialect, table: str) -> None:
        self.dialect = dialect
        self.table = table
        self._connection = connection
        self._cursor = connection.cursor()

    def execute(self, statement: Statement) -> None:
        """Run a statement that returns no rows."""
        with database_errors(self.table):
            self._cursor.execute(self._written(statement))

    def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows of a query; use it for few."""
        with database_errors(self.table):
            self._cursor.execute(self._written(statement))
            return list(self._cursor.fetchall())

    def scalar(self, statement: Statement) -> Any:
        """Return the value of a query with one row and column."""
        return self.fetch(statement)[0][0]

    def load(self, table: Table, rows: pa.RecordBatchReader, *, temporary: bool = False) -> None:
        """Append rows to a table, matched by column name."""
        self._cursor.adbc_ingest(
            table.name,
            rows,
            mode="append",
            db_schema_name=None if temporary else table.schema,
            temporary=temporary,
        )

    def quoted(self, name: str) -> str:
        """Return a name, quoted if the database needs it."""
        return self.dialect.identifier_preparer.quote(name)

    def named(self, table: Table) -> str:
        """Return a table's name with its schema."""
        return self.dialect.identifier_preparer.format_table(table)

    def commit(self) -> None:
        """Commit the transaction."""
        try:
            self._connection.commit()
        except Error as error:
            reason = explain(error, self.table)
            if isinstance(reason, UnavailableError):
                raise UnavailableError(
                    f"{self.table}: the database went away at the last step, so the rows may "
                    "or may not have landed: run again, which replaces them"
                ) from None
            raise reason from None

    def close(self) -> None:
        """Roll back what was not committed, and close the connection."""
        with _regardless():
            self._cursor.close()
        with _regardless():
            self._connection.rollback()
        with _regardless():
            self._connection.close()

    def _written(self, statement: Statement) -> str:
        if isinstance(statement, str):
            return statement
        if isinstance(statement, ExecutableDDLElement):
            return str(statement.compile(dialect=self.dialect))
        # The values are ours (names, times, units), never those of rows: SQLAlchemy may write them.
        compiled = statement.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]
        return str(compiled)


@contextmanager
def _regardless() -> Iterator[None]:
    """Ignore errors while closing: they would hide the reason for it."""
    try:
        yield
    except Error:
        return
