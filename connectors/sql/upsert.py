"""Merging a snapshot by key, through a temporary table: rows that it lacks stay."""

from collections.abc import Sequence

from sqlalchemy import Column, MetaData, Table, func, select, true
from sqlalchemy.dialects import postgresql, sqlite

from connectors.errors import DataRefusedError
from connectors.sql.session import Session
from connectors.sql.table import EXPORTED_AT

STAGING = "nxp_staging"


def empty_copy(session: Session, table: Table) -> Table:
    """Create a temporary table with the same columns and no rows, and return it."""
    names = ", ".join(session.quoted(column.name) for column in table.c)
    session.execute(
        f"CREATE TEMPORARY TABLE {STAGING} AS SELECT {names} FROM {session.named(table)} LIMIT 0"  # noqa: S608 - names, quoted
    )
    columns = (Column(column.name, column.type, key=column.key) for column in table.c)
    return Table(STAGING, MetaData(), *columns)


def refuse_twice(session: Session, staging: Table, keys: Sequence[str], shown: str) -> None:
    """Raise if two rows of a snapshot have the same key.

    Raises:
        DataRefusedError: the message says how many keys, and never which.
    """
    columns = [staging.c[key] for key in keys]
    twice = select(*columns).group_by(*columns).having(func.count() > 1).subquery()
    count = session.scalar(select(func.count()).select_from(twice))
    if count:
        raise DataRefusedError(
            f"{shown}: {count} keys ({', '.join(keys)}) occur in more than one row of the "
            "snapshot: correct the query or the key columns; nothing was published"
        )


def merge(session: Session, table: Table, staging: Table, keys: Sequence[str]) -> None:
    """Insert new keys, and update those whose row is not from a later export."""
    dialect = postgresql if session.dialect.name == "postgresql" else sqlite
    names = list(table.c.keys())
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
