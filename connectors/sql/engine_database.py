"""Any database that SQLAlchemy has a dialect for, through its driver for Python.

What databases do differently is in the tables here; MySQL and MariaDB need more (mysql.py).
"""

import hashlib
from collections.abc import Collection
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Dialect,
    Double,
    Integer,
    MetaData,
    NullPool,
    Numeric,
    String,
    Table,
    Unicode,
    UnicodeText,
    create_engine,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import oracle
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema
from sqlalchemy.types import TypeEngine

from connectors.catalogue import ColumnType
from connectors.databases.names import LIMITS, UNKNOWN
from connectors.databases.sessions import connect_arguments, set_up_sessions
from connectors.databases.urls import LANDING, driver_errors
from connectors.errors import ConfigurationError
from connectors.sql.database import Alterations, Database, ExistingColumn, as_json, shown
from connectors.sql.engine_failures import explain_engine_connecting
from connectors.sql.engine_session import EngineSession
from connectors.sql.session import Session

_FRACTION: TypeEngine[Any] = Double().with_variant(oracle.BINARY_DOUBLE(), "oracle")
# Plain date-times are DATE on Oracle, which has neither fractions of seconds nor a zone.
_TIME: TypeEngine[Any] = DateTime(timezone=True).with_variant(TIMESTAMP(timezone=True), "oracle")
# Of words that a column may be named after, those that SQLAlchemy does not quote.
RESERVED: Final = {
    "oracle": {
        *("access", "add", "audit", "column", "file", "immediate", "increment", "initial"),
        *("maxextents", "modify", "noaudit", "offline", "online", "row", "rowid", "rownum"),
        *("rows", "session", "successful", "sysdate", "validate", "whenever"),
    }
}
TYPES: Final[dict[ColumnType, TypeEngine[Any]]] = {
    ColumnType.STRING: UnicodeText(),
    ColumnType.INT: BigInteger(),
    ColumnType.FLOAT: _FRACTION,
    ColumnType.BOOL: Boolean(),
    ColumnType.DATETIME: _TIME,
    ColumnType.DATE: Date(),
    ColumnType.BYTES: BigInteger(),
    ColumnType.DURATION: _FRACTION,
    ColumnType.LIST: UnicodeText(),
    ColumnType.JSON: UnicodeText(),
}
# A kind of type, as messages name it; the first that fits.
KINDS: Final[tuple[tuple[type[TypeEngine[Any]], str], ...]] = (
    (Boolean, "boolean"),
    (Integer, "integer"),
    (Numeric, "number"),
    (DateTime, "date-time"),
    (Date, "date"),
    (String, "text"),
)
TAKEN: Final[dict[ColumnType, set[str]]] = {
    ColumnType.STRING: {"text"},
    ColumnType.INT: {"integer"},
    ColumnType.FLOAT: {"number"},
    # Some have no type of their own for it.
    ColumnType.BOOL: {"boolean", "integer"},
    ColumnType.DATETIME: {"date-time"},
    ColumnType.DATE: {"date", "date-time"},
    ColumnType.BYTES: {"integer"},
    ColumnType.DURATION: {"number"},
    ColumnType.LIST: {"text"},
    ColumnType.JSON: {"text"},
}
ALTERATIONS: Final = {
    "mssql": Alterations(
        "ADD {column} {type}", "ALTER COLUMN {column} {type}", "ALTER COLUMN {column} {definition}"
    ),
    "oracle": Alterations("ADD {column} {type}", "MODIFY {column} {type}", "MODIFY {column} NULL"),
}
# Name, and what creates it.
STAGING: Final = {
    "mssql": ("#nxp_staging", "SELECT {columns} INTO #nxp_staging FROM {table} WHERE 1 = 0"),
    "oracle": (
        "ora$ptt_nxp_staging",
        (
            "CREATE PRIVATE TEMPORARY TABLE ora$ptt_nxp_staging ON COMMIT DROP DEFINITION AS "
            "SELECT {columns} FROM {table} WHERE 1 = 0"
        ),
    ),
}
LOCKS: Final = Table("nxp_locks", MetaData(), Column("name", String(64), primary_key=True))


