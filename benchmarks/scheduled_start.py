"""How long after its scheduled time a deployment's run reaches the tenant, and what takes the time.

Usage: python -m benchmarks.scheduled_start [--rounds N] [--no-before]. Starts a Prefect server, an
otherwise idle worker, and a stand-in for the tenant that records when the first request arrives and
refuses it, so that the run ends there. Runs are created ahead of time, as a schedule does, and for
now, as a person does. Takes about a minute a round. Writes docs/performance/scheduled_start.json
and the table in docs/performance.md; --no-before leaves Prefect's own worker out.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cyclopts
import httpx
import psutil

from benchmarks.installation import settings_in

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "performance"
ROOT = RESULTS.parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- scheduled_start:begin -->", "<!-- scheduled_start:end -->"
POOL, ENTRYPOINT = "bench", "flows.export.nql_export"
# Longer than any worker looks ahead, so that each sees the run at its own time.
AHEAD, NOW = 25.0, 0.0
RUN_SECONDS, IDLE_SECONDS = 120, 30.0
STAGES = (
    "picked up",
    "process started",
    "Prefect imported",
    "flow imported",
    "Running",
    "first request",
)
OURS, PREFECTS = "nxp worker", "prefect worker start"
SCHEDULED, BY_HAND = "scheduled ahead", "started now"
# Every Python process below the worker runs this at its start; it notes moments of those that run
# a flow.
NOTES = """
import os, sys, time
NOTES = {notes!r}
if os.environ.get("PREFECT__FLOW_RUN_ID"):
    import importlib.abc, importlib.machinery
    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name not in ("flows.export", "prefect.flow_engine"):
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            execute = spec.loader.exec_module
            def timed(module):
                execute(module)
                note(name)
            spec.loader.exec_module = timed
            return spec
    def note(name):
        with open(os.path.join(NOTES, os.environ["PREFECT__FLOW_RUN_ID"]), "a") as file:
            file.write("%s %s\\n" % (name, time.time()))
    note("process")
    sys.meta_path.insert(0, Finder())
"""


class Tenant(ThreadingHTTPServer):
    """A tenant that refuses every token, and knows when the first was asked for."""

    def __init__(self) -> None:
        """Listen on a free port of loopback."""
        super().__init__(("127.0.0.1", 0), _Refuse)
        self.first: float | None = None


class _Refuse(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Tenant)  # noqa: S101 - for the type checker
        self.server.first = self.server.first or time.time()
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Write no access log."""


@dataclass
class Case:
    """One worker and one way to start runs: the moments of each, after the scheduled time."""

    worker: str
    way: str
    moments: list[dict[str, float]] = field(default_factory=list)


@dataclass
class Idle:
    """Seconds of CPU in a second without runs: the worker's and the server's."""

    worker: float
    server: float


def measure(*, rounds: int = 5, before: bool = True) -> None:
    """Start ROUNDS runs of each kind, and write how long they took to their first request."""
    cases, idle = [], {}
    with tempfile.TemporaryDirectory(prefix="nxp-start-") as name:
        folder = Path(name)
        with _tenant() as tenant, _server(folder) as server:
            environ = _environ(folder, tenant)
            deployment = _deploy()
            idle["no worker"] = _idle(None, server)
            for worker in (PREFECTS, OURS) if before else (OURS,):
                with _working(worker, environ) as process:
                    # The first run compiles and makes the ledger; it is not counted.
                    _start(deployment, NOW, tenant, folder)
                    for way, ahead in ((SCHEDULED, AHEAD), (BY_HAND, NOW)):
                        case = Case(worker, way)
                        for _ in range(rounds):
                            case.moments.append(_start(deployment, ahead, tenant, folder))
                            print(worker, way, case.moments[-1], flush=True)
                        cases.append(case)
                    idle[worker] = _idle(process, server)
    _keep(cases, idle)
    print(table(cases, idle))


def _start(deployment: str, ahead: float, tenant: Tenant, folder: Path) -> dict[str, float]:
    """Let a run be scheduled; return the moments of its start, in seconds after that time."""
    # Not in step with the worker's polls.
    time.sleep(2 + 3 * (time.time() % 1))
    tenant.first = None
    created = None
    while created is None:
        at = datetime.now(UTC) + timedelta(seconds=ahead)
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
        created = _try(f"deployments/{deployment}/create_flow_run", state=state)
    run = created["id"]
    deadline = time.monotonic() + RUN_SECONDS
    while _ask(f"flow_runs/{run}")["end_time"] is None:
        if time.monotonic() > deadline:
            raise SystemExit(f"the run has not ended in {RUN_SECONDS} s")
        time.sleep(0.5)
    if tenant.first is None:
        raise SystemExit(f"the run asked the tenant for nothing: {_ask(f'flow_runs/{run}')}")
    states = {
        str(state["name"]): datetime.fromisoformat(state["timestamp"]).timestamp()
        for state in reversed(_ask(f"flow_run_states/?flow_run_id={run}"))
    }
    # Of a module that two processes import, the later counts: it is the run's own.
    lines = [line.split() for line in (folder / "notes" / run).read_text().splitlines()]
    noted = {name: float(moment) for name, moment in lines}
    process = min(float(moment) for name, moment in lines if name == "process")
    absolute = (
        states["Pending"],
        process,
        noted["prefect.flow_engine"],
        noted["flows.export"],
        states["Running"],
        tenant.first,
    )
    scheduled = at.timestamp()
    return {stage: moment - scheduled for stage, moment in zip(STAGES, absolute, strict=True)}


