"""SIGTERM and SIGINT to a command, its Prefect server, or both: it ends as documented."""

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

import httpx
import psutil
import pytest

from tests.commands import environment, nxp
from tests.landing import Place, place, working_days
from tests.prefect import begin, end
from tests.victims import until

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

NOW = datetime.now(UTC)
FIRST, *_, LAST = working_days(NOW, 4)
BACKFILL = ("backfill", "crashes", "--from", FIRST, "--to", LAST)
ENDS = {signal.SIGTERM: 143, signal.SIGINT: 130}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Place]:
    """A tenant whose exports take some seconds."""
    with place(tmp_path, now=NOW, days=20, export_time=3.0) as tenant:
        yield tenant


@pytest.fixture
def kept(made: Place) -> Iterator[dict[str, str]]:
    """An installation with a Prefect server of its own."""
    env = environment(made, PREFECT_SERVER_API_AUTH_STRING="")
    started = nxp("server", "start", env=env)
    assert started.returncode == 0, started.stderr
    try:
        yield {**env, "API": started.stdout.strip()}
    finally:
        nxp("server", "stop", env=env)


def server_of(made: Place) -> psutil.Process:
    record = Path(made.environment["NXP_HOME"]) / "server.json"
    return psutil.Process(int(json.loads(record.read_text())["pid"]))


def newest(made: Place) -> tuple[str, int]:
    """Return how the newest run ended, and how many leases are left, without the product's code."""
    file = made.environment["NXP_LEDGER_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as ledger:
        (state,) = ledger.execute("SELECT state FROM runs ORDER BY started_at DESC").fetchone()
        (held,) = ledger.execute("SELECT count(*) FROM units WHERE holder IS NOT NULL").fetchone()
    return state, held


def begun(made: Place, env: dict[str, str]) -> Popen[str]:
    """Start a back-fill, and wait until its exports are under way."""
    process = begin(env, *BACKFILL)
    until(process, lambda: made.tenant.requests["status"] >= 3)
    return process


@pytest.mark.parametrize("number", list(ENDS))
@pytest.mark.parametrize("who", ["command", "all", "server first"])
def test_a_stopped_command_ends_as_documented_whatever_dies_first(
    made: Place, kept: dict[str, str], number: signal.Signals, who: str
) -> None:
    process, server = begun(made, kept), server_of(made)
    if who != "command":
        server.send_signal(number)
    if who == "server first":
        server.wait(30)
    process.send_signal(number)
    ended = end(process)
    assert ended.returncode == ENDS[number], ended.stderr
    assert "a bug" not in ended.stderr
    assert "Error logging" not in ended.stderr
    # Those under way may have been all.
    assert newest(made) in {("interrupted", 0), ("landed", 0)}
    if who == "command":
        (run,) = httpx.post(f"{kept['API']}/flow_runs/filter", json={"limit": 1}).json()
        assert run["state"]["type"] in {"CRASHED", "COMPLETED"}
    again = nxp(*BACKFILL, "--no-prefect", env=kept)
    assert again.returncode == 0, again.stderr
    # Nothing was exported twice.
    assert made.tenant.requests["export"] == 3


def test_a_command_whose_server_goes_away_does_its_work(made: Place, kept: dict[str, str]) -> None:
    process = begun(made, kept)
    server_of(made).terminate()
    ended = end(process)
    assert ended.returncode == 0, ended.stderr
    assert "the Prefect server stopped answering" in ended.stderr
    assert newest(made) == ("landed", 0)
