"""Rows to and from PostgreSQL by COPY, as CSV that Polars writes and reads.

For both, an unquoted empty cell is null and a quoted one is the empty text.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import polars as pl
import psycopg
from sqlalchemy import Connection, Select

from connectors.errors import DataRefusedError, UnavailableError
from connectors.ledger.failures import copy_failure

STAGING: Final = "nxp_rows"


def copy_in(connection: Connection, table: str, rows: pl.DataFrame, conflict: str) -> None:
    """Insert rows through a temporary table; `conflict` is the ON CONFLICT clause."""
    names = ", ".join(rows.columns)
    content = rows.write_csv(include_header=False).encode()
    with _ledger_errors(table), _cursor(connection) as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE {STAGING} AS SELECT {names} FROM {table} LIMIT 0"  # noqa: S608 - our own names
        )
        with cursor.copy(f"COPY {STAGING} ({names}) FROM STDIN (FORMAT csv)") as copy:
            copy.write(content)
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {STAGING} {conflict}"  # noqa: S608 - our own names
        )
        cursor.execute(f"DROP TABLE {STAGING}")


def copy_out(connection: Connection, query: Select[Any]) -> pl.DataFrame:
    """Return the rows of a query, all columns as text."""
    compiled = query.compile(
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    statement = f"COPY ({compiled}) TO STDOUT (FORMAT csv)"
    buffer = io.BytesIO()
    with (
        _ledger_errors("the ledger"),
        _cursor(connection) as cursor,
        cursor.copy(statement, compiled.params) as copy,
    ):
        for piece in copy:
            buffer.write(piece)
    schema = {column.name: pl.String for column in query.selected_columns}
    if not buffer.tell():
        return pl.DataFrame(schema=schema)
    buffer.seek(0)
    return pl.read_csv(buffer, has_header=False, schema=schema)


def _cursor(connection: Connection) -> psycopg.Cursor[Any]:
    driver: Any = connection.connection.driver_connection
    cursor: psycopg.Cursor[Any] = driver.cursor()
    return cursor


@contextmanager
def _ledger_errors(table: str) -> Iterator[None]:
    """Turn the database's error into one line of ours: its own message may quote a row."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise copy_failure(error) or UnavailableError(
            f"the ledger cannot be used ({table}): run again when it can; nothing was saved"
        ) from None
    except psycopg.Error as error:
        raise copy_failure(error) or DataRefusedError(
            f"the ledger refuses rows of {table} (SQLSTATE {error.sqlstate or 'none'}): one "
            "of their texts holds what it cannot store; nothing was saved"
        ) from None
