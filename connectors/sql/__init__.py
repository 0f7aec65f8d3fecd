"""Landing in a table of a database: PostgreSQL and SQLite by Arrow, others as they allow."""

from connectors.sql.landing import SqlLanding

__all__ = ["SqlLanding"]
