"""Comments on a table and its columns: what the dataset's YAML says of them.

A comment that a person wrote is never replaced: `nxp_comments` has a digest of each one of ours.
Comments are written after the rows have landed, and what keeps them from being written keeps no
row from landing.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, MetaData, Table, Text, insert, select
from sqlalchemy.schema import CreateTable

from connectors.catalogue.comments import comment_of_column, comment_of_table
from connectors.sql.database import Commenting, Database
from connectors.sql.session import Session
from connectors.sql.table import Target
from connectors.sql.units import COMMENTS, FORMAT

# In place of a column's name.
TABLE = ""


def changed_comments(
    session: Session, database: Database, target: Target, table: Table
) -> dict[str, str]:
    """Return the comments to be written, by column; that of the table under an empty name."""
    wanted = _wanted(target, table)
    if database.commenting is None or not any(wanted.values()):
        return {}
    now = _present(session, database, database.commenting, table)
    differing = {name: text for name, text in wanted.items() if now.get(name) not in {None, text}}
    if all(now[name] == "" for name in differing):
        return differing
    known = _known(session, database, table)
    return {
        name: text
        for name, text in differing.items()
        if now[name] == "" or (name, _digest(now[name] or "")) in known
    }


def write_comments(
    session: Session, database: Database, table: Table, comments: Mapping[str, str]
) -> None:
    """Write comments, having recorded that they are ours; the caller commits.

    Raises:
        PipelineError: the database's user may not, or another session holds the table.
    """
    if database.commenting is None:
        raise AssertionError("there is nothing to write without comments")
    database.lock(session, f"tables of {table.schema}")
    record = comments_table(table.schema, database)
    if database.columns(session, table.schema, COMMENTS) is None:
        session.execute(CreateTable(record))
    known = _known(session, database, table)
    # Recorded first: a statement of MySQL that changes a table commits what came before it.
    new = [(name, digest) for name, text in comments.items() if (digest := _digest(text))]
    rows = [
        {"table_name": table.name, "column_name": name, "digest": digest}
        for name, digest in new
        if (name, digest) not in known
    ]
    if rows:
        session.execute(insert(record).values(rows))
    there = database.columns(session, table.schema, table.name) or {}
    on_columns = {name: (there[name], text) for name, text in comments.items() if name in there}
    database.commenting.write(session, table, comments.get(TABLE), on_columns)


def comments_table(schema: str | None, database: Database | None = None) -> Table:
    """Return the table of our comments' digests; the database is needed to create it."""
    name = database.name_text if database else Text()
    columns: Iterable[Column[Any]] = (
        Column(each, name, primary_key=True) for each in ("table_name", "column_name", "digest")
    )
    return Table(COMMENTS, MetaData(), *columns, schema=schema, **FORMAT)


def _wanted(target: Target, table: Table) -> dict[str, str]:
    """Return what is said; the comment on a short name is the long one, which is needed there."""
    stored = {column.key: column.name for column in table.c}
    said = {
        each.name: comment_of_column(each)
        for each in target.specification.known_columns
        if stored.get(each.name) == each.name
    }
    return said | {TABLE: comment_of_table(target.specification)}


def _present(
    session: Session, database: Database, commenting: Commenting, table: Table
) -> dict[str, str | None]:
    """Return the comments that there are; None where none can be written."""
    there = database.columns(session, table.schema, table.name) or {}
    present = {
        name: None if each.as_it_is is None else each.comment for name, each in there.items()
    }
    can = any(comment is not None for comment in present.values())
    on_table = commenting.on_table(session, table.schema, table.name) if can else None
    return present | {TABLE: on_table}


def _known(session: Session, database: Database, table: Table) -> set[tuple[str, str]]:
    """Return the digests of all comments that were ever ours, by column."""
    if database.columns(session, table.schema, COMMENTS) is None:
        return set()
    record = comments_table(table.schema)
    query = select(record.c.column_name, record.c.digest).where(record.c.table_name == table.name)
    return {(name, digest) for name, digest in session.fetch(query)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