@contextmanager
def _tenant() -> Iterator[Tenant]:
    with Tenant() as tenant:
        threading.Thread(target=tenant.serve_forever, daemon=True).start()
        try:
            yield tenant
        finally:
            tenant.shutdown()


@contextmanager
def _server(folder: Path) -> Iterator[psutil.Process]:
    """Keep a Prefect server in a home of its own."""
    for name in [name for name in os.environ if name.startswith(("NXP_", "PREFECT_"))]:
        del os.environ[name]
    os.environ |= {"NXP_HOME": str(folder / "home"), "DO_NOT_TRACK": "1"}
    # Prefect's own worker and our calls of its API know no secret.
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = ""
    command = [sys.executable, "-m", "nxp", "server"]
    subprocess.run([*command, "start"], cwd=ROOT, check=True)  # noqa: S603 - ourselves
    try:
        record = json.loads((folder / "home" / "server.json").read_text())
        os.environ["PREFECT_API_URL"] = record["api_url"]
        yield psutil.Process(int(record["pid"]))
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        subprocess.run([*command, "stop"], cwd=ROOT, check=True)  # noqa: S603 - ourselves


def _environ(folder: Path, tenant: Tenant) -> dict[str, str]:
    (folder / "notes").mkdir()
    (folder / "site").mkdir()
    text = NOTES.replace("{notes!r}", repr(str(folder / "notes")))
    (folder / "site" / "sitecustomize.py").write_text(text)
    url = f"http://127.0.0.1:{tenant.server_port}"
    return (
        os.environ
        | settings_in(folder, url)
        | {
            "PYTHONPATH": os.pathsep.join((str(folder / "site"), str(ROOT))),
            "NXP_CATALOG": str(ROOT / "deployments"),
        }
    )


@contextmanager
def _working(worker: str, environ: dict[str, str]) -> Iterator[psutil.Process]:
    """Run a worker; the first has Prefect's settings, the second ours."""
    words = ["nxp", "worker", POOL] if worker == OURS else []
    words = words or ["prefect", "worker", "start", "--pool", POOL]
    home = {} if worker == OURS else {"PREFECT_HOME": f"{environ['NXP_HOME']}/prefect"}
    process = psutil.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environ | home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _ask(f"work_pools/{POOL}/workers/filter", limit=1):
            time.sleep(0.5)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _deploy() -> str:
    """Make a pool and a deployment on the server; return the id of the latter."""
    _ask("work_pools/", name=POOL, type="process")
    flow = _ask("flows/", name="nql-export")["id"]
    asked = {"dataset": "devices"}
    return str(
        _ask(
            "deployments/",
            name="bench",
            flow_id=flow,
            entrypoint=ENTRYPOINT,
            parameters=asked,
            work_pool_name=POOL,
            enforce_parameter_schema=False,
        )["id"]
    )


def _ask(path: str, **body: Any) -> Any:
    while (answer := _try(path, **body)) is None:
        pass
    return answer


def _try(path: str, **body: Any) -> Any:
    """Call the server; return its JSON, or None after a second if its SQLite is locked."""
    url = f"{os.environ['PREFECT_API_URL']}/{path}"
    answer = httpx.post(url, json=body) if body else httpx.get(url)
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        time.sleep(1)
        return None
    return answer.raise_for_status().json()


def _idle(worker: psutil.Process | None, server: psutil.Process) -> Idle:
    """Measure what an idle worker costs; the server also has work of its own."""
    time.sleep(5)
    before, began = (_seconds(worker), _seconds(server)), time.monotonic()
    time.sleep(IDLE_SECONDS)
    spent = time.monotonic() - began
    return Idle(
        (_seconds(worker) - before[0]) / spent,
        (_seconds(server) - before[1]) / spent,
    )


def _seconds(process: psutil.Process | None) -> float:
    family = [process, *process.children(recursive=True)] if process else []
    return sum(sum(one.cpu_times()[:2]) for one in family)


def _keep(cases: list[Case], idle: dict[str, Idle]) -> None:
    found = {
        "cases": {f"{case.worker}, {case.way}": case.moments for case in cases},
        "idle": {worker: vars(spent) for worker, spent in idle.items()},
    }
    rounded = json.loads(json.dumps(found), parse_float=lambda number: round(float(number), 3))
    (RESULTS / "scheduled_start.json").write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(cases, idle)}\n{END}{after}", "utf-8")


def table(cases: list[Case], idle: dict[str, Idle]) -> str:
    """Return what was measured as a table of Markdown."""
    lines = [
        "| worker, run | " + " | ".join(STAGES) + " (least to most) |",
        "|---|" + "---:|" * len(STAGES),
    ]
    for case in cases:
        cells = []
        for stage in STAGES:
            seconds = [moments[stage] for moments in case.moments]
            cells.append(f"{statistics.median(seconds):.2f}")
        cells[-1] += f" ({min(seconds):.2f} to {max(seconds):.2f})"
        lines.append(f"| {case.worker}, {case.way} | " + " | ".join(cells) + " |")
    lines += ["", "| without runs | worker, of a core | server, of a core |", "|---|---:|---:|"]
    lines += [
        f"| {worker} | {spent.worker:.1%} | {spent.server:.1%} |" for worker, spent in idle.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    cyclopts.run(measure)
