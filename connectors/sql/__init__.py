"""Landing in a table of a database, PostgreSQL or SQLite, by Arrow's bulk loading (ADBC)."""

from connectors.sql.landing import SqlLanding

__all__ = ["SqlLanding"]
