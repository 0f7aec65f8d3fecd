"""How much time and memory five checks of a unit take.

Usage: python -m benchmarks.checks [--rows N]. Prints one line: the seconds of one rows, not_null,
unique, fresh and allowed check over N rows, and by how much they raised the process's peak memory.
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import cyclopts
import polars as pl

from connectors.catalogue import DatasetSpecification
from tasks.columns.checks import run_checks

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ROW_GROUP = 65_536
PLATFORMS = ("windows", "macos", "linux")
SPECIFICATION = {
    "dataset": "things",
    "query_id": "#things",
    "mode": "snapshot",
    "columns": [
        {"nql": "uid"},
        {"nql": "platform"},
        {"nql": "size", "type": "int"},
        {"nql": "at", "type": "datetime"},
    ],
    "checks": [
        {"check": "rows", "min": 1},
        {"check": "not_null", "column": "size", "max_share": 0.1},
        {"check": "unique", "columns": ["uid"]},
        {"check": "fresh", "column": "at", "within": "1d"},
        {"check": "allowed", "column": "platform", "values": list(PLATFORMS)},
    ],
}


def measure(*, rows: int = 1_000_000, write_to: Path | None = None) -> None:
    """Check a file of ROWS rows; another process writes it, so that its memory does not count."""
    if write_to:
        _write(rows, write_to)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        again = [sys.executable, "-m", "benchmarks.checks", "--rows", str(rows), "--write-to"]
        subprocess.run([*again, str(file)], check=True)  # noqa: S603 - our own interpreter
        specification = DatasetSpecification.model_validate(SPECIFICATION)
        before = _peak()
        began = time.monotonic()
        results = run_checks([file], specification, rows=rows, exported_at=NOW)
        seconds = time.monotonic() - began
    passed = sum(result.passed for result in results)
    print(
        f"{rows:,} rows, {passed} of {len(results)} checks passed: {seconds:.2f} s, "
        f"{_peak() - before:,.0f} MiB more than the {before:,.0f} before"
    )


def _write(rows: int, file: Path) -> None:
    number = pl.int_range(rows, eager=True)
    pl.DataFrame(
        {
            "uid": pl.select(pl.format("{}-0000-4000-8000-{}", number, number * 7)).to_series(),
            "platform": pl.Series(PLATFORMS).gather(number % len(PLATFORMS)),
            "size": number.set(number % 50 == 0, None),
            "at": pl.repeat(NOW, rows, dtype=pl.Datetime("us", "UTC"), eager=True),
        }
    ).write_parquet(file, row_group_size=ROW_GROUP)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    cyclopts.run(measure)
