"""Opening the database that NXP_DATABASE_URL names: the one place that knows both kinds."""

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from connectors.errors import ConfigurationError
from connectors.sql.database import Database

KNOWN = "sqlite:///file.db or postgresql://user:password@host/database"


def open_database(url: str) -> Database:
    """Return the database that a URL names, without connecting to it yet.

    Raises:
        ConfigurationError: not a URL, or the URL of an unsupported database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            f"NXP_DATABASE_URL is not a database URL, such as {KNOWN}"
        ) from None
    backend = parsed.get_backend_name()
    # Only the driver that is needed is loaded: each is a shared library.
    if backend == "sqlite":
        from connectors.sql.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(parsed)
    if backend in {"postgresql", "postgres"}:
        from connectors.sql.postgresql import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(parsed)
    raise ConfigurationError(f"NXP_DATABASE_URL: {backend} is not supported: use {KNOWN}")
