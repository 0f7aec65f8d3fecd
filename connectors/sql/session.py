"""One connection and its one transaction: statements, counts and bulk loads.

SQLAlchemy writes the statements because it quotes them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pyarrow as pa
from sqlalchemy import Dialect, Executable, Table
from sqlalchemy.schema import ExecutableDDLElement

from connectors.errors import PipelineError, UnavailableError

Statement = Executable | ExecutableDDLElement | str


class Session(ABC):
    """A transaction in progress; errors name `table`."""

    failures: ClassVar[type[Exception]]

    def __init__(self, connection: Any, dialect: Dialect, table: str) -> None:
        self.dialect = dialect
        self.table = table
        self._connection = connection

    def execute(self, statement: Statement) -> None:
        """Run a statement that returns no rows."""
        with self.explained():
            self._run(statement)

    @abstractmethod
    def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows of a query; use it for few."""

    def scalar(self, statement: Statement) -> Any:
        """Return the value of a query with one row and column."""
        return self.fetch(statement)[0][0]

    @abstractmethod
    def load(self, table: Table, rows: pa.RecordBatchReader, *, temporary: bool = False) -> None:
        """Append rows to a table, matched by column name."""

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
        except self.failures as error:
            reason = self._reason(error)
            if isinstance(reason, UnavailableError):
                raise UnavailableError(
                    f"{self.table}: the database went away at the last step, so the rows may "
                    "or may not have landed: run again, which replaces them"
                ) from None
            raise reason from None

    def close(self) -> None:
        """Roll back what was not committed, and close the connection."""
        with self._regardless():
            self._connection.rollback()
        with self._regardless():
            self._connection.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a database's error into one of ours that names the table and the remedy."""
        try:
            yield
        except self.failures as error:
            raise self._reason(error) from None

    @abstractmethod
    def _run(self, statement: Statement) -> Any:
        """Run a statement."""

    @abstractmethod
    def _reason(self, error: Any) -> PipelineError:
        """Return the error of ours for one of the driver's."""

    def _written(self, statement: Statement) -> str:
        if isinstance(statement, str):
            return statement
        if isinstance(statement, ExecutableDDLElement):
            return str(statement.compile(dialect=self.dialect))
        # The values are ours (names, times, units), never those of rows: SQLAlchemy may write them.
        compiled = statement.compile(dialect=self.dialect, compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined] # every statement here has it
        return str(compiled)

    @contextmanager
    def _regardless(self) -> Iterator[None]:
        """Ignore errors while closing: they would hide the reason for it."""
        try:
            yield
        except self.failures:
            return
