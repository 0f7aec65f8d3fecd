"""How a landed file's layout affects three analysts' queries, run by DuckDB and by Polars.

Usage: python -m benchmarks.queries [--rows N]. The layouts hold the same rows: as this engine lands
them, as it lands an export that the saved query has sorted by time, and as pyarrow writes batches
by default.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cyclopts
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.landing.__main__ import DATA, served
from benchmarks.landing.data import make
from benchmarks.landing.engine import DAY, land, prepare
from connectors.lake.stage import Stage

ROUNDS = 7
BATCH_ROWS = 3_000
HOUR = datetime(2026, 11, 19, 10, tzinfo=UTC)
DEVICE = "LAP-004711"
QUESTIONS = {
    "one hour of the day": (
        """SELECT count(*), sum(incoming_bytes) FROM read_parquet('{path}')
        WHERE event_time >= '2026-11-19 10:00:00Z' AND event_time < '2026-11-19 11:00:00Z'""",
        lambda frame: frame.filter(
            pl.col("event_time") >= HOUR, pl.col("event_time") < HOUR + timedelta(hours=1)
        ).select(pl.len(), pl.col("incoming_bytes").sum()),
    ),
    "one device": (
        "SELECT event_time, message FROM read_parquet('{path}') WHERE device_name = 'LAP-004711'",
        lambda frame: frame.filter(pl.col("device_name") == DEVICE).select("event_time", "message"),
    ),
    "memory by application": (
        "SELECT application_name, avg(memory_bytes) FROM read_parquet('{path}') GROUP BY ALL",
        lambda frame: frame.group_by("application_name").agg(pl.col("memory_bytes").mean()),
    ),
}


def measure(*, rows: int = 1_000_000) -> None:
    """Run each query on each layout, taking turns."""
    make(DATA, rows)
    with tempfile.TemporaryDirectory() as name, served(DATA) as url:
        folder = Path(name)
        prepare(f"events_{rows}_zst", url, folder)
        land(**DAY)
        landed = next((folder / "lake").rglob("date=*/*.parquet"))
        forms = {
            "as landed": landed,
            "sorted by the query": _sorted(landed, folder),
            "pyarrow's batches": _batches(landed, folder),
        }
        acts = {
            (question, form, tool): act
            for question, (sql, lazily) in QUESTIONS.items()
            for form, path in forms.items()
            for tool, act in _asked(sql, lazily, path).items()
        }
        taken: dict[tuple[str, str, str], list[float]] = {key: [] for key in acts}
        for _ in range(ROUNDS):
            for key, act in acts.items():
                began = time.monotonic()
                act()
                taken[key].append(time.monotonic() - began)
        for form, path in forms.items():
            groups = pq.read_metadata(path).num_row_groups
            print(f"{form:20} {path.stat().st_size / 1e6:7.1f} MB in {groups} row groups")
        for (question, form, tool), seconds in taken.items():
            middle = statistics.median(seconds) * 1000
            print(f"{question:22} {form:20} {tool:7} {middle:8.1f} ms", flush=True)


def _asked(
    sql: str, lazily: Callable[[pl.LazyFrame], pl.LazyFrame], path: Path
) -> dict[str, Callable[[], object]]:
    return {
        "DuckDB": lambda: duckdb.execute(sql.format(path=path)).fetchall(),
        "Polars": lambda: lazily(pl.scan_parquet(path)).collect(),
    }


def _sorted(landed: Path, folder: Path) -> Path:
    """Write the rows as the engine would if they came sorted by time."""
    table = pq.read_table(landed, partitioning=None).sort_by("event_time")
    with Stage(folder / "sorted", table.schema) as stage:
        for batch in table.to_batches(20_000):
            stage.write("sorted", pa.Table.from_batches([batch]))
        return stage.finish()[0].path


def _batches(landed: Path, folder: Path) -> Path:
    """Write the rows as a loop over a CSV reader's batches does."""
    path = folder / "batches.parquet"
    opened = pq.ParquetFile(landed)
    with pq.ParquetWriter(path, opened.schema_arrow, compression="zstd") as writer:
        for batch in opened.iter_batches(BATCH_ROWS):
            writer.write_batch(batch)
    return path


if __name__ == "__main__":
    cyclopts.run(measure)
