"""One export, run plain and as a flow: the same rows, files, ledger, `_runs` and messages."""

import json
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.ledger.tables import metadata
from tests.commands import environment, nxp
from tests.landing import Place

# One at a time: the order in which windows end, and which of them meets a fault, is one.
# Commands have no other clock than the real one, and the query reaches back 30 days.
DAYS = [f"{datetime.now(UTC) - timedelta(days=ago):%Y-%m-%d}" for ago in (14, 13, 12, 11)]
STRETCH = ("crashes", "--from", DAYS[0], "--to", DAYS[-1], "--concurrency", "1")
ID = "[0-9a-f]{8}-[0-9a-f-]{27}"
# What differs between two runs: ids, times, durations, names of processes.
# The ledger's own id, and what depends on when and how long.
OWN_TABLES = {"export_times", "ledgers", "requests_made"}
_OWN = re.compile(
    r"run_id|calls|holder|_at$|seconds|export_id|folder|not_before|value|at$|query|limited"
)


def command(here: Place, folder: Path, *words: str, **extra: str) -> dict[str, Any]:
    """Run a command in an installation of its own; return everything that it leaves."""
    env = environment(here, **extra) | {
        "NXP_HOME": str(folder / "home"),
        "NXP_LAKE": str(folder / "lake"),
        "NXP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
        # Only plain runs print the hint about Prefect.
        "NXP_PREFECT": "1" if "PREFECT_API_URL" in extra else "0",
    }
    folder.mkdir()
    done = nxp(*words, env=env)
    place = Place(here.tenant, folder, dict(here.environment) | env)
    return {
        "code": done.returncode,
        "table": done.stdout,
        "messages": re.sub(rf"\d+\.\d s|{ID}", "_", done.stderr).replace(str(folder), "HERE"),
        "files": sorted(
            re.sub(ID, "RUN", str(path.relative_to(folder / "lake")))
            for path in (folder / "lake").rglob("*.parquet")
        ),
        "rows": place.landed("crashes"),
        "runs": _without_own(_runs(folder)),
        "ledger": _ledger(folder / "ledger.db"),
    }


def _runs(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "lake").glob("*/_runs/*/*.parquet"))
    return [row for file in files for row in pl.read_parquet(file).to_dicts()]


