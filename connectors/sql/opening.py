"""Opening the database that NXP_DATABASE_URL names: the one place that knows all kinds."""

from connectors.databases.urls import landing_url, require_drivers
from connectors.sql.database import Database


def open_database(url: str) -> Database:
    """Return the database that a URL names, without connecting to it yet.

    Raises:
        ConfigurationError: not a URL, or of a database whose driver is not installed.
    """
    parsed = landing_url(url)
    require_drivers(parsed)
    backend = parsed.get_backend_name()
    # Only the driver that is needed is loaded: each is a shared library.
    if backend == "sqlite":
        from connectors.sql.sqlite import SqliteDatabase  # noqa: PLC0415 - only for this kind

        return SqliteDatabase(parsed)
    if backend == "postgresql":
        from connectors.sql.postgresql import PostgresDatabase  # noqa: PLC0415 - only for this kind

        return PostgresDatabase(parsed)
    if backend == "duckdb":
        from connectors.sql.duckdb import DuckdbDatabase  # noqa: PLC0415 - only for this kind

        return DuckdbDatabase(parsed)
    if backend in {"mysql", "mariadb"}:
        from connectors.sql.mysql import MysqlDatabase  # noqa: PLC0415 - only for this kind

        return MysqlDatabase(parsed)
    from connectors.sql.engine_database import EngineDatabase  # noqa: PLC0415 - only for this kind

    return EngineDatabase(parsed)
