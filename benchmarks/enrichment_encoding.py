"""How much time and memory it takes to write request bodies, by column and by row.

Usage: python -m benchmarks.enrichment_encoding [--rows N] [--runs N]. Encodes N objects of six
fields into batches of 5,000: with this project's encoder, with the json module and with orjson.
The encoders take turns, and each run has a process of its own. Prints the median, minimum and
maximum seconds of encoding alone, its CPU seconds, and how far the peak memory rose above that of
the process with the frame loaded (Linux only). POLARS_MAX_THREADS=1 takes the second core away.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import cyclopts
import orjson
import polars as pl

from connectors.nexthink.encoding import ObjectLayout, batches
from connectors.nexthink.models import DEFAULT_OBJECTS

SECONDS, PROCESSOR, MEMORY = range(3)
MEBIBYTE: Final = 2**20
LAYOUT: Final = ObjectLayout(
    "device/device/uid",
    "uid",
    {
        "owner": "device/device/#asset_owner",
        "cost_center": "device/device/#cost_center",
        "location": "device/device/#location_code",
        "tag": "device/device/configuration_tag",
        "broker": "device/device/virtualization/desktop_broker",
        "updated": "device/device/virtualization/last_update",
    },
    "cmdb",
)


def by_column(objects: pl.DataFrame) -> Iterator[bytes]:
    """Encode as the product does."""
    for batch in batches(objects, LAYOUT):
        yield batch.body


def by_row(objects: pl.DataFrame, dumps: Callable[[object], bytes]) -> Iterator[bytes]:
    """Encode as a script would: a dictionary per object, date-times by Polars."""
    names = list(LAYOUT.fields.values())
    moments = pl.col("updated").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    for objects_of_piece in objects.select("uid", *LAYOUT.fields).iter_slices(DEFAULT_OBJECTS):
        piece = objects_of_piece.with_columns(moments)
        enrichments = [
            {
                "identification": [{"name": LAYOUT.identification, "value": uid}],
                "fields": [
                    {"name": name, "value": value}
                    for name, value in zip(names, values, strict=True)
                    if value is not None
                ],
            }
            for uid, *values in piece.iter_rows()
        ]
        yield dumps({"enrichments": enrichments, "domain": LAYOUT.domain})


WAYS: dict[str, Callable[[pl.DataFrame], Iterator[bytes]]] = {
    "by column": by_column,
    "json": lambda objects: by_row(
        objects,
        lambda body: json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
    ),
    "orjson": lambda objects: by_row(objects, orjson.dumps),
}


def measure(
    *, rows: int = 1_000_000, runs: int = 5, way: str | None = None, file: Path | None = None
) -> None:
    """Compare the encoders; with WAY and FILE, run one of them once."""
    if way and file:
        _run(WAYS[way], file)
        return
    found: dict[str, list[Run]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "objects.parquet"
        _objects(rows).write_parquet(made)
        for _ in range(runs):
            for name, results in found.items():
                command = [sys.executable, "-m", "benchmarks.enrichment_encoding"]
                command += ["--way", name, "--file", str(made)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
                results.append(Run(*map(float, done.stdout.split())))
    # All encoders write the same values with the same separators, so the sizes must be equal.
    (size,) = {run.size for results in found.values() for run in results}
    print(f"{rows:,} objects of 6 fields, {size / MEBIBYTE:,.0f} MiB of bodies, {runs} runs each")
    for name, results in found.items():
        seconds = [run.seconds for run in results]
        print(
            f"{name:10} {_median(results, SECONDS):6.2f} s "
            f"({min(seconds):.2f} to {max(seconds):.2f}), "
            f"{_median(results, PROCESSOR):.2f} s of processor, "
            f"{_median(results, MEMORY) / MEBIBYTE:,.0f} MiB more"
        )
    least = _median(found["by column"], SECONDS)
    for name in list(WAYS)[1:]:
        print(f"by column is {_median(found[name], SECONDS) / least:.1f} times as fast as {name}")


class Run(NamedTuple):
    """The cost of one run: seconds and bytes."""

    seconds: float
    processor: float
    memory: float
    size: float


def _median(results: list[Run], field: int) -> float:
    return statistics.median(run[field] for run in results)


def _run(way: Callable[[pl.DataFrame], Iterator[bytes]], file: Path) -> None:
    objects = pl.read_parquet(file)
    before = _memory(forget_peak=True)
    began, processor = time.perf_counter(), time.process_time()
    size = sum(len(body) for body in way(objects))
    seconds, busy = time.perf_counter() - began, time.process_time() - processor
    print(seconds, busy, _memory() - before, size)


def _objects(rows: int) -> pl.DataFrame:
    number = pl.int_range(rows)
    return pl.select(
        uid=pl.format("{}-0000-4000-8000-{}", number + 10_000_000, number * 7),
        # Each has a backslash, as account names do, so that one column has to be escaped.
        owner=pl.format("CORP\\user{}", number % 90_000),
        cost_center=pl.format("CC-{}", number % 700),
        location=pl.when(number % 10 > 0).then(pl.format("Zürich {}", number % 40)),
        tag=pl.format("tag {} of this device", number % 5_000),
        broker=number % 8,
        updated=datetime(2026, 1, 1, tzinfo=UTC) + pl.duration(milliseconds=number * 12_345),
    )


def _memory(*, forget_peak: bool = False) -> int:
    """Return this process's peak memory since the peak was last reset."""
    if forget_peak:
        # Reading the file took more memory than encoding does, so reset the kernel's peak.
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    cyclopts.run(measure)
