"""Lands one generated export with every tool in turn, each time in a process of its own.

Usage: python -m benchmarks.landing [--rows N]… [--rounds N] [--rate MB/S] [--suffix zst|gz|csv]
[--only NAME]…
`make bench` runs it with the peers in an environment of their own (benchmarks/peers.txt). Results
go to docs/performance/landing.json, which benchmarks.plots draws, and the CPU of each step by
itself to stages.json next to it; benchmarks.landing.ratios prints the ratios.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
import psutil
import pyarrow.parquet as pq

from benchmarks.landing.data import make

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "performance"
DATA = Path(tempfile.gettempdir()) / "nxp-bench"
ENGINE = "this engine"
PEERS = (
    "pyarrow threaded",
    "pyarrow streaming",
    "DuckDB",
    "pandas",
    "Polars naive",
    "Polars lazy",
    "dlt",
)
# A tool that loads a whole export takes more memory than a small worker has.
WHOLE_IN_MEMORY = ("Polars naive",)
MOST_ROWS_IN_MEMORY = 1_000_000
# A run starts when the machine is idle, and is repeated if other processes were busy during it.
IDLE_SECONDS, MOST_BUSY_PERCENT = 0.5, 10.0
MOST_DISTURBED, MOST_TRIES = 0.12, 6
# The steps by themselves are measured with an export that fits into memory.
STAGES_ROWS = 1_000_000
SLOW_ABOVE_ROWS = {"pandas": 5_000_000, "dlt": 5_000_000}


@dataclass
class Measured:
    """The runs of one tool: wall and CPU seconds, peak MiB, and what it wrote."""

    tool: str
    rows: int
    rate: float
    # How the export is compressed: zst, gz, or csv for not at all.
    suffix: str = "zst"
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    megabytes: float = 0.0
    # What other processes, including the file's server, used during the run: shares of a core.
    disturbed: list[float] = field(default_factory=list)

    def told(self) -> str:
        """Return the measurement as one line."""
        wall = statistics.median(self.wall)
        spread = f"{min(self.wall):.2f} to {max(self.wall):.2f}"
        cpu, peak = statistics.median(self.cpu), max(self.peak)
        return (
            f"{self.tool:18} {self.rows:>11,} rows {self.suffix} {wall:7.2f} s ({spread}) "
            f"{cpu:7.2f} s CPU {peak:7,.0f} MiB {self.megabytes:7.1f} MB"
        )


def measure(
    *,
    rows: Annotated[tuple[int, ...], cyclopts.Parameter(consume_multiple=True)] = (1_000_000,),
    rounds: int = 5,
    rate: float = 0,
    suffix: Literal["zst", "gz", "csv"] = "zst",
    only: tuple[str, ...] = (),
    peers_python: str = sys.executable,
    data: Path = DATA,
) -> None:
    """Land exports of ROWS rows with each tool, ROUNDS times; RATE in MB a second, 0 for none."""
    found: list[Measured] = []
    for number in rows:
        make(data, number, suffix)
        tools = [name for name in (ENGINE, *PEERS) if _is_run(name, number, only)]
        measured = {name: Measured(name, number, rate, suffix) for name in tools}
        with served(data, rate) as url:
            if ENGINE in tools and (number, rate, suffix) == (STAGES_ROWS, 0, "zst"):
                _keep_stages([_stages(url) for _ in range(rounds)])
            for _ in range(rounds):
                for name in tools:
                    _run(measured[name], url, peers_python)
        for one in measured.values():
            print(one.told(), flush=True)
        found += measured.values()
    _keep(found)


def _is_run(name: str, rows: int, only: tuple[str, ...]) -> bool:
    if only:
        return name in only
    if name in WHOLE_IN_MEMORY:
        return rows <= MOST_ROWS_IN_MEMORY
    return rows <= SLOW_ABOVE_ROWS.get(name, rows)


@contextmanager
def served(data: Path, rate: float = 0) -> Iterator[str]:
    """Serve a folder's files, and yield the address."""
    command = [sys.executable, "-m", "benchmarks.landing.server", str(data), "--rate", str(rate)]
    with subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        if server.stdout is None:
            raise AssertionError("it was piped")
        yield server.stdout.readline().strip()
        server.terminate()


