"""A made export of 24 columns as CSV, seeded: the same rows count gives the same bytes.

Shaped like a day of execution events: three date-times, ten columns of text that repeat, texts
with quotes and newlines, numbers, a list. The rows are in no order, as an export promises none.
"""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import zstandard

from connectors.catalogue import DatasetSpecification

START = datetime(2026, 11, 19, tzinfo=UTC)
DAY = timedelta(days=1)
CHUNK_ROWS = 100_000
MICROSECOND = 1_000_000
# name, type: what an analyst would declare.
COLUMNS = (
    ("event_time", "datetime"),
    ("event_id", "int"),
    ("device_name", "string"),
    ("device_uid", "string"),
    ("user_name", "string"),
    ("user_uid", "string"),
    ("entity", "string"),
    ("os_name", "string"),
    ("ip_address", "string"),
    ("binary_name", "string"),
    ("binary_version", "string"),
    ("binary_hash", "string"),
    ("application_name", "string"),
    ("started_at", "datetime"),
    ("ended_at", "datetime"),
    ("duration_s", "float"),
    ("cpu_time_s", "float"),
    ("memory_bytes", "int"),
    ("incoming_bytes", "int"),
    ("outgoing_bytes", "int"),
    ("freezes", "int"),
    ("is_admin", "bool"),
    ("tags", "list"),
    ("message", "string"),
)
WORDS = (
    "stopped",
    "working",
    "update",
    "driver",
    "service",
    "policy",
    "session",
    "remote",
    "cache",
)


def specification() -> DatasetSpecification:
    """Declare the export as a dataset of the catalogue."""
    return DatasetSpecification.model_validate(
        {
            "dataset": "bench_events",
            "query_id": "#bench_events",
            "mode": "window",
            "window": {"column": "event_time", "from": "from", "to": "to"},
            "columns": [
                {"nql": name, "type": kind, "key": name == "event_id"} for name, kind in COLUMNS
            ],
        }
    )


def make(folder: Path, rows: int, suffix: str = "zst") -> Path:
    """Write the export, packed as `suffix` says (csv, gz, zst), once; gives its path."""
    path = folder / f"events-{rows}.csv.{suffix}".replace(".csv.csv", ".csv")
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with ExitStack() as opened:
        raw = opened.enter_context(part.open("wb"))
        out = raw
        if suffix == "zst":
            out = opened.enter_context(zstandard.ZstdCompressor(3).stream_writer(raw))
        elif suffix == "gz":
            out = opened.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
        for text in chunks(rows):
            out.write(text)
    part.rename(path)
    return path


def chunks(rows: int) -> Iterator[bytes]:
    """Give the CSV in pieces of whole records; the header comes with the first."""
    for offset in range(0, rows, CHUNK_ROWS):
        frame = _frame(offset, min(CHUNK_ROWS, rows - offset))
        yield frame.write_csv(include_header=not offset, quote_style="necessary").encode()


def _frame(offset: int, rows: int) -> pl.DataFrame:
    chance = np.random.default_rng([7, offset])
    seconds = chance.integers(0, 86_400, rows)
    duration = chance.gamma(2.0, 60.0, rows)
    device, user = chance.integers(0, 10_000, rows), chance.integers(0, 12_000, rows)
    binary = chance.zipf(1.3, rows) % 2_000
    number = pl.DataFrame(
        {
            "device": device,
            "user": user,
            "binary": binary,
            "words": chance.integers(0, len(WORDS), rows),
            "kind": chance.integers(0, 20, rows),
            "code": chance.integers(0, 2**31, rows),
        }
    )
    start = np.datetime64(START.replace(tzinfo=None), "s")
    times = pl.DataFrame(
        {
            "event_time": (start + seconds).astype("datetime64[ms]"),
            "started_at": (start + seconds - 5).astype("datetime64[ms]"),
            "ended_at": (start + seconds + duration.astype(np.int64)).astype("datetime64[ms]"),
        }
    ).select(pl.all().dt.strftime("%Y-%m-%d %H:%M:%S"))
    return pl.DataFrame(
        [
            times["event_time"],
            pl.Series("event_id", np.arange(offset, offset + rows)),
            *_texts(number),
            times["started_at"],
            times["ended_at"],
            pl.Series("duration_s", duration.round(3)),
            pl.Series("cpu_time_s", chance.gamma(1.0, 9.0, rows).round(2)),
            pl.Series("memory_bytes", chance.integers(2**20, 2**34, rows)),
            pl.Series("incoming_bytes", chance.integers(0, 2**24, rows)),
            pl.Series("outgoing_bytes", chance.integers(0, 2**20, rows)),
            pl.Series("freezes", chance.poisson(0.2, rows)),
            pl.Series("is_admin", chance.random(rows) < 0.1),
            *_long_texts(number),
        ]
    )


def _texts(number: pl.DataFrame) -> list[pl.Series]:
    device, user, binary = pl.col("device"), pl.col("user"), pl.col("binary")
    version = pl.format("{}.0.{}.{}", binary % 130, binary * 7 % 7000, binary % 97)
    return number.select(
        pl.format("LAP-{}", device.cast(pl.String).str.zfill(6)).alias("device_name"),
        pl.format("{}-4f2a-{}", _spread(device, 8), _spread(device + 1, 12)).alias("device_uid"),
        pl.format("user{}@acme.example", user).alias("user_name"),
        pl.format("{}-7c1e", _spread(user, 12)).alias("user_uid"),
        pl.format("EMEA/Site {}", device % 30).alias("entity"),
        pl.format("Windows 11 {}H2", 22 + device % 4).alias("os_name"),
        pl.format("10.{}.{}.{}", device % 30, device // 256, device % 256).alias("ip_address"),
        pl.format("process_{}.exe", binary).alias("binary_name"),
        version.alias("binary_version"),
        pl.format("{}{}", _spread(binary, 12), _spread(binary + 1, 12)).alias("binary_hash"),
        pl.format("Application {}", binary % 200).alias("application_name"),
    ).get_columns()


def _spread(number: pl.Expr, digits: int) -> pl.Expr:
    """Turn small numbers into ones of many digits, as identifiers look."""
    spread = (number + 1) * 11_400_714_819_323 % 10**digits
    return spread.cast(pl.String).str.zfill(digits)


def _long_texts(number: pl.DataFrame) -> list[pl.Series]:
    words = pl.Series(WORDS)
    first, second = words.gather(number["words"]), words.gather((number["words"] + 3) % len(WORDS))
    kind = number["kind"]
    plain = pl.format("{} {} code 0x{}", first, second, number["code"])
    quoted = pl.format('the "{}" of {}, {}', first, second, number["code"])
    lines = pl.format("{}\n  at {}\n  code {}", first, second, number["code"])
    message = pl.when(kind == 0).then(quoted).when(kind == 1).then(lines).otherwise(plain)
    tags = pl.when(kind < 6).then(pl.lit("[]")).otherwise(pl.format("[{}, {}]", first, second))
    frame = pl.select(tags.alias("tags"), message.alias("message"))
    # A fifth of the messages is not there.
    empty = pl.when(kind % 5 == 4).then(None).otherwise(frame["message"]).alias("message")
    return [frame["tags"], pl.select(empty).to_series()]
