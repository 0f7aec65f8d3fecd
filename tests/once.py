"""What a process of tests makes once, though the product makes it anew for every run.

The tables of a new ledger (Alembic needs most of a tenth of a second for them), the trusted
certificates, what the YAML files of the catalogue say, and the people, devices and programs of a
stand-in tenant. All are what the product's and the sandbox's own code made, when first asked.
"""

import functools
import pickle
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

import httpx
import polars as pl
from sqlalchemy import Engine, create_engine

from connectors.catalogue import loading
from connectors.ledger import engine as ledger_engine
from sandbox.estate import estate
from sandbox.estate.devices import Fleet, make_fleet

migrate = ledger_engine._run_migrations
_load_certificates = httpx.create_ssl_context
_read_yaml = loading._read_yaml
_FIXED = ("make_users", "make_binaries", "make_packages", "make_applications", "make_monitors")


@contextmanager
def made_once() -> Iterator[None]:
    """Let the ledger's tables, the certificates and each YAML text be read or made once."""
    certificates = functools.cache(_load_certificates)
    with (
        mock.patch.object(ledger_engine, "_run_migrations", _quickly),
        mock.patch.object(httpx, "create_ssl_context", certificates),
        # Where httpx itself takes it from, for a client without a transport of its own.
        mock.patch("httpx._transports.default.create_ssl_context", certificates),
        mock.patch.object(loading, "_read_yaml", lambda text: pickle.loads(_pickled(text))),  # noqa: S301
    ):
        yield


@contextmanager
def known_inventories() -> Iterator[None]:
    """Let a tenant begin with the inventories that one of the same seed and size has made."""
    with mock.patch.multiple(estate, **_inventories()):
        yield


@functools.cache
def _inventories() -> dict[str, Any]:
    fleets: dict[Any, Fleet] = {}

    def fleet_of(seed: int, count: int, users: pl.DataFrame, anchor: datetime) -> Fleet:
        # The users are those that were made once, and are kept: their address tells them apart.
        key = (seed, count, id(users), anchor)
        return fleets.get(key) or fleets.setdefault(key, make_fleet(seed, count, users, anchor))

    fixed = {name: functools.cache(getattr(estate, name)) for name in _FIXED}
    return {**fixed, "make_fleet": fleet_of}


def _quickly(engine: Engine) -> None:
    """Make the tables of a new SQLite ledger by one script; all else is Alembic's."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        is_new = isinstance(driver, sqlite3.Connection) and not _tables(driver)
        if is_new:
            usual, driver.isolation_level = driver.isolation_level, None
            driver.execute("BEGIN IMMEDIATE")
            try:
                # Another thread may have made them since.
                for statement in () if _tables(driver) else _script():
                    driver.execute(statement)
                driver.execute("COMMIT")
            finally:
                driver.isolation_level = usual
    if not is_new:
        migrate(engine)


@functools.cache
def _pickled(text: str) -> bytes:
    """Keep what a text says, so that everybody gets a copy of their own."""
    return pickle.dumps(_read_yaml(text))


def _tables(driver: sqlite3.Connection) -> list[tuple[str]]:
    return driver.execute("SELECT name FROM sqlite_master").fetchall()


@functools.cache
def _script() -> tuple[str, ...]:
    """Give the statements that make what Alembic has made of an empty database."""
    made = create_engine("sqlite://")
    migrate(made)
    with closing(made.raw_connection()) as connection:
        driver: Any = connection.driver_connection
        dumped = tuple(driver.iterdump())
    made.dispose()
    return tuple(each for each in dumped if each not in ("BEGIN TRANSACTION;", "COMMIT;"))
