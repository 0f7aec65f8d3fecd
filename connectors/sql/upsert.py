"""Merging a snapshot by key, through a temporary table: rows that it lacks stay."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    MetaData,
    String,
    Table,
    cast,
    exists,
    func,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from connectors.errors import DataRefusedError
from connectors.sql.database import Database
from connectors.sql.session import Session
from connectors.sql.table import EXPORTED_AT


def empty_copy(session: Session, database: Database, table: Table) -> Table:
    """Create a temporary table with the same columns and no rows, and return it."""
    names = ", ".join(session.quoted(column.name) for column in table.c)
    session.execute(database.staging.format(columns=names, table=session.named(table)))
    columns = (Column(column.name, column.type, key=column.key) for column in table.c)
    return Table(database.staging_name, MetaData(), *columns)


def refuse_twice(session: Session, staging: Table, keys: Sequence[str], shown: str) -> None:
    """Raise if two rows of a snapshot have the same key.

    Raises:
        DataRefusedError: the message says how many keys, and never which.
    """
    columns = [_exact(session, staging.c[key]) for key in keys]
    twice = select(*columns).group_by(*columns).having(func.count() > 1).subquery()
    count = session.scalar(select(func.count()).select_from(twice))
    if count:
        raise DataRefusedError(
            f"{shown}: {count} keys ({', '.join(keys)}) occur in more than one row of the "
            "snapshot: correct the query or the key columns; nothing was published"
        )


def merge(session: Session, table: Table, staging: Table, keys: Sequence[str]) -> None:
    """Insert new keys, and replace or update those whose row is not from a later export."""
    dialects = {"postgresql": postgresql, "sqlite": sqlite}
    names = list(table.c.keys())
    dialect = dialects.get(session.dialect.name)
    if dialect is None or not table.indexes:
        _delete_and_insert(session, table, staging, keys)
        return
    # SQLite only accepts ON CONFLICT after a SELECT that has a WHERE.
    rows = select(staging).where(true())
    insert = dialect.insert(table).from_select(names, rows)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=[table.c[key] for key in keys],
            set_={name: insert.excluded[name] for name in names if name not in keys},
            where=table.c[EXPORTED_AT] <= insert.excluded[EXPORTED_AT],
        )
    )


def _delete_and_insert(session: Session, table: Table, staging: Table, keys: Sequence[str]) -> None:
    alike = [table.c[key] == staging.c[key] for key in keys]
    alike += [
        _exact(session, table.c[key]) == _exact(session, staging.c[key])
        for key in keys
        if _exact(session, table.c[key]) is not table.c[key]
    ]
    newer = staging.c[EXPORTED_AT] >= table.c[EXPORTED_AT]
    session.execute(table.delete().where(exists().where(*alike, newer)))
    rows = select(staging).where(~exists().where(*alike).correlate(staging))
    session.execute(table.insert().from_select(list(table.c.keys()), rows))


def _exact(session: Session, column: Column[Any]) -> ColumnElement[Any]:
    """Return a key to be compared byte by byte, whatever collation the table has."""
    if session.dialect.name == "mysql" and isinstance(column.type, String):
        return cast(column, LargeBinary)
    return column
