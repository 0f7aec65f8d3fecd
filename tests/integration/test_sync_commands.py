"""Syncs as a user runs them: `nxp plan`, `apply`, `sync`, `retry`, on a real Prefect server."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.syncing import OWNER, SYNC_NAME, Rows, Syncing, syncing

pytestmark = pytest.mark.prefect

MARK = "MARK-jane"
Result = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """Give what a user's shell would have, and nothing else."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **more}


def begin(env: Mapping[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nxp", *words],
        env={**env, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=240)
    assert MARK not in out + err
    return Result(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Keep one Prefect server for the tests of this module; gives its address and home."""
    home = tmp_path_factory.mktemp("server")
    env = environment(NXP_HOME=str(home))
    started = end(begin(env, "server", "start"))
    assert started.returncode == 0, started.stderr
    yield started.stdout.strip(), home
    assert end(begin(env, "server", "stop")).returncode == 0


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Syncing]:
    with syncing(tmp_path, devices=60, now=None) as ready:
        yield ready


@pytest.fixture
def env(made: Syncing, server: tuple[str, Path]) -> dict[str, str]:
    return environment(**made.place.environment, PREFECT_API_URL=server[0])


def rows_of(uids: list[str]) -> Rows:
    return [{"uid": uid, "owner": f"{MARK} {n}", "tag": MARK} for n, uid in enumerate(uids)]


def waiting_run(api: str) -> dict[str, Any]:
    """Wait until a flow run is paused."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        asked = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
        found = httpx.post(f"{api}/flow_runs/filter", json=asked).json()
        keys = found[0]["state"]["state_details"].get("run_input_keyset") if found else None
        if keys:
            # The form is there a moment after the state.
            path = f"{api}/flow_runs/{found[0]['id']}/input/{keys['schema']}"
            if httpx.get(path).status_code == httpx.codes.OK:
                run: dict[str, Any] = found[0]
                return run
        time.sleep(0.2)
    raise AssertionError("no flow run is paused")


def answer(api: str, run: dict[str, Any], **form: Any) -> None:
    told = httpx.post(f"{api}/flow_runs/{run['id']}/resume", json={"run_input": form}).json()
    assert told["status"] == "ACCEPT", told


def unmarked(folder: Path, *but: str) -> None:
    """See that no marked value is in any file of a folder, beside the private ones."""
    for path in folder.rglob("*"):
        if path.is_file() and not any(part in str(path.relative_to(folder)) for part in but):
            with suppress(FileNotFoundError):
                assert MARK.encode() not in path.read_bytes(), path


def test_a_plan_is_shown_applied_and_listed(
    made: Syncing, env: dict[str, str], server: tuple[str, Path]
) -> None:
    uids = made.uids()
    made.write(rows_of([*uids, f"{MARK}-nobody"]))
    planned = end(begin(env, "plan", SYNC_NAME))
    assert planned.returncode == 0, planned.stderr
    assert f"set     {2 * len(uids) + 2}" in planned.stdout
    assert "nxp apply assets sends it" in planned.stderr
    assert made.requests == 0
    applied = end(begin(env, "apply", SYNC_NAME, "--json"))
    report = json.loads(applied.stdout)
    assert (applied.returncode, report["state"]) == (7, "partly")
    assert (report["acknowledged"], report["codes"]) == (len(uids), {"ENRICH_020": 1})
    assert applied.stderr.count("nxp: ") == 1
    again = end(begin(env, "apply", SYNC_NAME, "--no-verify"))
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing to send" in again.stderr
    listed = json.loads(end(begin(env, "runs", SYNC_NAME, "--json")).stdout)
    assert [run["trigger"] for run in listed] == ["apply", "apply", "plan"]
    rejects = end(begin(env, "rejects", SYNC_NAME))
    assert "ENRICH_020" in rejects.stdout
    assert "1 rejected, 1 of them by the latest run" in rejects.stderr
    artifacts = httpx.post(f"{server[0]}/artifacts/filter", json={}).json()
    (shown,) = [each for each in artifacts if each["id"] and "partly" in str(each["data"])]
    assert f"{len(uids):,} acknowledged" in shown["data"]
    private = ("ledger.db", "register", "_plans", "_changes", "_rejects_raw")
    unmarked(made.place.folder, *private)
    unmarked(server[1])


def test_a_guard_that_trips_shows_the_plan_and_is_6(made: Syncing, env: dict[str, str]) -> None:
    made.specify(guards={"changes": 0.1})
    made.write(rows_of(made.uids()))
    assert end(begin(env, "sync", SYNC_NAME, "--no-verify")).returncode == 0
    made.write([{**row, "owner": "other"} for row in rows_of(made.uids())])
    planned = end(begin(env, "plan", SYNC_NAME))
    assert planned.returncode == 6
    assert f"change  {len(made.uids())}" in planned.stdout
    assert "--accept-guard changes --why TEXT" in planned.stderr.splitlines()[-1]
    assert end(begin(env, "apply", SYNC_NAME, "--accept-guard", "changes")).returncode == 2
    words = ("--accept-guard", "changes", "--why", "moved")
    assert end(begin(env, "apply", SYNC_NAME, *words)).returncode == 0
    assert set(made.held(OWNER).values()) == {"other"}


def test_a_sync_waits_for_its_approval(
    made: Syncing, env: dict[str, str], server: tuple[str, Path]
) -> None:
    api, home = server
    made.write(rows_of(made.uids()))
    process = begin(env, "sync", SYNC_NAME, "--approve", "--no-verify")
    run = waiting_run(api)
    keys = run["state"]["state_details"]["run_input_keyset"]
    text = httpx.get(f"{api}/flow_runs/{run['id']}/input/{keys['description']}").text
    assert f"| set | {2 * len(made.uids())} |" in text
    assert made.requests == 0
    answer(api, run, approved=True, who="Ann", why="asked for")
    approved = end(process)
    assert approved.returncode == 0, approved.stderr
    assert set(made.held(OWNER).values()) == {row["owner"] for row in rows_of(made.uids())}
    with made.ledger() as ledger:
        (plan,) = ledger.plans.of(SYNC_NAME)
    assert plan.accepted == {"approval": "Ann: asked for"}
    unmarked(home)


@pytest.mark.parametrize("form", [{"approved": False}, {"approved": True, "who": "Ann"}])
def test_a_sync_that_is_not_approved_is_cancelled_and_8(
    made: Syncing, env: dict[str, str], server: tuple[str, Path], form: dict[str, Any]
) -> None:
    api, _ = server
    made.write(rows_of(made.uids()))
    process = begin(env, "sync", SYNC_NAME, "--approve")
    run = waiting_run(api)
    answer(api, run, **form)
    refused = end(process)
    assert refused.returncode == 8
    assert "nothing was sent" in refused.stderr.splitlines()[-1]
    assert made.requests == 0
    state = httpx.get(f"{api}/flow_runs/{run['id']}").json()["state"]
    assert state["type"] == "CANCELLED"
