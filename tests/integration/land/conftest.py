"""Databases of every kind that a dataset can land in."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.databases import (
    START,
    DuckdbPlace,
    MariadbServer,
    Server,
    SqlPlace,
    Staged,
    event_rows,
    stage,
)


def _slow(kind: str) -> Any:
    return pytest.param(kind, marks=pytest.mark.slow)


# The last one is PostgreSQL as if it were any other database of SQLAlchemy.
DATABASES = ["sqlite", "postgres", *map(_slow, ("mariadb", "duckdb", "generic"))]


EVENTS = [("at", pa.timestamp("us", "UTC")), ("n", pa.int64())]
HOUR = timedelta(hours=1)


@pytest.fixture
def window(tmp_path: Path) -> Callable[..., Staged]:
    """Stage a window with a row every hour."""

    def stage_window(hours: int, start: float = 0, run: str = "run") -> Staged:
        begin = START + start * HOUR
        rows = event_rows(hours, begin, HOUR)
        return stage(tmp_path, rows, EVENTS, begin, begin + hours * HOUR, run=run)

    return stage_window


def by_hour(place: SqlPlace) -> dict[int, str]:
    """Return the run of each landed hour; fail if an hour landed twice."""
    rows = place.table("events")
    found = {(row["at"] - START) // HOUR: row["_nxp_run_id"] for row in rows}
    assert len(found) == len(rows)
    return found


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
    return SqlPlace(kind, server.new_schema_url())


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
