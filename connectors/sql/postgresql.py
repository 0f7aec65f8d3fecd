"""PostgreSQL, by libpq through ADBC: COPY in binary form."""

from typing import Any

import adbc_driver_postgresql.dbapi as driver  # type: ignore[import-untyped]
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import JSON, Dialect, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.schema import CreateSchema
from sqlalchemy.types import TypeEngine

from connectors.catalogue import ColumnType
from connectors.databases.names import POSTGRESQL
from connectors.databases.sessions import libpq_options, postgresql_settings
from connectors.errors import ConfigurationError
from connectors.quoting import quoted_text
from connectors.sql.adbc_session import AdbcSession
from connectors.sql.commenting import PostgresCommenting
from connectors.sql.database import WAIT_SECONDS, Database, ExistingColumn, shown
from connectors.sql.failures import explain_connecting
from connectors.sql.session import Session

TYPES: dict[ColumnType, TypeEngine[Any]] = {
    ColumnType.STRING: Text(),
    ColumnType.INT: postgresql.BIGINT(),
    ColumnType.FLOAT: postgresql.DOUBLE_PRECISION(),
    ColumnType.BOOL: postgresql.BOOLEAN(),
    ColumnType.DATETIME: postgresql.TIMESTAMP(timezone=True),
    ColumnType.DATE: postgresql.DATE(),
    ColumnType.BYTES: postgresql.BIGINT(),
    ColumnType.DURATION: postgresql.DOUBLE_PRECISION(),
    ColumnType.LIST: postgresql.ARRAY(Text()),
    # Not jsonb: its binary form starts with a version byte that the bulk load does not write.
    ColumnType.JSON: JSON(),
}
# As pg_catalog.format_type names them.
NAMES = {
    ColumnType.STRING: {"text", "character varying"},
    ColumnType.INT: {"bigint"},
    ColumnType.FLOAT: {"double precision"},
    ColumnType.BOOL: {"boolean"},
    ColumnType.DATETIME: {"timestamp with time zone"},
    ColumnType.DATE: {"date"},
    ColumnType.BYTES: {"bigint"},
    ColumnType.DURATION: {"double precision"},
    ColumnType.LIST: {"text[]"},
    ColumnType.JSON: {"json"},
}
# psycopg's own style would double every % in a literal.
DIALECT: Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call] # SQLAlchemy does not type it
ARROW_LIST = pa.list_(pa.string())
TABLE_KINDS = ("r", "p")


