"""Databases of every kind that a dataset can land in."""

from pathlib import Path
from typing import Any

import pytest

from tests.databases import DuckdbPlace, MariadbServer, Server, SqlPlace


def _slow(kind: str) -> Any:
    return pytest.param(kind, marks=pytest.mark.slow)


# The last one is PostgreSQL as if it were any other database of SQLAlchemy.
DATABASES = ["sqlite", "postgres", *map(_slow, ("mariadb", "duckdb", "generic"))]


def database_place(kind: str, request: pytest.FixtureRequest, folder: Path) -> SqlPlace:
    """Return an empty database of a kind."""
    if kind == "sqlite":
        return SqlPlace(kind, f"sqlite:///{folder / 'landed.db'}")
    if kind == "duckdb":
        return DuckdbPlace(folder / "landed.duckdb")
    if kind == "mariadb":
        mariadb: MariadbServer = request.getfixturevalue("mariadb")
        return SqlPlace(kind, mariadb.database())
    server: Server = request.getfixturevalue("postgres")
    return SqlPlace(kind, f"{server.url}&options=-csearch_path%3D{server.schema()}")
