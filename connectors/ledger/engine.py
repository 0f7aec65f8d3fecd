"""Connecting to the ledger's database and bringing its tables up to date (Alembic)."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.util import LRUCache

from connectors import private
from connectors.databases.sessions import connect_arguments, set_up_sessions
from connectors.databases.urls import EXAMPLES, database_url, driver_errors
from connectors.errors import ConfigurationError
from connectors.ledger.failures import VARIABLE, failure, unusable
from connectors.ledger.identity import draw_identity
from connectors.ledger.tables import metadata

# A test compares it with the newest file in migrations/versions: reading it from there at every
# start would import Alembic, 0.2 s for nothing.
HEAD = "0011"
MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE_TRIES = 5
# How many statements are kept compiled: more than the program has.
_STATEMENTS = 1000
_COMPILED: dict[URL, tuple[Dialect, LRUCache[Any, Any]]] = {}
# Alembic's own table, as it makes it.
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), primary_key=True),
)


def connect(url: str) -> Engine:
    """Return the opened database, its tables upgraded if they are older than this program.

    Raises:
        ConfigurationError: not reachable, not a URL, or newer than this program.
        StorageError: a SQLite file cannot be written or is damaged.
        UnavailableError: another process has locked it.
    """
    parsed = _parsed(url)
    try:
        _prepare_folder(parsed)
    except OSError as error:
        raise unusable(parsed, error) from None
    engine = _engine(parsed, pool_pre_ping=True, json_serializer=_json)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    try:
        _upgrade(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise unusable(parsed, getattr(error, "orig", None) or error) from None
    except BaseException:
        engine.dispose()
        raise
    event.listen(engine, "handle_error", _translate)
    _share_statements(engine)
    return engine


def ledger_version(url: str) -> str | None:
    """Return the version of the ledger's tables, None if there are none; changes nothing.

    Raises:
        ConfigurationError: not reachable, or not a URL.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        return None
    engine = _engine(parsed)
    try:
        return _version(engine)
    except SQLAlchemyError as error:
        raise unusable(parsed, getattr(error, "orig", None) or error) from None
    finally:
        engine.dispose()


def _parsed(url: str) -> URL:
    parsed = database_url(url, VARIABLE)
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            f"{VARIABLE}: a ledger cannot be kept in {parsed.get_backend_name()}: name a SQLite "
            f"file or a PostgreSQL database, such as {EXAMPLES}"
        )
    return parsed


def _engine(url: URL, **options: Any) -> Engine:
    with driver_errors(url, VARIABLE):
        engine = create_engine(
            url, connect_args=connect_arguments(url), hide_parameters=True, **options
        )
    set_up_sessions(engine)
    return engine


def _share_statements(engine: Engine) -> None:
    """Keep compiled statements for the process, because a run opens its ledger several times.

    SQLAlchemy keeps them for an engine, and under its dialect, which knows the server. All files
    of SQLite have the same one.
    """
    file = engine.dialect.name == "sqlite"
    server = engine.url.set(database="") if file else engine.url
    dialect, compiled = _COMPILED.setdefault(server, (engine.dialect, LRUCache(_STATEMENTS)))
    engine.dialect = dialect
    engine.update_execution_options(compiled_cache=compiled)


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def _prepare_folder(url: URL) -> None:
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    if url.database == ":memory:" or url.database.startswith("file:"):
        return
    path = Path(url.database)
    private.make_folder(path.parent)
    # SQLite gives its -wal and -shm files the permissions of the database, if it creates them.
    private.make_file(path)
    for suffix in ("-wal", "-shm"):
        private.close_to_others(path.with_name(path.name + suffix))


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # Readers (nxp runs) do not block the writer, and two writers wait instead of failing.
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return version


def _translate(context: ExceptionContext) -> None:
    """Turn a failure of the database during a run into one line; nothing is lost."""
    if translated := failure(context.sqlalchemy_exception):
        raise translated from None


def _upgrade(engine: Engine) -> None:
    for attempt in range(1, UPGRADE_TRIES + 1):
        version = _version(engine)
        if version == HEAD:
            return
        if version is not None and version > HEAD:
            raise ConfigurationError(
                f"the ledger is of a newer version ({version}) than this program ({HEAD}): upgrade"
            )
        try:
            if version is None and not _tables(engine):
                _create(engine)
            else:
                migrate(engine)
        except SQLAlchemyError:
            # Two processes that start at once on a new ledger: the other one may have created it.
            if attempt == UPGRADE_TRIES:
                raise
            time.sleep(0.2 * attempt)


def _tables(engine: Engine) -> list[str]:
    return inspect(engine).get_table_names()


def _create(engine: Engine) -> None:
    """Create the tables of a new ledger as the code has them, without the way through revisions.

    A test makes sure that the revisions lead to the same tables.
    """
    # They register their tables: only now are all of them known.
    from connectors.ledger import action_tables, enrichment_tables  # noqa: F401, PLC0415

    with engine.begin() as connection, _whole_or_not_at_all(connection):
        metadata.create_all(connection)
        _VERSION.create(connection, checkfirst=True)
        # Another process may have been quicker.
        if connection.scalar(_VERSION.select()) is None:
            connection.execute(_VERSION.insert().values(version_num=HEAD))
        draw_identity(connection)


def migrate(engine: Engine) -> None:
    """Bring the tables of an older ledger up to date, revision by revision."""
    from alembic import command  # noqa: PLC0415 - 0.2 s, needed once per upgrade
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection, _whole_or_not_at_all(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _whole_or_not_at_all(connection: Connection) -> Iterator[None]:
    """Make the transaction cover changes of tables too, as PostgreSQL's always do.

    Python's sqlite3 only begins one before the first changed row: tables created by an upgrade
    that was killed would stay, and every later upgrade would fail on them.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    usual, driver.isolation_level = driver.isolation_level, None
    try:
        # Immediate: this waits for another process that upgrades, and then has nothing to do.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        driver.isolation_level = usual
    except BaseException:
        # Closing the connection rolls back.
        connection.invalidate()
        raise
