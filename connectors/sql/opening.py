"""Opening the database that NXP_DATABASE_URL names: the one place that knows both kinds."""

from connectors.databases.urls import EXAMPLES, database_url
from connectors.errors import ConfigurationError
from connectors.sql.database import Database


def open_database(url: str) -> Database:
    """Return the database that a URL names, without connecting to it yet.

    Raises:
        ConfigurationError: not a URL, or the URL of an unsupported database.
    """
    parsed = database_url(url, "NXP_DATABASE_URL")
    backend = parsed.get_backend_name()
    # Only the driver that is needed is loaded: each is a shared library.
    if backend == "sqlite":
        from connectors.sql.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(parsed)
    if backend == "postgresql":
        from connectors.sql.postgresql import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(parsed)
    raise ConfigurationError(f"NXP_DATABASE_URL: {backend} is not supported: use {EXAMPLES}")
