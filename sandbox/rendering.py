"""Frames to what travels: CSV bytes, compressed or not, and JSON cells."""

import csv
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import polars as pl
import zstandard

SUFFIXES = {"NONE": ".csv", "GZIP": ".csv.gz", "ZSTD": ".csv.zst"}

# The quickest levels: nobody keeps these files.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 1
_GZIP_HEADER = 31


@dataclass(frozen=True, slots=True)
class DateStyle:
    """How date-times are written, and in which zone."""

    strftime: str
    zone: str

    def in_utc(self) -> "DateStyle":
        """Return the same style, in UTC."""
        return DateStyle(self.strftime, "UTC")


def written(frame: pl.DataFrame, style: DateStyle) -> pl.DataFrame:
    """Return the frame with date-times and arrays as the texts that results show."""
    changed = []
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime):
            local = pl.col(name).dt.convert_time_zone(style.zone)
            changed.append(local.dt.to_string(style.strftime))
        elif isinstance(dtype, pl.List):
            listed = pl.concat_str(pl.lit("["), pl.col(name).list.join(", "), pl.lit("]"))
            changed.append(listed.alias(name))
    return frame.with_columns(changed)


def csv_header(frame: pl.DataFrame) -> bytes:
    """Return the header line."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(frame.columns)
    return buffer.getvalue().encode()


def csv_rows(frame: pl.DataFrame, style: DateStyle) -> bytes:
    """Return the rows as CSV: a null is an empty field, an empty text is a pair of quotes."""
    buffer = io.BytesIO()
    written(frame, style).write_csv(buffer, include_header=False)
    return buffer.getvalue()


class Compressor(Protocol):
    """Takes bytes in pieces."""

    def compress(self, data: bytes, /) -> bytes:
        """Take a piece, return what is ready."""
        ...

    def flush(self) -> bytes:
        """Return the rest."""
        ...


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _zstd() -> Compressor:
    # Two threads: the pieces are large, and everything else waits for them.
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=2).compressobj()


COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "NONE": _Plain,
    "GZIP": lambda: zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_HEADER),
    "ZSTD": _zstd,
}