def _run(measured: Measured, url: str, peers_python: str, tries: int = 1) -> None:
    folder = Path(tempfile.mkdtemp(prefix="nxp-bench-"))
    if measured.tool == ENGINE:
        query = f"events_{measured.rows}_{measured.suffix}"
        _prepare(query, url, str(folder))
        module = "benchmarks.landing.engine"
        command = [sys.executable, "-m", module, "land", query, url, str(folder)]
    else:
        name = f"events_{measured.rows}.csv.{measured.suffix}".replace(".csv.csv", ".csv")
        address = f"{url}/files/{name}"
        module = "benchmarks.landing.peers"
        command = [peers_python, "-m", module, measured.tool, address, str(folder)]
    try:
        wall, usage, disturbed = timed(command, measured.tool)
        if disturbed > MOST_DISTURBED and tries < MOST_TRIES:
            _run(measured, url, peers_python, tries + 1)
        else:
            measured.wall.append(wall)
            measured.disturbed.append(disturbed)
            _take(measured, usage, folder)
    finally:
        shutil.rmtree(folder)


def _prepare(query: str, url: str, folder: str) -> None:
    """Create the installation to land in, before anything is timed."""
    command = [sys.executable, "-m", "benchmarks.landing.engine", "prepare", query, url, folder]
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - our own module


def _stages(url: str) -> dict[str, float]:
    """Return the CPU seconds of each step of a landing by itself."""
    query = f"events_{STAGES_ROWS}_zst"
    with tempfile.TemporaryDirectory(prefix="nxp-bench-") as folder:
        _prepare(query, url, folder)
        _wait_until_idle()
        command = [sys.executable, "-m", "benchmarks.landing.stages", query, url, folder]
        told = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603
    found: dict[str, float] = json.loads(told.stdout)
    return found


def _keep_stages(found: list[dict[str, float]]) -> None:
    """Keep the minimum of each step, because disturbances can only add to it."""
    least = {step: round(min(one[step] for one in found), 3) for step in found[0]}
    RESULTS.mkdir(exist_ok=True)
    kept = {"rows": STAGES_ROWS, "cpu": least}
    (RESULTS / "stages.json").write_text(json.dumps(kept, indent=1) + "\n")


def timed(
    command: list[str], tool: str, *, when_idle: bool = True
) -> tuple[float, resource.struct_rusage, float]:
    """Run a process once the machine is idle; also return others' use, as a share of a core."""
    if when_idle:
        _wait_until_idle()
    before, began = _busy(), time.monotonic()
    # By wait4, which reports the usage of this one child.
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"{tool} failed")
    own = usage.ru_utime + usage.ru_stime
    return wall, usage, max(0.0, _busy() - before - own) / wall


def _wait_until_idle() -> None:
    while psutil.cpu_percent(IDLE_SECONDS) > MOST_BUSY_PERCENT:
        pass


def _busy() -> float:
    """Return the CPU seconds that the whole machine has used."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


def _take(measured: Measured, usage: resource.struct_rusage, folder: Path) -> None:
    measured.cpu.append(usage.ru_utime + usage.ru_stime)
    measured.peak.append(usage.ru_maxrss / 1024)
    files = [path for path in folder.rglob("*.parquet") if "_runs" not in path.parts]
    # dlt also keeps a copy of what it has loaded in its own folder.
    files = [path for path in files if folder / "dlt" not in path.parents]
    landed = sum(pq.read_metadata(path).num_rows for path in files)
    if landed < measured.rows:
        raise SystemExit(f"{measured.tool} has {landed} of {measured.rows} rows")
    measured.megabytes = sum(path.stat().st_size for path in files) / 1e6


def measured_as(one: dict[str, Any]) -> tuple[str, int, float, str]:
    """Return what a measurement is of: tool, rows, rate and compression."""
    return one["tool"], one["rows"], one["rate"], one.get("suffix", "zst")


def _keep(found: list[Measured]) -> None:
    """Add to earlier measurements, keeping the newest for each tool, size and rate."""
    path = RESULTS / "landing.json"
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else []
    new = [asdict(one) for one in found]
    keys = {measured_as(one) for one in new}
    old = [one for one in known if measured_as(one) not in keys]
    rounded = json.loads(json.dumps(old + new), parse_float=lambda text: round(float(text), 3))
    path.write_text(json.dumps(rounded, indent=1) + "\n")


if __name__ == "__main__":
    cyclopts.run(measure)
