"""What a landing needs from a database."""

from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from sqlalchemy import Dialect
from sqlalchemy.engine import URL
from sqlalchemy.types import TypeEngine

from connectors.catalogue import ColumnType
from connectors.sql.session import Session

# A load waits for another one into the same table; one that takes longer is stuck.
WAIT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class ExistingColumn:
    """A column that a table has; `must_be_given` has neither null nor a default to fall back on."""

    type: str
    must_be_given: bool


class Database(Protocol):
    """A kind of database: how it connects, locks, describes itself, and takes Arrow's types."""

    dialect: Dialect
    types: dict[ColumnType, TypeEngine[object]]

    def begin(self, table: str, *, writes: bool = True) -> Session:
        """Connect and begin a transaction; `table` is for messages.

        Raises:
            ConfigurationError: there is no such database, or it refuses the user.
            UnavailableError: it does not answer.
        """

    def start(self, session: Session, *, writes: bool = True) -> None:
        """Set a transaction up that has just begun: after connecting, and after each commit."""

    def schema(self, session: Session, wanted: str | None) -> str | None:
        """Give the name of the schema to land in; None where there are none.

        Raises:
            ConfigurationError: none is wanted, and the connection has none of its own.
        """

    def make_schema(self, session: Session, schema: str | None) -> None:
        """Make a schema that is missing."""

    def lock(self, session: Session, name: str) -> None:
        """Wait until no other landing holds this name; held until the transaction ends."""

    def columns(
        self, session: Session, schema: str | None, table: str
    ) -> dict[str, ExistingColumn] | None:
        """Describe a table's columns, None without such a table."""

    def indices(self, session: Session, schema: str | None, table: str) -> set[str]:
        """Name a table's indices."""

    def takes(self, existing: str, kind: ColumnType) -> bool:
        """Tell whether a column of this type takes the values as they are."""

    def widening(self, column: str) -> str:
        """Write what ALTER TABLE needs to make a column of whole numbers one of fractions."""

    def convert(self, values: pa.Array, kind: ColumnType) -> pa.Array:
        """Give a column's values as this database's columns take them.

        Raises:
            ValueError: with the reason why it cannot hold them.
        """


def shown(url: URL) -> str:
    """Show where a URL leads: no password, and no options, which may hold one."""
    where = url.set(username=None, password=None, query={}).render_as_string()
    return where.replace("+psycopg", "", 1)
