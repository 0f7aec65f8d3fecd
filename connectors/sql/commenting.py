"""The statements that read and write comments on tables and columns, by kind of database."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Table

from connectors.quoting import mysql_text, quoted_text
from connectors.sql.database import Commenting, ExistingColumn
from connectors.sql.session import Session

# A comment is not worth more: what needs the table waits behind it.
SECONDS: Final = 5


class DuckdbCommenting(Commenting):
    """Comments in DuckDB."""

    def on_table(self, session: Session, schema: str | None, table: str) -> str:
        """Return the comment on a table that is there, empty without one."""
        named = f"table_name = {quoted_text(table)} AND schema_name = {quoted_text(schema or '')}"
        return _one(
            session,
            "SELECT coalesce(comment, '') FROM duckdb_tables() "  # noqa: S608 - names, quoted
            f"WHERE {named} AND database_name = current_database()",
        )

    def write(
        self,
        session: Session,
        table: Table,
        on_table: str | None,
        on_columns: Mapping[str, tuple[ExistingColumn, str]],
    ) -> None:
        """Write comments."""
        named = session.named(table)
        if on_table is not None:
            session.execute(f"COMMENT ON TABLE {named} IS {quoted_text(on_table)}")
        for name, (_, text) in on_columns.items():
            column = f"{named}.{session.quoted(name)}"
            session.execute(f"COMMENT ON COLUMN {column} IS {quoted_text(text)}")


class PostgresCommenting(DuckdbCommenting):
    """Comments in PostgreSQL, where a new index without a lock keeps them waiting."""

    def on_table(self, session: Session, schema: str | None, table: str) -> str:
        """Return the comment on a table that is there, empty without one."""
        named = f"n.nspname = {quoted_text(schema or '')} AND c.relname = {quoted_text(table)}"
        return _one(
            session,
            "SELECT coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') "  # noqa: S608 - names, quoted
            "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            f"ON n.oid = c.relnamespace WHERE {named}",
        )

    def write(
        self,
        session: Session,
        table: Table,
        on_table: str | None,
        on_columns: Mapping[str, tuple[ExistingColumn, str]],
    ) -> None:
        """Write comments."""
        session.execute(f"SET LOCAL lock_timeout = '{SECONDS}s'")
        super().write(session, table, on_table, on_columns)


class MysqlCommenting(Commenting):
    """Comments in MySQL and MariaDB, where a column is stated again to be commented on."""

    def on_table(self, session: Session, schema: str | None, table: str) -> str:
        """Return the comment on a table that is there, empty without one."""
        where = f"table_schema = {quoted_text(schema or '')} AND table_name = {quoted_text(table)}"
        return _one(
            session,
            f"SELECT table_comment FROM information_schema.tables WHERE {where}",  # noqa: S608 - names, quoted
        )

    def write(
        self,
        session: Session,
        table: Table,
        on_table: str | None,
        on_columns: Mapping[str, tuple[ExistingColumn, str]],
    ) -> None:
        """Write comments; while the statement waits for readers, further ones wait behind it."""
        clauses = [
            f"MODIFY COLUMN {session.quoted(name)} {column.as_it_is} COMMENT {mysql_text(text)}"
            for name, (column, text) in on_columns.items()
        ]
        if on_table is not None:
            clauses.append(f"COMMENT = {mysql_text(on_table)}")
        session.execute(f"SET SESSION lock_wait_timeout = {SECONDS}")
        session.execute(f"ALTER TABLE {session.named(table)} {', '.join(clauses)}")


def _one(session: Session, query: str) -> str:
    found = session.fetch(query)
    return str(found[0][0]) if found else ""
