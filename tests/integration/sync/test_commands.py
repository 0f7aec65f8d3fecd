"""Syncs as a user runs them: `nxp plan`, `apply`, `sync`, `retry`, on a real Prefect server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import environment
from tests.prefect import MARK, answer, begin, described, end, unmarked, waiting_run
from tests.syncing import OWNER, SYNC_NAME, Rows, Syncing, syncing


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Syncing]:
    with syncing(tmp_path, devices=60, now=None) as ready:
        yield ready


@pytest.fixture
def env(made: Syncing, prefect_server: str) -> dict[str, str]:
    return environment(made.place, PREFECT_API_URL=prefect_server)


def rows_of(uids: list[str]) -> Rows:
    return [{"uid": uid, "owner": f"{MARK} {n}", "tag": MARK} for n, uid in enumerate(uids)]


def test_a_plan_is_shown_applied_and_listed(
    made: Syncing, env: dict[str, str], prefect_server: str, prefect_home: Path
) -> None:
    uids = made.uids()
    made.write(rows_of([*uids, f"{MARK}-nobody"]))
    planned = end(begin(env, "plan", SYNC_NAME))
    assert planned.returncode == 0, planned.stderr
    assert f"set        {2 * len(uids) + 2}" in planned.stdout
    assert "nxp apply assets sends it" in planned.stderr
    assert made.requests == 0
    applied = end(begin(env, "apply", SYNC_NAME, "--json"))
    report = json.loads(applied.stdout)
    assert (applied.returncode, report["state"]) == (0, "applied"), applied.stderr
    assert (report["acknowledged"], report["codes"]) == (len(uids), {"ENRICH_020": 1})
    assert report["no_such_object"] == 1
    again = end(begin(env, "apply", SYNC_NAME, "--no-verify"))
    assert (again.returncode, again.stdout) == (0, "")
    assert "2 values wait: 2 for 1 object that Nexthink does not have" in again.stderr
    listed = json.loads(end(begin(env, "runs", SYNC_NAME, "--json")).stdout)
    assert [run["trigger"] for run in listed] == ["apply", "apply", "plan"]
    rejects = end(begin(env, "rejects", SYNC_NAME))
    assert "ENRICH_020" in rejects.stdout
    assert "1 rejected, 1 of them by the latest run" in rejects.stderr
    artifacts = httpx.post(f"{prefect_server}/artifacts/filter", json={}).json()
    reports = [each for each in artifacts if str(each["key"]).startswith("sync-")]
    (shown,) = [each for each in reports if report["run_id"] in str(each["data"])]
    assert f"{len(uids):,} acknowledged" in shown["data"]
    private = ("ledger.db", "register", "_plans", "_changes", "_rejects_raw")
    unmarked(made.place.folder, *private)
    unmarked(prefect_home)


def test_a_guard_that_trips_shows_the_plan_and_is_6(made: Syncing, env: dict[str, str]) -> None:
    made.specify(guards={"changes": 0.1})
    made.write(rows_of(made.uids()))
    assert end(begin(env, "sync", SYNC_NAME, "--no-verify")).returncode == 0
    made.write([{**row, "owner": "other"} for row in rows_of(made.uids())])
    planned = end(begin(env, "plan", SYNC_NAME))
    assert planned.returncode == 6
    assert f"change     {len(made.uids())}" in planned.stdout
    assert "--accept-guard changes --why TEXT" in planned.stderr.splitlines()[-1]
    assert "nothing was sent: guard changes" in planned.stderr
    assert "within 24 hours" not in planned.stderr
    assert end(begin(env, "apply", SYNC_NAME, "--accept-guard", "changes")).returncode == 2
    words = ("--accept-guard", "changes", "--why", "moved")
    assert end(begin(env, "apply", SYNC_NAME, *words)).returncode == 0
    assert set(made.held(OWNER).values()) == {"other"}


def test_a_sync_waits_for_its_approval(
    made: Syncing, env: dict[str, str], prefect_server: str, prefect_home: Path
) -> None:
    made.write(rows_of(made.uids()))
    process = begin(env, "sync", SYNC_NAME, "--approve", "--no-verify")
    run = waiting_run(prefect_server, SYNC_NAME)
    assert f"| set | {2 * len(made.uids())} |" in described(prefect_server, run)
    assert made.requests == 0
    answer(prefect_server, run, approved=True, who="Ann", why="asked for")
    approved = end(process)
    assert approved.returncode == 0, approved.stderr
    assert set(made.held(OWNER).values()) == {row["owner"] for row in rows_of(made.uids())}
    with made.ledger() as ledger:
        (plan,) = ledger.plans.of(SYNC_NAME)
    assert plan.accepted == {"approval": "Ann: asked for"}
    unmarked(prefect_home)


@pytest.mark.parametrize("form", [{"approved": False}, {"approved": True, "who": "Ann"}])
def test_a_sync_that_is_not_approved_is_cancelled_and_8(
    made: Syncing, env: dict[str, str], prefect_server: str, form: dict[str, Any]
) -> None:
    made.write(rows_of(made.uids()))
    process = begin(env, "sync", SYNC_NAME, "--approve")
    run = waiting_run(prefect_server, SYNC_NAME)
    answer(prefect_server, run, **form)
    refused = end(process)
    assert refused.returncode == 8
    assert "nothing was sent" in refused.stderr.splitlines()[-1]
    assert made.requests == 0
    state = httpx.get(f"{prefect_server}/flow_runs/{run['id']}").json()["state"]
    assert state["type"] == "CANCELLED"
