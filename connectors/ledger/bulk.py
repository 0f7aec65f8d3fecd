"""Many rows at once between frames and the ledger's tables, each database in its fastest way.

For SQLite these are tuples, for PostgreSQL CSV by COPY, which is twice as fast as statements.
"""

from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Select, Table, Text, func, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.tables import UTCDateTime

MOMENT: Final = pl.Datetime("us", "UTC")
# As SQLAlchemy writes date-times in SQLite.
_WRITTEN: Final = "%Y-%m-%d %H:%M:%S%.6f"
_TO_CHAR: Final = "YYYY-MM-DD HH24:MI:SS.US"
_POSTGRESQL: Final = "postgresql"


def upsert(connection: Connection, table: Table, rows: pl.DataFrame) -> None:
    """Insert rows, or replace those with the same primary key; each key must occur once.

    Raises:
        DataRefusedError: the database cannot hold one of the texts.
        UnavailableError: the database cannot be used.
    """
    if rows.is_empty():
        return
    keys = [column.name for column in table.primary_key]
    others = [name for name in rows.columns if name not in keys]
    conflict = (
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in others)}"
    )
    # In the order of the table, so that every page is changed once.
    ordered = rows.sort(keys)
    if connection.dialect.name == _POSTGRESQL:
        from connectors.ledger.copying import copy_in  # noqa: PLC0415 - psycopg

        copy_in(connection, table.name, _written(ordered, "+00"), conflict)
        return
    names, marks = ", ".join(rows.columns), ", ".join("?" * rows.width)
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {conflict}",  # noqa: S608 - our own names
        _written(ordered).rows(),
    )


def fetch(connection: Connection, query: Select[Any]) -> pl.DataFrame:
    """Return the rows of a query of plain columns: texts, integers and date-times."""
    columns = list(query.selected_columns)
    plain = query.with_only_columns(*(_plain(connection, column) for column in columns))
    if connection.dialect.name == _POSTGRESQL:
        from connectors.ledger.copying import copy_out  # noqa: PLC0415 - psycopg

        frame = copy_out(connection, plain)
    else:
        frame = _fetch_tuples(connection, plain)
    return frame.with_columns(_typed(column) for column in columns)


def _fetch_tuples(connection: Connection, query: Select[Any]) -> pl.DataFrame:
    names = [column.name for column in query.selected_columns]
    cursor: Any = connection.execute(query).cursor
    rows = cursor.fetchall()
    # Column by column: by rows, Polars takes twice as long.
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pl.DataFrame(
        [pl.Series(name, list(values)) for name, values in zip(names, columns, strict=True)]
    )


def _plain(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the column; a date-time as text, in the form in which SQLite stores it."""
    if not isinstance(column.type, UTCDateTime):
        return column
    if connection.dialect.name == _POSTGRESQL:
        return func.to_char(func.timezone("UTC", column), _TO_CHAR).label(column.name)
    return type_coerce(column, Text).label(column.name)


def _typed(column: ColumnElement[Any]) -> pl.Expr:
    value = pl.col(column.name)
    if isinstance(column.type, UTCDateTime):
        # A column without any value has no type yet.
        moment = value.cast(pl.String).str.to_datetime(_WRITTEN, time_unit="us")
        return moment.dt.replace_time_zone("UTC")
    return value.cast(pl.Int64 if column.type.python_type is int else pl.String)


def _written(rows: pl.DataFrame, offset: str = "") -> pl.DataFrame:
    moments = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)]
    return rows.with_columns(
        pl.col(name).dt.convert_time_zone("UTC").dt.strftime(_WRITTEN + offset) for name in moments
    )
