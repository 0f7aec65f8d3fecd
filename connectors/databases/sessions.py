"""What every database session is set to, whatever the database, the role or the environment say.

A role or a database may carry settings (`ALTER ROLE … SET`), and so may the environment (PGTZ,
PGCLIENTENCODING). Some of them change what a value looks like, or how text is decoded. So a session
sets all that it relies on, right after connecting.

Limits of time are not among them (statement_timeout, transaction_timeout): they are set on purpose,
and the error names them.
"""

import logging
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.engine import URL

from connectors.quoting import quoted_text

logger = logging.getLogger(__name__)

ENCODING: Final = "client_encoding"
# Sent with the connection itself: PGCLIENTENCODING, the role's and the database's setting lose
# against it. A server that vanished is noticed after a minute, instead of the system's two hours.
LIBPQ: Final[dict[str, str]] = {
    "application_name": "nexthink-pipelines",
    ENCODING: "UTF8",
    "connect_timeout": "15",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
POSTGRESQL: Final[dict[str, str]] = {
    # How values are written: drivers read these forms only, and sources pass them on as text.
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "lc_monetary": "C",
    # How statements are read.
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    # Which rows are seen, and when.
    "row_security": "on",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    # A connection that waits for its next use is not abandoned.
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
}
# Other servers that speak the same protocol may lack one of these: that is logged.
OTHERS: Final[dict[str, tuple[str, ...]]] = {
    "mysql": (
        "SET SESSION time_zone = '+00:00'",
        # It would cut every result without a word.
        "SET SESSION sql_select_limit = 18446744073709551615",
        # Values of CHAR columns would get blanks at their end.
        "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', '')",
    ),
    # Both limits cut without a word: of rows, and of long texts (64 KB with FreeTDS).
    "mssql": ("SET ROWCOUNT 0", "SET TEXTSIZE 2147483647"),
    "oracle": ("ALTER SESSION SET TIME_ZONE = '+00:00'",),
}
# Drivers that take the name of the character set as an argument.
_CHARSETS: Final[dict[str, str]] = {
    "pymysql": "utf8mb4",
    "mysqldb": "utf8mb4",
    "mysqlconnector": "utf8mb4",
    "mariadbconnector": "utf8mb4",
    "pymssql": "UTF-8",
}


def postgresql_settings() -> str:
    """Return the statement that sets up a session of PostgreSQL."""
    pairs = ", ".join(
        f"({quoted_text(name)}, {quoted_text(value)})" for name, value in POSTGRESQL.items()
    )
    # What is committed must stay: a role may have turned this off, other values only add to it.
    durable = "COALESCE(NULLIF(current_setting('synchronous_commit'), 'off'), 'on')"
    # An older server does not have all of them.
    return (
        "SELECT set_config(s.name, s.value, false) "  # noqa: S608 - our own names, quoted
        f"FROM (VALUES {pairs}, ('synchronous_commit', {durable})) AS s(name, value) "
        "WHERE current_setting(s.name, true) IS NOT NULL"
    )


def libpq_options(given: Collection[str]) -> dict[str, str]:
    """Return the options of a connection by libpq, without those that the URL itself gives.

    How text is encoded is not the URL's to give.
    """
    return {name: value for name, value in LIBPQ.items() if name == ENCODING or name not in given}


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return the arguments with which a driver connects."""
    backend, _, driver = url.drivername.partition("+")
    if backend == "postgresql":
        return dict(libpq_options(url.query)) if driver in {"psycopg", "psycopg2"} else {}
    charset = _CHARSETS.get(driver)
    return {"charset": charset} if charset else {}


def set_up_sessions(engine: Engine, more: Collection[str] = ()) -> None:
    """Make an engine set up each new connection before anything else uses it.

    Args:
        engine: its dialect says what a session is set to.
        more: statements that follow.
    """
    name = engine.dialect.name
    usual = (postgresql_settings(),) if name == "postgresql" else _others(name)
    statements = (*usual, *more)
    if not statements:
        return

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in statements:
            try:
                cursor.execute(statement)
            except engine.dialect.loaded_dbapi.Error:
                if name == "postgresql":
                    raise
                logger.warning("the %s database does not take: %s", name, statement)
        cursor.close()
        connection.commit()

    # First: SQLAlchemy itself asks a new connection how it reads statements.
    event.listen(engine, "connect", prepare, insert=True)


def _others(name: str) -> tuple[str, ...]:
    return OTHERS.get("mysql" if name == "mariadb" else name, ())
