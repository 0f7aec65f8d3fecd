"""Databases of every kind that a dataset can land in."""

import subprocess
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture
def opened_elsewhere() -> Iterator[Callable[[Path, float], None]]:
    """Let another process have a DuckDB file open for some seconds."""
    program = (
        "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); "
        "print('open', flush=True); time.sleep(float(sys.argv[2]))"
    )
    started: list[subprocess.Popen[str]] = []

    def open_it(path: Path, seconds: float) -> None:
        command = [sys.executable, "-c", program, str(path), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"

    yield open_it
    for process in started:
        process.wait()
        if process.stdout:
            process.stdout.close()