def _without_own(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            name: None
            if _OWN.search(name)
            else re.sub(ID, "_", value)
            if isinstance(value, str)
            else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _ledger(file: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        tables = {
            table.name: _without_own([dict(row) for row in connection.execute(str(table.select()))])
            for table in metadata.sorted_tables
            if table.name not in OWN_TABLES
        }
    for run in tables["runs"]:
        report = json.loads(run["report"])
        run["report"] = sorted(report), [sorted(each) for each in report["outcomes"]]
    return tables


def test_an_export_leaves_the_same_plain_and_as_a_flow(
    here: Place, prefect_server: str, tmp_path: Path
) -> None:
    plain = command(here, tmp_path / "plain", "backfill", *STRETCH)
    flow = command(here, tmp_path / "flow", "backfill", *STRETCH, PREFECT_API_URL=prefect_server)
    assert plain["code"] == 0, plain["messages"]
    order = plain["rows"].columns
    assert_frame_equal(plain.pop("rows").sort(order), flow.pop("rows").sort(order))
    assert plain == flow
    assert len(plain["runs"]) == 1
    assert len(plain["ledger"]["units"]) == 3


def test_a_run_that_leaves_something_out_ends_the_same_both_ways(
    here: Place, prefect_server: str, tmp_path: Path
) -> None:
    ends = []
    for name, extra in (("plain", {}), ("flow", {"PREFECT_API_URL": prefect_server})):
        # Two of three answers, so one window fails for good.
        here.tenant.faults.add("404@export:1")
        ends.append(command(here, tmp_path / name, "backfill", *STRETCH, **extra))
    plain, flow = ends
    assert plain["code"] == flow["code"] != 0
    assert plain["messages"] == flow["messages"]
    assert plain["ledger"]["runs"] == flow["ledger"]["runs"]
    runs = _asked(prefect_server, "flow_runs", sort="START_TIME_DESC", limit=1)
    failed = {
        each["name"]: re.sub(ID, "_", each["state"]["message"])
        for each in _tasks(prefect_server, runs[0])
        if each["state"]["type"] == "FAILED"
    }
    # The stage of the window that failed, with the line that the command prints.
    (unit,) = [unit for unit in flow["ledger"]["units"] if unit["last_error"]]
    assert failed == {f"start export crashes {DAYS[0]}": unit["last_error"]}


def test_prefect_names_verb_subject_and_window_and_says_the_result(
    here: Place, prefect_server: str, tmp_path: Path
) -> None:
    done = command(here, tmp_path / "it", "backfill", *STRETCH, PREFECT_API_URL=prefect_server)
    assert done["code"] == 0, done["messages"]
    rows = done["rows"].height
    name = f"back-fill crashes {DAYS[0]}..{DAYS[-1]}"
    runs = _asked(prefect_server, "flow_runs", flow_runs={"name": {"any_": [name]}})
    newest = max(runs, key=lambda run: str(run["start_time"]))
    said = f"crashes landed: 3 of 3 windows, {rows:,} rows"
    assert newest["state"]["message"] == said
    ended = {task["name"]: task["state"] for task in _tasks(prefect_server, newest)}
    days = DAYS[:-1]
    stages = ("start export", "await export", "land")
    assert ended.keys() == {
        "plan crashes",
        *(f"{stage} crashes {day}" for stage in stages for day in days),
        "report crashes",
    }
    assert ended["plan crashes"]["message"] == "3 windows to land"
    assert ended["report crashes"]["message"] == said
    assert re.fullmatch(f"export {ID}", ended[f"start export crashes {days[0]}"]["message"])
    awaited = ended[f"await export crashes {days[0]}"]["message"]
    assert re.fullmatch(r"completed after \d+\.\d s", awaited)
    landed = [ended[f"land crashes {day}"]["message"] for day in days]
    said_rows = [re.match(r"([\d,]+) rows, [\d,]+ bytes received", each) for each in landed]
    assert sum(int(each[1].replace(",", "")) for each in said_rows if each) == rows
    logs = _asked(prefect_server, "logs", logs={"flow_run_id": {"any_": [newest["id"]]}})
    lines = [log["message"] for log in logs if log["name"].startswith("tasks.")]
    # Followed by the names that are bound to the run.
    assert said in lines[-1]


def _names(here: Place, api: str, *dates: str) -> list[str]:
    """Land windows of an hour between two dates, and return the names of the task runs."""
    words = ("crashes", "--from", dates[0], "--to", dates[1], "--step", "1h", "--concurrency", "8")
    # Some of these days are before the first row: they are known to have none.
    kept = {"NEXTHINK_TENANT_RETENTION": "30d"}
    done = nxp("backfill", *words, env=environment(here, PREFECT_API_URL=api, **kept))
    assert done.returncode == 0, done.stderr
    run = _asked(api, "flow_runs", sort="START_TIME_DESC", limit=1)[0]
    return sorted(task["name"] for task in _tasks(api, run))


@pytest.mark.slow
def test_longer_runs_show_each_window_and_then_chunks(here: Place, prefect_server: str) -> None:
    today = datetime.now(UTC)
    first_day, second, last = (f"{today - timedelta(days=ago):%Y-%m-%d}" for ago in (24, 23, 14))
    by_unit = _names(here, prefect_server, first_day, second)
    assert len(by_unit) == 24 + 2
    first = f"land crashes {first_day}..{first_day}T01:00Z"
    assert {"plan crashes", "report crashes", first} < set(by_unit)
    # Of nine days, in chunks of ten windows.
    by_chunk = _names(here, prefect_server, second, last)
    assert len(by_chunk) == 22 + 2
    assert f"land crashes {second}..{second}T10:00Z" in by_chunk


def _tasks(api: str, run: dict[str, Any], least: int = 1) -> list[dict[str, Any]]:
    """Return the task runs of a flow run; the server learns of their last states a little later."""
    deadline = time.monotonic() + 60
    while True:
        asked = {"flow_runs": {"id": {"any_": [run["id"]]}}, "limit": 200}
        found: list[dict[str, Any]] = httpx.post(f"{api}/task_runs/filter", json=asked).json()
        is_over = all(each["state"]["type"] not in ("PENDING", "RUNNING") for each in found)
        if (len(found) >= least and is_over) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def _asked(api: str, what: str, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.post(f"{api}/{what}/filter", json=filters).json()
    return found
