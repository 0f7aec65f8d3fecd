"""What a landing needs from a database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
from sqlalchemy import Dialect, Table, Text
from sqlalchemy.engine import URL
from sqlalchemy.types import TypeEngine

from connectors.catalogue import ColumnType
from connectors.databases.names import NameLimits
from connectors.sql.session import Session

# A load waits this long for another one into the same table; one that takes longer is stuck.
WAIT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class ExistingColumn:
    """A column of a table.

    Attributes:
        type: as the database names it.
        must_be_given: it allows no null and has no default.
        comment: empty if it has none; None where we cannot give it one.
        definition: what has to be repeated where a change of the column states it again.
        as_it_is: the whole definition but the comment, where a comment needs it; None where it
            is not known, so that no comment can be written.
    """

    type: str
    must_be_given: bool
    comment: str | None = None
    definition: str = ""
    as_it_is: str | None = ""


@dataclass(frozen=True, slots=True)
class Alterations:
    """The clauses of ALTER TABLE: `{column}` is quoted, `{definition}` an ExistingColumn's.

    Attributes:
        add: a nullable column of `{type}`.
        widen: makes an integer column a floating-point one, of `{type}`.
        relax: makes a column nullable.
    """

    add: str = "ADD COLUMN {column} {type}"
    widen: str = "ALTER COLUMN {column} TYPE {type}"
    relax: str = "ALTER COLUMN {column} DROP NOT NULL"


class Commenting(Protocol):
    """How a database's comments on tables and columns are read and written."""

    def on_table(self, session: Session, schema: str | None, table: str) -> str:
        """Return the comment on a table that is there, empty without one."""

    def write(
        self,
        session: Session,
        table: Table,
        on_table: str | None,
        on_columns: Mapping[str, tuple[ExistingColumn, str]],
    ) -> None:
        """Write comments.

        Args:
            session: a transaction that does nothing else: it waits for few seconds only.
            table: the table.
            on_table: its comment; None: it stays as it is.
            on_columns: by name, the column and its comment, which may be empty.
        """


class Database(Protocol):
    """A kind of database: how it connects, locks, describes tables, and stores Arrow's types.

    Its attributes are what most of them do.
    """

    dialect: Dialect
    types: dict[ColumnType, TypeEngine[Any]]
    limits: NameLimits
    alterations: Alterations = Alterations()
    # Of texts in keys: those of our own tables, and those of a dataset's table.
    name_text: TypeEngine[Any] = Text()
    key_text: TypeEngine[Any] = Text()
    # How comments on tables and columns are read and written; None where they are not.
    commenting: Commenting | None = None
    # Whether a table can have windows as partitions.
    partitions: bool = False
    # Whether an index on columns of any length may be unique; None: no index at all.
    indexes_are_unique: bool | None = True
    # What creates the table `nxp_staging` of an upsert, of no rows.
    staging: str = "CREATE TEMPORARY TABLE nxp_staging AS SELECT {columns} FROM {table} WHERE 1 = 0"
    staging_name: str = "nxp_staging"

    def begin(self, table: str, *, writes: bool = True) -> Session:
        """Return a session: connected, a transaction begun; `table` is for messages.

        Raises:
            ConfigurationError: there is no such database, or it refuses the user.
            UnavailableError: it does not answer.
        """

    def start(self, session: Session, *, writes: bool = True) -> None:
        """Set up a transaction that has just begun: after connecting, and after each commit."""

    def schema(self, session: Session, wanted: str | None) -> str | None:
        """Return the name of the schema to land in, None for a database without schemas.

        Raises:
            ConfigurationError: none is configured, and the connection has no default.
        """

    def make_schema(self, session: Session, schema: str | None) -> None:
        """Create the schema if it is missing."""

    def lock(self, session: Session, name: str) -> None:
        """Wait until no other landing holds this lock; hold it until the transaction ends."""

    def columns(
        self, session: Session, schema: str | None, table: str
    ) -> dict[str, ExistingColumn] | None:
        """Return a table's columns, None if there is no such table."""

    def indices(self, session: Session, schema: str | None, table: str) -> set[str]:
        """Return the names of a table's indices."""

    def takes(self, existing: str, kind: ColumnType) -> bool:
        """Return whether a column of this type takes the values unchanged."""

    def convert(self, values: pa.Array, kind: ColumnType) -> pa.Array:
        """Return a column's values as this database's columns take them.

        Raises:
            ValueError: it cannot hold them; the text says why.
        """


def shown(url: URL) -> str:
    """Return a URL to show: without user and password, and without options, which may hold one."""
    where = url.set(username=None, password=None, query={}).render_as_string()
    return where.replace("+psycopg", "", 1)


def as_json(lists: pa.Array) -> pa.Array:
    """Return lists as JSON text, for databases without lists."""
    column = pl.Series("l", lists, dtype=pl.List(pl.String))
    objects = pl.DataFrame([column]).select(pl.struct("l").struct.json_encode()).to_series()
    texts = objects.str.strip_prefix('{"l":').str.strip_suffix("}")
    return texts.set(column.is_null(), None).to_arrow().cast(pa.string())
