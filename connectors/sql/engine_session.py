"""A transaction through SQLAlchemy and a driver of Python, with the inserts of its own."""

from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, CursorResult, Table, insert
from sqlalchemy.exc import SQLAlchemyError

from connectors.errors import DataRefusedError, PipelineError, UnavailableError
from connectors.sql.engine_failures import explain_engine
from connectors.sql.failures import AS_IT_WAS
from connectors.sql.session import Session, Statement

# Rows are Python values here: ten times the memory of a record batch.
INSERTED_ROWS = 5_000


class EngineSession(Session):
    """A transaction of SQLAlchemy.

    Attributes:
        connection: SQLAlchemy's.
        largest_row: the bytes that the server takes in one statement, None if there is no limit.
    """

    failures = SQLAlchemyError

    def __init__(self, connection: Connection, table: str) -> None:
        super().__init__(connection, connection.dialect, table)
        self.connection = connection
        self.largest_row: int | None = None

    def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows of a query; use it for few."""
        with self.explained():
            return [tuple(row) for row in self._run(statement)]

    def load(
        self,
        table: Table,
        rows: pa.RecordBatchReader,
        *,
        temporary: bool = False,  # noqa: ARG002 - the protocol's
    ) -> None:
        """Append rows to a table, matched by column name."""
        keys = [column.key for column in table.c]
        names = [column.name for column in table.c]
        statement = insert(table)
        for batch in rows:
            for start in range(0, batch.num_rows, INSERTED_ROWS):
                part = batch.slice(start, INSERTED_ROWS)
                present = [
                    (key, part.column(name).to_pylist())
                    for key, name in zip(keys, names, strict=True)
                    if name in part.schema.names
                ]
                landed = [key for key, _ in present]
                values = zip(*(values for _, values in present), strict=True)
                self._insert(statement, [dict(zip(landed, row, strict=True)) for row in values])

    def _insert(self, statement: Any, rows: list[dict[str, Any]]) -> None:
        try:
            with self.explained():
                self.connection.execute(statement, rows)
        except UnavailableError:
            # A server closes the connection if a statement is too large for it.
            if self.largest_row is None or max(map(_size, rows)) * 2 < self.largest_row:
                raise
            raise DataRefusedError(
                f"{self.table}: a row is larger than the server takes in one statement "
                f"({self.largest_row} bytes): raise its max_allowed_packet; {AS_IT_WAS}"
            ) from None

    def _run(self, statement: Statement) -> CursorResult[Any]:
        if isinstance(statement, str):
            return self.connection.exec_driver_sql(statement)
        return self.connection.execute(statement)

    def _reason(self, error: SQLAlchemyError) -> PipelineError:
        return explain_engine(error, self.table)


def _size(row: dict[str, Any]) -> int:
    return sum(len(value.encode()) for value in row.values() if isinstance(value, str))
