"""How long everyday commands take, next to the dlt script that a user would write instead.

Usage: python -m benchmarks.everyday --peers-python .venv/peers/bin/python [--rounds N]. Starts one
sandbox and one kept Prefect server, then runs each command as a whole process, alternating, when
the machine is idle. Writes docs/performance/everyday.json and the table in docs/performance.md.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cyclopts

from benchmarks.landing.__main__ import MOST_DISTURBED, MOST_TRIES, RESULTS, ROOT, timed

DEVICES, DATASETS = 500, 200
DLT, MANY = "dlt script", f"nxp datasets, {DATASETS} in the catalogue"
PLAIN, KEPT = "nxp export devices", "nxp export devices, server kept"
DATASETS_COMMAND = "nxp datasets"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- everyday:begin -->", "<!-- everyday:end -->"


@dataclass
class Case:
    """A command and its runs: wall and CPU seconds, peak MiB. `aim` is its share of `against`."""

    name: str
    words: tuple[str, ...]
    aim: float = 1
    against: str = DLT
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def cases() -> list[Case]:
    """Return what is measured, in the order of one round."""
    return [
        Case(DLT, ()),
        Case(PLAIN, ("export", "devices"), 0.7),
        Case(KEPT, ("export", "devices"), 1.6),
        Case(DATASETS_COMMAND, ("datasets",), 0.35),
        Case("nxp runs", ("runs",), 0.35),
        Case("nxp check", ("check",), 0.35),
        Case('nxp sql "select 1"', ("sql", "select 1"), 0.35),
        Case("nxp --help", ("--help",), 0.15),
        Case(MANY, ("datasets",), 1.5, DATASETS_COMMAND),
    ]


def measure(*, peers_python: str, rounds: int = 7, when_idle: bool = True) -> None:
    """Run every command ROUNDS times, and write the results."""
    measured = cases()
    with tempfile.TemporaryDirectory(prefix="nxp-everyday-") as name:
        folder = Path(name)
        catalog = _catalogue_of_many(folder / "many")
        with _sandbox() as tenant, _server_kept(folder / "kept"):
            os.environ |= tenant
            for round_ in range(rounds + 1):
                for case in measured:
                    home = folder / ("kept" if case.name == KEPT else "plain")
                    os.environ["NXP_HOME"] = str(home)
                    os.environ["NXP_CATALOG"] = str(
                        catalog if case.name == MANY else ROOT / "deployments"
                    )
                    # The first round makes the ledger and compiles; it is not counted.
                    _run(case, folder, peers_python, when_idle=when_idle and round_ > 0)
                    if not round_:
                        case.wall, case.cpu, case.peak = [], [], []
    _keep(measured)
    print(table(measured))


@contextmanager
def _sandbox() -> Iterator[dict[str, str]]:
    """Serve the stand-in tenant, and yield the variables that point to it."""
    command = [sys.executable, "-m", "nxp", "sandbox", "--json", "--devices", str(DEVICES)]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            served = json.loads(process.stdout.readline() if process.stdout else "")
            names = ("api_url", "login_url", "client_id", "client_secret", "instance", "region")
            yield {f"NEXTHINK_{name.upper()}": served[name] for name in names}
        finally:
            process.terminate()


@contextmanager
def _server_kept(home: Path) -> Iterator[None]:
    """Keep a Prefect server in a home of its own."""
    for name in ("PREFECT_API_URL", "NXP_PREFECT", "NXP_LAKE", "NXP_LEDGER_URL"):
        os.environ.pop(name, None)
    environment = os.environ | {"NXP_HOME": str(home)}
    command = [sys.executable, "-m", "nxp", "server"]
    subprocess.run([*command, "start"], cwd=ROOT, env=environment, check=True)  # noqa: S603
    try:
        yield
    finally:
        subprocess.run([*command, "stop"], cwd=ROOT, env=environment, check=True)  # noqa: S603


def _run(case: Case, folder: Path, peers_python: str, *, when_idle: bool) -> None:
    """Run a case once, and again if other processes were busy during it."""
    command = [sys.executable, "-m", "nxp", *case.words]
    for _ in range(MOST_TRIES):
        scratch = folder / "dlt"
        if case.name == DLT:
            scratch.mkdir()
            command = [peers_python, "-m", "benchmarks.everyday_dlt", str(scratch)]
        wall, usage, disturbed = timed(command, case.name, when_idle=when_idle)
        shutil.rmtree(scratch, ignore_errors=True)
        # The kept server works for this run, so it is never undisturbed.
        if disturbed <= MOST_DISTURBED or case.name == KEPT or not when_idle:
            break
    case.wall.append(wall)
    case.cpu.append(usage.ru_utime + usage.ru_stime)
    case.peak.append(usage.ru_maxrss / 1024)


def _catalogue_of_many(catalog: Path) -> Path:
    """Write a catalogue of many datasets, each a copy of the shipped one of devices."""
    shipped = ROOT / "deployments"
    shutil.copytree(shipped / "queries", catalog / "queries")
    (catalog / "datasets").mkdir()
    text = (shipped / "datasets" / "devices.yaml").read_text("utf-8")
    for number in range(DATASETS):
        named = text.replace("dataset: devices", f"dataset: devices_{number}")
        (catalog / "datasets" / f"devices_{number}.yaml").write_text(named, "utf-8")
    return catalog


def _keep(measured: list[Case]) -> None:
    found = {case.name: asdict(case) for case in measured}
    rounded = json.loads(json.dumps(found), parse_float=lambda number: round(float(number), 3))
    (RESULTS / "everyday.json").write_text(json.dumps(rounded, indent=1) + "\n", "utf-8")
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(measured)}\n{END}{after}", "utf-8")


def table(measured: list[Case]) -> str:
    """Return what was measured as a table of Markdown."""
    by_name = {case.name: case for case in measured}
    lines = [
        "| command | wall s, median (least to most) | CPU s | peak MiB | wall, CPU: ratio | aim |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    return "\n".join(lines + [_line(case, by_name) for case in measured])


def _line(case: Case, by_name: Mapping[str, Case]) -> str:
    against = by_name[case.against]
    ratios = [
        statistics.median(ours) / statistics.median(theirs)
        for ours, theirs in ((case.wall, against.wall), (case.cpu, against.cpu))
    ]
    of = "" if case.against == DLT else f" of `{case.against}`"
    name = case.name if case.name == DLT else f"`{case.name}`"
    aim = "" if case.name == DLT else f"{case.aim}"
    return (
        f"| {name} | {_spread(case.wall)} | {_spread(case.cpu)} | {max(case.peak):,.0f} "
        f"| {ratios[0]:.2f}, {ratios[1]:.2f}{of} | {aim} |"
    )


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


if __name__ == "__main__":
    cyclopts.run(measure)
