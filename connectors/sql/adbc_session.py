"""A transaction by ADBC, which PostgreSQL and SQLite are used through, reading too.

The standard library's sqlite3 is another copy of SQLite, and two copies in one process undo each
other's file locks (sqlite.org/howtocorrupt.html, section 2.2.1).
"""

from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_manager.dbapi import Connection
from sqlalchemy import Dialect, Table

from connectors.errors import PipelineError
from connectors.sql.failures import explain
from connectors.sql.session import Session, Statement


class AdbcSession(Session):
    """A transaction by ADBC."""

    failures = Error

    def __init__(self, connection: Connection, dialect: Dialect, table: str) -> None:
        super().__init__(connection, dialect, table)
        self._cursor = connection.cursor()

    def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows of a query; use it for few."""
        with self.explained():
            self._run(statement)
            return list(self._cursor.fetchall())

    def load(self, table: Table, rows: pa.RecordBatchReader, *, temporary: bool = False) -> None:
        """Append rows to a table, matched by column name."""
        with self.explained():
            self._cursor.adbc_ingest(
                table.name,
                rows,
                mode="append",
                db_schema_name=None if temporary else table.schema,
                temporary=temporary,
            )

    def close(self) -> None:
        """Roll back what was not committed, and close the connection."""
        with self._regardless():
            self._cursor.close()
        super().close()

    def _run(self, statement: Statement) -> None:
        self._cursor.execute(self._written(statement))

    def _reason(self, error: Error) -> PipelineError:
        return explain(error, self.table)
