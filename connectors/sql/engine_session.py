"""A transaction through SQLAlchemy and a driver of Python, with the inserts of its own."""

from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, CursorResult, Table, insert
from sqlalchemy.exc import SQLAlchemyError

from connectors.errors import PipelineError
from connectors.sql.engine_failures import explain_engine
from connectors.sql.session import Session, Statement

# Rows are Python values here: ten times the memory of a record batch.
INSERTED_ROWS = 5_000


class EngineSession(Session):
    """A transaction of SQLAlchemy, whose connection is `connection`."""

    failures = SQLAlchemyError

    def __init__(self, connection: Connection, table: str) -> None:
        super().__init__(connection, connection.dialect, table)
        self.connection = connection

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
        for batch in rows:
            for start in range(0, batch.num_rows, INSERTED_ROWS):
                with self.explained():
                    self._insert(table, batch.slice(start, INSERTED_ROWS))

    def _insert(self, table: Table, rows: pa.RecordBatch) -> None:
        """Insert some rows."""
        keys = {column.name: column.key for column in table.c}
        landed = [keys[name] for name in rows.schema.names]
        values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
        self.connection.execute(
            insert(table), [dict(zip(landed, row, strict=True)) for row in values]
        )

    def _run(self, statement: Statement) -> CursorResult[Any]:
        if isinstance(statement, str):
            # Without parameters, a % in a comment is one.
            return self.connection.exec_driver_sql(
                statement, execution_options={"no_parameters": True}
            )
        return self.connection.execute(statement)

    def _reason(self, error: SQLAlchemyError) -> PipelineError:
        return explain_engine(error, self.table)