class EngineDatabase(Database):
    """A database at a URL of SQLAlchemy.

    Args:
        url: with or without a driver.
        settings: statements that set up each connection.
        options: of SQLAlchemy's create_engine.
    """

    sessions = EngineSession
    # Every dialect has these lengths in keys.
    name_text: TypeEngine[Any] = Unicode(200)
    key_text: TypeEngine[Any] = Unicode(400)

    def __init__(self, url: URL, settings: Collection[str] = (), **options: Any) -> None:
        self._shown = shown(url)
        self._url = url
        with driver_errors(url, LANDING):
            self._engine = create_engine(
                url,
                connect_args=connect_arguments(url),
                poolclass=NullPool,
                hide_parameters=True,
                **options,
            )
        set_up_sessions(self._engine, settings)
        self.dialect: Dialect = self._engine.dialect
        name = self.dialect.name
        names = self.dialect.identifier_preparer
        names.reserved_words = names.reserved_words | RESERVED.get(name, set())
        self.types = TYPES
        self.limits = LIMITS.get(name, UNKNOWN)
        self.alterations = ALTERATIONS.get(name, Alterations())
        self.staging_name, self.staging = STAGING.get(name, (self.staging_name, self.staging))

    def begin(self, table: str, *, writes: bool = True) -> Session:
        """Return a session: connected, a transaction begun."""
        try:
            # Some drivers take the options of a URL without a look before they connect.
            with driver_errors(self._url, LANDING):
                connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise explain_engine_connecting(error, self._shown) from None
        session = self.sessions(connection, table)
        try:
            self.start(session, writes=writes)
        except BaseException:
            session.close()
            raise
        return session

    def start(self, session: Session, *, writes: bool = True) -> None:
        """Set up a transaction that has just begun."""

    def schema(self, session: Session, wanted: str | None) -> str | None:
        """Return the name of the schema to land in."""
        return wanted or inspect(_connection(session)).default_schema_name

    def make_schema(self, session: Session, schema: str | None) -> None:
        """Create the schema if it is missing."""
        with session.explained():
            is_known = schema is None or inspect(_connection(session)).has_schema(schema)
        if schema is not None and not is_known:
            session.execute(CreateSchema(schema))

    def lock(self, session: Session, name: str) -> None:
        """Wait until no other landing holds this lock, a row of the table `nxp_locks`."""
        digest = hashlib.sha256(name.encode()).hexdigest()
        with session.explained():
            with self._engine.connect() as other:
                self._make_lock(other, digest)
            # Which changes nothing, but keeps the row until the transaction ends.
            session.execute(update(LOCKS).where(LOCKS.c.name == digest).values(name=digest))

    def _make_lock(self, connection: Connection, digest: str) -> None:
        known = select(LOCKS.c.name).where(LOCKS.c.name == digest)
        if not inspect(connection).has_table(LOCKS.name):
            try:
                LOCKS.create(connection)
                connection.commit()
            except SQLAlchemyError:
                # Another process has just made it, or it cannot be made, which the next line says.
                connection.rollback()
        if not connection.scalar(known):
            try:
                connection.execute(insert(LOCKS).values(name=digest))
                connection.commit()
            except IntegrityError:
                connection.rollback()

    def columns(
        self, session: Session, schema: str | None, table: str
    ) -> dict[str, ExistingColumn] | None:
        """Return a table's columns, None if there is no such table."""
        with session.explained():
            inspector = inspect(_connection(session))
            if not inspector.has_table(table, schema=schema):
                return None
            if table in inspector.get_view_names(schema):
                raise ConfigurationError(
                    f"{session.table} is not a table: name another in landings"
                )
            found = inspector.get_columns(table, schema=schema)
        return {each["name"]: self._existing(dict(each)) for each in found}

    def _existing(self, column: dict[str, Any]) -> ExistingColumn:
        is_filled = column.get("default") is not None or column.get("identity")
        written = column["type"].compile(self.dialect)
        return ExistingColumn(
            next((kind for class_, kind in KINDS if isinstance(column["type"], class_)), written),
            not column["nullable"] and not is_filled and column.get("autoincrement") is not True,
            (column.get("comment") or "") if self.dialect.supports_comments else None,
            f"{written} NULL",
        )

    def indices(self, session: Session, schema: str | None, table: str) -> set[str]:
        """Return the names of a table's indices."""
        with session.explained():
            found = inspect(_connection(session)).get_indexes(table, schema=schema)
        return {each["name"] or "" for each in found}

    def takes(self, existing: str, kind: ColumnType) -> bool:
        """Return whether a column of this type takes the values unchanged."""
        return existing in TAKEN[kind]

    def convert(self, values: pa.Array, kind: ColumnType) -> pa.Array:
        """Return a column's values as the inserts take them."""
        if kind is ColumnType.LIST:
            return as_json(values)
        if kind is ColumnType.JSON:
            return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
        return values


def _connection(session: Session) -> Connection:
    if not isinstance(session, EngineSession):
        raise TypeError("a database has sessions of its own kind")
    return session.connection
