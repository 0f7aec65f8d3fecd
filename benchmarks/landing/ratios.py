"""Prints the results of benchmarks.landing as ratios to the peers and to the floor.

Usage: python -m benchmarks.landing.ratios. The floor is the CPU of all steps by themselves, divided
by two cores; it does not include start and imports.
"""

import json
import statistics
from typing import Any

from benchmarks.landing.__main__ import ENGINE, MOST_ROWS_IN_MEMORY, RESULTS, measured_as

CORES = 2
PEERS = ("Polars lazy", "pyarrow threaded", "DuckDB", "pandas", "dlt")
IN_MEMORY = "Polars naive"


def tell() -> None:
    """Print a line for each number of rows and rate."""
    measured = json.loads((RESULTS / "landing.json").read_text())
    stages = json.loads((RESULTS / "stages.json").read_text())
    start, per_row = _floor(stages)
    print(f"by itself, CPU s: {stages['cpu']} of {stages['rows']:,} rows")
    for key in sorted({measured_as(one)[1:] for one in measured}):
        rows, rate, suffix = key
        runs = {one["tool"]: one for one in measured if measured_as(one)[1:] == key}
        if ENGINE not in runs:
            continue
        ours = statistics.median(runs[ENGINE]["wall"])
        line = [f"{rows:,} rows" + (f" at {rate:g} MB/s" if rate else "") + f" ({suffix})"]
        line += [f"{ours / (per_row * rows):.2f} of the floor"]
        line += [f"{(ours - start) / (per_row * rows):.2f} without start"]
        line += [_against(runs[name], runs[ENGINE]) for name in _peers(rows) if name in runs]
        print("; ".join(line))


def _peers(rows: int) -> tuple[str, ...]:
    return (*PEERS, IN_MEMORY) if rows <= MOST_ROWS_IN_MEMORY else PEERS


def _floor(stages: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds of a start, and those of a row."""
    steps = dict(stages["cpu"])
    start = steps.pop("start")
    return start, sum(steps.values()) / CORES / stages["rows"]


def _against(peer: dict[str, Any], ours: dict[str, Any]) -> str:
    """Return the ratio of medians, with its minimum and maximum by the spread of both."""
    least = min(ours["wall"]) / max(peer["wall"])
    most = max(ours["wall"]) / min(peer["wall"])
    middle = statistics.median(ours["wall"]) / statistics.median(peer["wall"])
    return f"{peer['tool']} {middle:.2f} ({least:.2f} to {most:.2f})"


if __name__ == "__main__":
    tell()
