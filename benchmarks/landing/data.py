"""A generated, seeded export of 24 columns as CSV: the same number of rows gives the same bytes.

It resembles a day of execution events: three date-times, ten columns of repeating text, texts with
quotes and newlines, numbers, a list. The rows are not sorted, because an export promises no order.
"""

import gzip
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import zstandard

START = datetime(2026, 11, 19, tzinfo=UTC)
DAY = timedelta(days=1)
DAY_SECONDS = 86_400
CHUNK_ROWS = 100_000
# Of the twenty kinds of messages, one contains quotes and one contains newlines.
QUOTED, OF_LINES = 1, 2
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


def make(folder: Path, rows: int, suffix: str = "zst") -> Path:
    """Write the export once, compressed by `suffix` (csv, gz, zst), and return its path."""
    path = folder / f"events_{rows}.csv.{suffix}".replace(".csv.csv", ".csv")
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as raw, _packed(raw, suffix) as out:
        for text in chunks(rows):
            out.write(text)
    part.rename(path)
    return path


def _packed(raw: BinaryIO, suffix: str) -> AbstractContextManager[Any]:
    if suffix == "zst":
        return zstandard.ZstdCompressor(3).stream_writer(raw)
    if suffix == "gz":
        return gzip.GzipFile("", "wb", 6, raw, mtime=0)
    return nullcontext(raw)


def chunks(rows: int) -> Iterator[bytes]:
    """Yield the CSV in pieces of whole records; the header comes with the first."""
    for offset in range(0, rows, CHUNK_ROWS):
        frame = _frame(offset, min(CHUNK_ROWS, rows - offset))
        yield frame.write_csv(include_header=not offset, quote_style="necessary").encode()


def window(start: datetime, end: datetime, rows: int) -> bytes:
    """Return a small export of a window as CSV."""
    seconds = int((end - start).total_seconds())
    frame = _frame(int(start.timestamp()), rows, start, seconds)
    return frame.write_csv(quote_style="necessary").encode()


def _frame(
    offset: int, rows: int, begin: datetime = START, span: int = DAY_SECONDS
) -> pl.DataFrame:
    chance = np.random.default_rng([7, offset])
    seconds = chance.integers(0, span, rows)
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
    start = np.datetime64(begin.replace(tzinfo=None), "s")
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
            pl.Series("is_admin", chance.integers(0, 10, rows) == 0),
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
    """Turn small numbers into numbers with many digits, like identifiers."""
    spread = (number + 1) * 11_400_714_819_323 % 10**digits
    text: pl.Expr = spread.cast(pl.String).str.zfill(digits)
    return text


def _long_texts(number: pl.DataFrame) -> list[pl.Series]:
    words = pl.Series(WORDS)
    first, second = words.gather(number["words"]), words.gather((number["words"] + 3) % len(WORDS))
    kind = number["kind"]
    plain = pl.format("{} {} code 0x{}", first, second, number["code"])
    quoted = pl.format('the "{}" of {}, {}', first, second, number["code"])
    lines = pl.format("{}\n  at {}\n  code {}", first, second, number["code"])
    unusual = pl.when(kind == QUOTED).then(quoted).when(kind == OF_LINES).then(lines)
    message = unusual.otherwise(plain)
    tags = pl.when(kind % 3 == 0).then(pl.lit("[]")).otherwise(pl.format("[{}, {}]", first, second))
    frame = pl.select(tags.alias("tags"), message.alias("message"))
    # A fifth of the messages is missing.
    empty = pl.when(kind % 5 == 0).then(None).otherwise(frame["message"]).alias("message")
    return [frame["tags"], pl.select(empty).to_series()]
