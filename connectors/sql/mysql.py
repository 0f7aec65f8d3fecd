"""MySQL and MariaDB.

Their statements that change tables commit what came before, so locks are those of the session
(GET_LOCK), which no commit ends. Texts are of any length and compared byte by byte. No index can
be unique over such texts: an upsert deletes and inserts, and the index over the first characters
of its keys finds them.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Dialect, Table
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL
from sqlalchemy.schema import CreateSchema

from connectors.catalogue import ColumnType
from connectors.errors import ConfigurationError, DataRefusedError, UnavailableError
from connectors.quoting import mysql_text, quoted_text
from connectors.sql.commenting import MysqlCommenting
from connectors.sql.database import WAIT_SECONDS, Alterations, ExistingColumn
from connectors.sql.engine_database import EngineDatabase
from connectors.sql.engine_session import EngineSession
from connectors.sql.failures import AS_IT_WAS
from connectors.sql.session import Session

# In order of preference: the last one takes no notice of blanks at the end.
COLLATIONS: Final = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin")
SETTINGS: Final = (
    # Values that do not fit are errors; text between double quotes is text.
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION sql_safe_updates = 0",
    "SET SESSION sql_auto_is_null = 0",
    "SET SESSION TRANSACTION READ WRITE",
    f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}",
    f"SET SESSION innodb_lock_wait_timeout = {WAIT_SECONDS}",
)
# Bytes of a statement, and what is left free for the rest of a packet.
STATEMENT: Final = 1_000_000
ROOM: Final = 1_000
WHOLE: Final = {"bigint"}
TEXTS: Final = {"longtext", "mediumtext", "text", "varchar"}
NAMES: Final[dict[ColumnType, set[str]]] = {
    ColumnType.STRING: TEXTS,
    ColumnType.INT: WHOLE,
    ColumnType.FLOAT: {"double"},
    ColumnType.BOOL: {"tinyint"},
    ColumnType.DATETIME: {"datetime(6)"},
    ColumnType.DATE: {"date"},
    ColumnType.BYTES: WHOLE,
    ColumnType.DURATION: {"double"},
    ColumnType.LIST: TEXTS,
    ColumnType.JSON: TEXTS,
}


class MysqlSession(EngineSession):
    """A transaction whose inserts are written a column at a time: drivers do it by the value."""

    largest: int | None = None

    def _insert(self, table: Table, rows: pa.RecordBatch) -> None:
        if self.largest is None:
            self.largest = int(self.scalar("SELECT @@max_allowed_packet"))
        names = ", ".join(self.quoted(name) for name in rows.schema.names)
        head = f"INSERT INTO {self.named(table)} ({names}) VALUES "  # noqa: S608 - names, quoted
        for written in _statements(head, _written(rows), min(self.largest - ROOM, STATEMENT)):
            if len(written) > self.largest - ROOM:
                raise DataRefusedError(
                    f"{self.table}: a row is larger than the server takes in one statement "
                    f"({self.largest} bytes): raise its max_allowed_packet; {AS_IT_WAS}"
                )
            # Without parameters a driver leaves the text as it is.
            options = {"no_parameters": True}
            self.connection.exec_driver_sql(written.decode(), execution_options=options)


def _written(rows: pa.RecordBatch) -> list[str]:
    """Return each row as a list of SQL's literals.

    Numbers are between quotes too: without them, fractions would be taken for decimals.
    """
    frame = pl.DataFrame(pl.from_arrow(rows))
    literals = []
    for name, kind in frame.schema.items():
        value = pl.col(name)
        if kind == pl.Boolean:
            value = value.cast(pl.Int8)
        elif isinstance(kind, pl.Datetime):
            value = value.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
        text = value.cast(pl.String)
        if kind == pl.String:
            text = text.str.replace_all("\\", "\\\\", literal=True)
            text = text.str.replace_all("'", "''", literal=True)
        literals.append(pl.format("'{}'", text).fill_null("NULL"))
    return (
        frame.select(pl.format("({})", pl.concat_str(literals, separator=",")))
        .to_series()
        .to_list()
    )


def _statements(head: str, rows: list[str], most: int) -> Iterator[bytes]:
    """Yield statements that insert the rows, each of at most this many bytes or of one row."""
    first, size = head.encode(), 0
    pending: list[bytes] = []
    for row in rows:
        written = row.encode()
        if pending and len(first) + size + len(written) > most:
            yield first + b",".join(pending)
            pending, size = [], 0
        pending.append(written)
        size += len(written) + 1
    yield first + b",".join(pending)


class MysqlDatabase(EngineDatabase):
    """A database of a MySQL or MariaDB server."""

    sessions = MysqlSession
    commenting = MysqlCommenting()
    indexes_are_unique = False
    staging = "CREATE TEMPORARY TABLE nxp_staging LIKE {table}"

    def __init__(self, url: URL) -> None:
        # After waiting for another landing's lock, its commit must be visible.
        super().__init__(url, SETTINGS, isolation_level="READ COMMITTED")
        self.alterations = Alterations(
            widen="MODIFY COLUMN {column} {type}", relax="MODIFY COLUMN {column} {definition}"
        )
        self.dialect: Dialect
        self._settle(COLLATIONS[-1])

    def _settle(self, collation: str) -> None:
        """Choose the types, whose texts are compared by a collation."""
        text = mysql.LONGTEXT(collation=collation)
        fraction = mysql.DOUBLE(asdecimal=False)
        self.key_text = text
        self.name_text = mysql.VARCHAR(190, collation=collation)
        self.types = {
            ColumnType.STRING: text,
            ColumnType.INT: mysql.BIGINT(),
            ColumnType.FLOAT: fraction,
            ColumnType.BOOL: mysql.TINYINT(1),
            ColumnType.DATETIME: mysql.DATETIME(fsp=6),
            ColumnType.DATE: mysql.DATE(),
            ColumnType.BYTES: mysql.BIGINT(),
            ColumnType.DURATION: fraction,
            ColumnType.LIST: text,
            ColumnType.JSON: text,
        }

    def begin(self, table: str, *, writes: bool = True) -> Session:
        """Return a session: connected, a transaction begun."""
        session = super().begin(table, writes=writes)
        try:
            wanted = ", ".join(quoted_text(name) for name in COLLATIONS)
            known = session.fetch(
                "SELECT collation_name FROM information_schema.collations "  # noqa: S608 - our own names
                f"WHERE collation_name IN ({wanted})"
            )
            found = {name for (name,) in known}
            self._settle(next((name for name in COLLATIONS if name in found), COLLATIONS[-1]))
        except BaseException:
            session.close()
            raise
        return session

    def start(self, session: Session, *, writes: bool = True) -> None:  # noqa: ARG002 - the protocol's
        """Let go of the locks of the transaction before."""
        session.fetch("SELECT RELEASE_ALL_LOCKS()")

    def schema(self, session: Session, wanted: str | None) -> str:
        """Return the name of the database to land in."""
        name = wanted or session.scalar("SELECT DATABASE()")
        if name is None:
            raise ConfigurationError("NXP_DATABASE_URL does not name a database: …://host/database")
        return str(name)

    def make_schema(self, session: Session, schema: str | None) -> None:
        """Create the database if it is missing."""
        name = quoted_text(schema or "")
        known = f"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = {name}"  # noqa: S608 - a name, quoted
        if schema and not session.scalar(known):
            session.execute(CreateSchema(schema, if_not_exists=True))

    def lock(self, session: Session, name: str) -> None:
        """Wait until no other landing holds this lock; `start` and the end of the session free it.

        Raises:
            UnavailableError: another session has held it for ten minutes.
        """
        # The names of locks are the server's, and short.
        key = hashlib.sha256(f"{self._shown} {name}".encode()).hexdigest()[:40]
        if session.scalar(f"SELECT GET_LOCK('nxp_{key}', {WAIT_SECONDS})") != 1:
            raise UnavailableError(f"{session.table} is locked by another session: try again")

    def columns(
        self, session: Session, schema: str | None, table: str
    ) -> dict[str, ExistingColumn] | None:
        """Return a table's columns, None if there is no such table.

        Raises:
            ConfigurationError: it is a view, or a table without transactions.
        """
        where = f"table_schema = {quoted_text(schema or '')} AND table_name = {quoted_text(table)}"
        found = session.fetch(
            "SELECT t.table_type, t.engine, e.transactions FROM information_schema.tables t "  # noqa: S608 - names, quoted
            f"LEFT JOIN information_schema.engines e ON e.engine = t.engine WHERE {where}"
        )
        if not found:
            return None
        [(kind, engine, transactions)] = found
        if kind != "BASE TABLE":
            raise ConfigurationError(f"{session.table} is not a table: name another in landings")
        if transactions != "YES":
            raise ConfigurationError(
                f"{session.table} is a table of {engine}, which has no transactions: ALTER TABLE "
                "… ENGINE = InnoDB"
            )
        rows = session.fetch(
            "SELECT column_name, data_type, column_type, is_nullable, column_default, extra, "  # noqa: S608 - names, quoted
            "column_comment, collation_name FROM information_schema.columns "
            f"WHERE {where} ORDER BY ordinal_position"
        )
        return {row[0]: _existing(*row[1:]) for row in rows}

    def takes(self, existing: str, kind: ColumnType) -> bool:
        """Return whether a column of this type takes the values unchanged."""
        return existing in NAMES[kind]

    def convert(self, values: pa.Array, kind: ColumnType) -> pa.Array:
        """Return a column's values as the inserts take them."""
        if kind in {ColumnType.FLOAT, ColumnType.DURATION}:
            if not pc.all(pc.is_finite(values)).as_py() and values.null_count < len(values):
                raise ValueError("an infinite number or NaN, which MySQL and MariaDB cannot hold")
        elif kind is ColumnType.DATETIME:
            # UTC, as the session's time zone; without a zone they are converted faster.
            return pc.cast(values, pa.timestamp("us"))
        return super().convert(values, kind)


def _existing(
    data: str,
    column: str,
    nullable: str,
    default: Any,
    extra: str,
    comment: str,
    collation: str | None,
) -> ExistingColumn:
    """Return a column from the catalogue's row about it."""
    named = data.lower()
    if named == "datetime" or "unsigned" in column:
        named = column.lower()
    # Its text could not be any text.
    if collation is not None and not collation.startswith("utf8mb4"):
        named = f"{named} in {collation}"
    given = nullable == "NO" and default is None and not extra
    sorted_by = f" COLLATE {collation}" if collation else ""
    said = f" COMMENT {mysql_text(comment)}" if comment else ""
    # MariaDB writes out that null is the default.
    is_plain = not extra and default in {None, "NULL"}
    empty = "NULL" if nullable == "YES" else "NOT NULL"
    as_it_is = f"{column}{sorted_by} {empty}" if is_plain else None
    return ExistingColumn(named, given, comment, f"{column}{sorted_by} NULL{said}", as_it_is)
