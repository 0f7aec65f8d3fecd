"""Turns frames into what is sent: CSV bytes, compressed or not, and JSON cells."""

import csv
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import polars as pl
import zstandard

from sandbox.options import SandboxOptions

SUFFIXES = {"NONE": ".csv", "GZIP": ".csv.gz", "ZSTD": ".csv.zst"}

# The fastest levels: nobody keeps these files.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 1
_GZIP_HEADER = 31
# What the CSV writer writes by default.
_BOOLEANS = ("true", "false")


@dataclass(frozen=True, slots=True)
class DateStyle:
    """How values are written: date-times and their zone; in CSV also nulls and booleans."""

    strftime: str
    zone: str
    null: str = ""
    booleans: tuple[str, str] = ("true", "false")

    def in_utc(self) -> "DateStyle":
        """Return the same style, in UTC."""
        return replace(self, zone="UTC")


def style_of(options: SandboxOptions) -> DateStyle:
    """Return the style a tenant writes in."""
    return DateStyle(
        options.strftime, options.written_zone, options.null_text, options.boolean_texts
    )


def written(frame: pl.DataFrame, style: DateStyle) -> pl.DataFrame:
    """Return the frame with date-times and arrays as text, as results show them."""
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
    """Return the rows as CSV: by default a null is nothing and an empty text a pair of quotes."""
    buffer = io.BytesIO()
    texts = written(frame, style)
    if style.booleans != _BOOLEANS:
        yes, no = (pl.lit(text) for text in style.booleans)
        flags = [name for name, dtype in frame.schema.items() if dtype == pl.Boolean]
        texts = texts.with_columns(
            pl.when(name).then(yes).when(~pl.col(name)).then(no).alias(name) for name in flags
        )
    texts.write_csv(buffer, include_header=False, null_value=style.null)
    return buffer.getvalue()


class Compressor(Protocol):
    """Compresses bytes in pieces."""

    def compress(self, data: bytes, /) -> bytes:
        """Compress a piece and return what is ready."""
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
