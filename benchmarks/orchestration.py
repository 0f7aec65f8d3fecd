"""What Prefect adds to a landing, and what a window costs its server, by the length of the run.

Usage: python -m benchmarks.orchestration [--windows N]. A run of up to 20 windows shows each of
their stages in Prefect, one of up to 200 a task run for each window, a longer one chunks. Starts
a Prefect server and the tenant in miniature, whose windows have 1,000 rows. Prints the figures of
docs/performance.md, Flows.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cyclopts
import httpx
import psutil

from benchmarks.landing.__main__ import ROOT, served
from benchmarks.landing.engine import DATASET, clock, land, prepare

BEGIN = datetime(2026, 11, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT_ONCE = 8
# The longest runs whose stages, and whose windows, are shown one by one.
SHOWN = (20, 200)
# What a server without work may use, in seconds of CPU per second.
QUIET = 0.1
TRIES = 5
ONE: dict[str, Any] = {"window_from": "2026-11-07T00:00Z", "window_to": "2026-11-07T01:00Z"}


def measure(*, windows: int = 300) -> None:
    """Compare three ways of landing one window; land few and WINDOWS windows, as both."""
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as url:
        folder = Path(name)
        prepare("windows", url, folder, window=_window())
        server = _start_server(folder)
        try:
            _child("ways", 0, server)
            idle = _idle(server)
            for way, count in (("function", windows), *(("flow", n) for n in (*SHOWN, windows))):
                prepare("windows", url, folder / f"{way}-{count}", window=_window())
                before, began = _seconds(server), time.monotonic()
                spent = _child(way, count, server)
                _await_quiet(server, idle)
                server_spent = _seconds(server) - before - idle * (time.monotonic() - began)
                _tell(way, count, spent, max(0.0, server_spent))
                if way == "flow":
                    print(f"    {_task_runs(count):,} task runs", flush=True)
        finally:
            _nxp("server", "stop", home=folder / "home")


def ways() -> None:
    """Land one window repeatedly: as a function, as a flow, as a run of a deployment."""
    from flows.export import nql_export

    os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
    runner = subprocess.Popen(
        [sys.executable, "-c", "from flows.export import nql_export; nql_export.serve('bench')"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        told = {
            "plain function": lambda: land(**ONE),
            "flow, prefect imported": lambda: nql_export(DATASET, **ONE),
            "run of a deployment": _deployed,
        }
        _wait_for_deployment()
        for act in told.values():
            act()
        taken = {name: [_timed(act) for _ in range(TRIES)] for name, act in told.items()}
    finally:
        runner.terminate()
        runner.wait()
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        print(f"{name:28} {middle:6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})", flush=True)


def many(way: str, windows: int) -> None:
    """Land many windows, several at once, as a function or as a flow."""
    until = BEGIN + windows * HOUR
    dates: dict[str, Any] = {"window_from": BEGIN.isoformat(), "window_to": until.isoformat()}
    if way == "flow":
        from flows.export import nql_backfill

        nql_backfill(DATASET, concurrency=AT_ONCE, **dates)
        return
    from tasks.land.asked import Asked, Only
    from tasks.stories.export import export_dataset

    report = export_dataset(Asked(DATASET, only=Only.MISSING, concurrency=AT_ONCE, **dates), clock)
    if report.units != windows:
        raise SystemExit(f"{report.units} of {windows} windows landed")


def _deployed() -> None:
    from prefect.deployments import run_deployment

    run: Any = run_deployment("nql-export/bench", parameters={"dataset": DATASET, **ONE})
    if not run.state.is_completed():
        raise SystemExit(f"the deployment's run ended as {run.state.name}")


def _wait_for_deployment() -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        while True:
            try:
                client.read_deployment_by_name("nql-export/bench")
            except ObjectNotFound:
                time.sleep(0.5)
            else:
                return


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _child(way: str, windows: int, server: psutil.Process) -> tuple[float, float, float]:
    """Run a part in a process of its own; return its wall and CPU seconds and its peak in MiB."""
    if not server.is_running():
        raise SystemExit("the Prefect server has ended")
    command = [sys.executable, "-m", "benchmarks.orchestration", way, str(windows)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{way} failed")
    wall = time.monotonic() - began
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _tell(way: str, windows: int, spent: tuple[float, float, float], server: float) -> None:
    wall, cpu, peak = spent
    print(
        f"{windows} windows as {way:9} {wall:6.1f} s, per window {cpu / windows:.3f} s of CPU and "
        f"{server / windows:.3f} s of the server's; peak {peak:,.0f} MiB",
        flush=True,
    )


def _window() -> dict[str, str]:
    return {"column": "event_time", "from": "from", "to": "to", "step": "1h"}


def _start_server(folder: Path) -> psutil.Process:
    # Flows run here in another home, which does not know the server's secret.
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = ""
    os.environ["PREFECT_API_URL"] = _nxp("server", "start", home=folder / "home").strip()
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "DO_NOT_TRACK": "1"}
    record = json.loads((folder / "home" / "server.json").read_text())
    return psutil.Process(int(record["pid"]))


def _seconds(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def _idle(server: psutil.Process) -> float:
    """Return what the server uses without any work, in seconds of CPU per second."""
    time.sleep(10)
    before = _seconds(server)
    time.sleep(10)
    return (_seconds(server) - before) / 10


def _await_quiet(server: psutil.Process, idle: float) -> None:
    """Wait until the server has recorded all that a run has reported."""
    used = QUIET * 2
    while used > idle + QUIET:
        before = _seconds(server)
        time.sleep(3)
        used = (_seconds(server) - before) / 3


def _task_runs(windows: int) -> int:
    """Return how many task runs the flow run over so many windows has."""
    name = f"back-fill {DATASET} {BEGIN.isoformat()}..{(BEGIN + windows * HOUR).isoformat()}"
    asked = {"flow_runs": {"name": {"any_": [name]}}}
    answer = httpx.post(f"{os.environ['PREFECT_API_URL']}/task_runs/count", json=asked)
    return int(answer.raise_for_status().json())


def _nxp(*words: str, home: Path) -> str:
    environment = os.environ | {"NXP_HOME": str(home)}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "nxp", *words]
    done = subprocess.run(  # noqa: S603 - ourselves
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    if sys.argv[1:2] == ["ways"]:
        ways()
    elif sys.argv[1:2] in (["flow"], ["function"]):
        many(sys.argv[1], int(sys.argv[2]))
    else:
        cyclopts.run(measure)