class PostgresDatabase(Database):
    """A PostgreSQL database at a URL."""

    partitions = True
    commenting = PostgresCommenting()

    def __init__(self, url: URL) -> None:
        self.dialect = DIALECT
        self.types = TYPES
        self.limits = POSTGRESQL
        self._shown = shown(url)
        given = {name: str(value) for name, value in url.query.items()}
        if not url.database and "dbname" not in given:
            raise ConfigurationError("NXP_DATABASE_URL does not name a database: …://host/database")
        parts = {
            "host": url.host,
            "port": url.port and str(url.port),
            "user": url.username,
            "password": url.password,
            "dbname": url.database,
        }
        named = {name: value for name, value in parts.items() if value}
        settings = named | given | libpq_options(given)
        try:
            # As a list of settings: libpq reads the escapes in a URL differently.
            self._address = make_conninfo("", **settings)
        except psycopg.Error:
            raise ConfigurationError("NXP_DATABASE_URL has an option unknown to libpq") from None

    def begin(self, table: str, *, writes: bool = True) -> Session:
        """Return a session: connected, a transaction begun."""
        try:
            connection = self._connected()
        except Error as error:
            raise explain_connecting(error, self._shown) from None
        session = AdbcSession(connection, self.dialect, table)
        try:
            session.fetch(postgresql_settings())
            # Committed, so that they outlast this transaction; the next one begins with them.
            connection.commit()
            self.start(session, writes=writes)
        except BaseException:
            session.close()
            raise
        return session

    def _connected(self) -> driver.Connection:
        """Return a connection whose driver knows the types."""
        connection = driver.connect(self._address)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('quote_all_identifiers')")
            is_off = (cursor.fetchone() or ("off",))[0] in {"off", b"off"}
        # The next transaction begins with the settings of a session of ours.
        connection.rollback()
        if is_off:
            return connection
        # The driver asks for the names of types while it connects, and does not know quoted ones.
        # Not sent otherwise: poolers refuse options.
        connection.close()
        given = conninfo_to_dict(self._address).get("options") or ""
        options = f"{given} -c quote_all_identifiers=off".strip()
        return driver.connect(make_conninfo(self._address, options=options))

    def start(self, session: Session, *, writes: bool = True) -> None:  # noqa: ARG002 - the protocol's
        """Set up a transaction that has just begun."""
        # After waiting for another landing's lock, its commit must be visible.
        session.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        session.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")

    def schema(self, session: Session, wanted: str | None) -> str:
        """Return the name of the schema to land in."""
        name = wanted or session.scalar("SELECT current_schema()::text")
        if name is None:
            raise ConfigurationError(
                f"{session.table}: the database's user has no default schema: name one under "
                "landings, sql: {schema: …}"
            )
        return str(name)

    def make_schema(self, session: Session, schema: str | None) -> None:
        """Create the schema if it is missing."""
        name = schema or ""
        # IF NOT EXISTS needs the permission to create even if the schema exists.
        known = f"SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = {quoted_text(name)}"  # noqa: S608 - a name, quoted
        if not session.scalar(known):
            self.lock(session, f"schema {name}")
            session.execute(CreateSchema(name, if_not_exists=True))

    def lock(self, session: Session, name: str) -> None:
        """Wait until no other landing holds this lock; hold it until the transaction ends."""
        key = quoted_text(f"nexthink-pipelines {name}")
        session.fetch(f"SELECT pg_advisory_xact_lock(hashtextextended({key}, 0))::text")

    def columns(
        self, session: Session, schema: str | None, table: str
    ) -> dict[str, ExistingColumn] | None:
        """Return a table's columns, None if there is no such table."""
        relation = f"n.nspname = {quoted_text(schema or '')} AND c.relname = {quoted_text(table)}"
        found = session.fetch(
            "SELECT c.relkind::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "  # noqa: S608 - names, quoted
            f"ON n.oid = c.relnamespace WHERE {relation}"
        )
        if not found:
            return None
        if found[0][0] not in TABLE_KINDS:
            raise ConfigurationError(f"{session.table} is not a table: name another in landings")
        rows = session.fetch(
            "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, NULL), a.attnotnull "  # noqa: S608 - names, quoted
            "AND NOT a.atthasdef AND a.attidentity = '', "
            # Only its owner may comment on a table's columns.
            "CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN "
            "coalesce(pg_catalog.col_description(c.oid, a.attnum), '') END "
            "FROM pg_catalog.pg_attribute a "
            "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE {relation} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
        )
        return {name: ExistingColumn(*described) for name, *described in rows}

    def indices(self, session: Session, schema: str | None, table: str) -> set[str]:
        """Return the names of a table's indices."""
        rows = session.fetch(
            "SELECT indexname::text FROM pg_catalog.pg_indexes WHERE "  # noqa: S608 - names, quoted
            f"schemaname = {quoted_text(schema or '')} AND tablename = {quoted_text(table)}"
        )
        return {name for (name,) in rows}

    def takes(self, existing: str, kind: ColumnType) -> bool:
        """Return whether a column of this type takes the values unchanged."""
        return existing in NAMES[kind]

    def convert(self, values: pa.Array, kind: ColumnType) -> pa.Array:
        """Return a column's values as COPY takes them."""
        if kind is ColumnType.LIST:
            values = values.cast(ARROW_LIST)
            _refuse_nul(values.flatten())
        elif kind is ColumnType.JSON:
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
            _refuse_nul(values)
        elif kind is ColumnType.STRING:
            _refuse_nul(values)
        return values


def _refuse_nul(texts: pa.Array) -> None:
    if pc.any(pc.match_substring(texts, "\0")).as_py():
        raise ValueError("a NUL character, which PostgreSQL cannot hold in text")
