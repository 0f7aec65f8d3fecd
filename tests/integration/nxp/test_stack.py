"""`nxp stack`: everything a company runs, on this machine; and what happens if a part is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.stack import RunningStack, running_stack, stack_home

PARTS = ["postgres", "object-store", "sandbox", "server", "worker-1"]


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack() as started:
        yield started


def devices(stack: RunningStack) -> str:
    counted = stack.nxp("sql", "SELECT count(*) AS n FROM devices")
    assert counted.returncode == 0, counted.stderr
    return counted.stdout


def test_a_worker_lands_what_a_deployment_says_in_lake_table_and_ledger(
    stack: RunningStack,
) -> None:
    ran = stack.prefect("deployment", "run", "nql-export/inventory-daily", "--watch")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert devices(stack).split()[1].isdigit()
    assert "landed" in stack.nxp("runs").stdout
    with psycopg.connect(stack.inside["NXP_DATABASE_URL"]) as connection:
        assert connection.info.dbname == "landing"
    objects = httpx.get(f"{stack.parts()['object-store']['address']}/lake?list-type=2").text
    assert "devices" in objects


def test_commands_of_all_kinds_work_against_it(stack: RunningStack) -> None:
    words = [("check", "--connect"), ("export", "devices"), ("plan", "cmdb_devices")]
    for command in (*words, ("remote-actions", "list"), ("datasets",)):
        ran = stack.nxp(*command)
        assert ran.returncode == 0, f"{command}: {ran.stderr}"


def test_prefects_api_asks_who_is_there(stack: RunningStack) -> None:
    env = stack.inside
    url = f"{env['PREFECT_API_URL']}/flows/filter"
    user, _, password = env["PREFECT_API_AUTH_STRING"].partition(":")
    assert httpx.post(url, json={}).status_code == 401
    assert httpx.post(url, json={}, auth=(user, "guessed")).status_code == 401
    assert httpx.post(url, json={}, auth=(user, password)).status_code == 200
    pages = httpx.get(stack.parts()["server"]["address"], follow_redirects=True)
    assert "text/html" in pages.headers["content-type"]


def test_schedules_are_planned_by_the_server(stack: RunningStack) -> None:
    env = stack.inside
    user, _, password = env["PREFECT_API_AUTH_STRING"].partition(":")
    asked = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    deadline = time.monotonic() + 120
    planned: list[object] = []
    while not planned and time.monotonic() < deadline:
        time.sleep(1)
        planned = httpx.post(
            f"{env['PREFECT_API_URL']}/flow_runs/filter", json=asked, auth=(user, password)
        ).json()
    assert planned


def test_secrets_are_for_their_owner_only(stack: RunningStack) -> None:
    folder = stack.home / "stack"
    assert (folder / "stack.json").stat().st_mode & 0o077 == 0
    assert (folder / "sandbox.json").stat().st_mode & 0o077 == 0
    assert (folder / "logs").stat().st_mode & 0o077 == 0
    secret = stack.inside["PREFECT_API_AUTH_STRING"]
    for log in (folder / "logs").iterdir():
        assert secret not in log.read_text()
    for process in stack.processes():
        assert secret not in " ".join(process.cmdline())


def test_postgresql_writes_its_checkpoints_while_the_home_is_closed_to_others(
    stack: RunningStack,
) -> None:
    """If root starts it, it runs as another user, who may not enter NXP_HOME."""
    assert stack.home.stat().st_mode & 0o077 == 0
    server = stack.inside["NXP_DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE TABLE written AS SELECT 1 AS n")
        connection.execute("CHECKPOINT")
        connection.execute("DROP TABLE written")
    assert "PANIC" not in (stack.home / "stack" / "logs" / "postgres.log").read_text()


def test_up_again_starts_nothing_and_says_so(stack: RunningStack) -> None:
    before = stack.parts()
    again = stack.stack("up")
    assert again.returncode == 0
    assert again.stderr.count("already running") == len(PARTS)
    assert stack.parts() == before


def test_other_options_for_what_runs_are_refused(stack: RunningStack) -> None:
    refused = stack.stack("up", "--devices", "41")
    assert refused.returncode == 2
    assert "sandbox runs with other options (devices): run nxp stack down first" in refused.stderr


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_killed_comes_back_and_nothing_is_lost(
    stack: RunningStack, part: str
) -> None:
    assert stack.nxp("export", "devices").returncode == 0
    before, counted = stack.parts(), devices(stack)
    os.kill(before[part]["pid"], signal.SIGKILL)
    time.sleep(0.5)
    assert stack.parts()[part]["state"] == "died"
    assert stack.stack("status").returncode == 5
    mended = stack.stack("up")
    assert mended.returncode == 0, mended.stderr
    after = stack.parts()
    assert {name: part["state"] for name, part in after.items()} == dict.fromkeys(PARTS, "running")
    assert {name for name in PARTS if after[name]["pid"] != before[name]["pid"]} == {part}
    assert devices(stack) == counted


def test_workers_are_added_and_taken_away(stack: RunningStack) -> None:
    assert stack.stack("up", "--workers", "2").returncode == 0
    assert stack.parts()["worker-2"]["state"] == "running"
    assert stack.stack("up", "--workers", "1").returncode == 0
    assert "worker-2" not in stack.parts()
    assert not [process for process in stack.processes() if "worker-2" in process.cmdline()]


def test_down_leaves_no_process_and_up_finds_the_data(stack: RunningStack) -> None:
    assert stack.nxp("export", "devices").returncode == 0
    counted, env = devices(stack), stack.inside
    # A killed part may leave orphans, as a killed worker leaves its flow runs.
    os.kill(stack.parts()["server"]["pid"], signal.SIGKILL)
    assert stack.stack("down").returncode == 0
    assert stack.processes() == []
    assert stack.stack("status").returncode == 5
    assert stack.stack("env").returncode == 5
    assert stack.stack("down").returncode == 0
    assert stack.stack("up").returncode == 0
    assert devices(stack) == counted
    assert stack.inside == env


def test_a_port_that_somebody_has_is_named_and_nothing_is_begun() -> None:
    with stack_home() as stack, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = stack.stack("up", "--port", str(port))
        assert refused.returncode == 5
        assert f"server: another program listens on its port {port}" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert stack.processes() == []


def test_a_part_that_does_not_start_is_named_with_its_log_and_the_others_are_stopped() -> None:
    with stack_home() as stack:
        refused = stack.stack("up", "--", "--fault", "nonsense")
        log = stack.home / "stack" / "logs" / "sandbox.log"
        assert refused.returncode == 5
        assert f"stack: sandbox did not start, its process ended: see {log}" in refused.stderr
        assert "nonsense" in log.read_text()
        assert stack.processes() == []
        assert stack.stack("status").returncode == 5


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        (signal.SIGKILL, -9),
    ],
)
def test_an_up_that_is_stopped_leaves_nothing_that_down_does_not_find(
    number: signal.Signals, exit_code: int
) -> None:
    with stack_home() as stack:
        started = subprocess.Popen(
            [sys.executable, "-m", "nxp", "stack", "up"],
            env=stack.outside,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert started.stderr is not None
        # PostgreSQL answers; the others are still starting.
        assert "postgres: 127.0.0.1" in started.stderr.readline()
        started.send_signal(number)
        _, said = started.communicate(timeout=120)
        assert started.returncode == exit_code
        if number == signal.SIGKILL:
            assert stack.processes()
            assert stack.stack("down").returncode == 0
        else:
            assert "stopping what was started: postgres, object-store, sandbox" in said
        assert stack.processes() == []
