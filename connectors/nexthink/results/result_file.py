"""A result (plain CSV) as tables of text columns; typing is done elsewhere.

pyarrow's reader is used because it reports rows with too few or too many fields, which others
fill with nulls or cut in silence, because it tells a quoted empty string from an empty field, and
because it cuts the text at the ends of records while that still arrives.
"""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from connectors.errors import DataRefusedError
from connectors.nexthink.results.ahead import ahead

# Small blocks stay in the processor's cache: with 16 MiB the same takes three times as long. A
# record must fit into one block, though, and where one does not, the larger ones are used.
BLOCK_BYTES = 512 * 1024
LARGE_BLOCK_BYTES = 32 * BLOCK_BYTES
# What is worked on at once: enough that the cost of each step's call does not count.
TABLE_BYTES = 8 * 1024 * 1024
TABLES_AHEAD = 1


class Source(Protocol):
    """Where the text of a result comes from while it arrives."""

    def read(self, size: int) -> bytes:
        """Give the next bytes: as many as asked for, fewer only at the end."""


class RecordTooLongError(Exception):
    """A record does not fit into a block: read the result again, with large ones."""


class ResultFile:
    """One result, from a file or as it arrives.

    `ragged` collects the text of rows whose number of fields is off.
    """

    def __init__(self, source: Path | Source) -> None:
        self._source = source
        if isinstance(source, Path):
            self._block_bytes = LARGE_BLOCK_BYTES
            with source.open("rb") as file:
                self.header, self._has_rows = _read_beginning(file)
        else:
            self._block_bytes = BLOCK_BYTES
            first = source.read(BLOCK_BYTES)
            self._source = _Rejoined(first, source)
            self.header, self._has_rows = _read_beginning(io.BytesIO(first))
        self.ragged: list[str] = []

    def batches(self) -> Iterator[pl.DataFrame]:
        """Give the records as frames: see tables."""
        return (pl.DataFrame(table) for table in self.tables())

    def tables(self) -> Iterator[pa.Table]:
        """Give the records in order: all columns text, null for an empty field.

        Raises:
            DataRefusedError: the file is not UTF-8, or no CSV.
            RecordTooLongError: it arrives, and a record is longer than a block.
        """
        if not self._has_rows:
            return
        try:
            # Arrow reads in whichever thread asks it to.
            with closing(ahead(_grouped(self._reader()), TABLES_AHEAD)) as tables:
                yield from tables
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and self._block_bytes < LARGE_BLOCK_BYTES:
                raise RecordTooLongError from None
            # Arrow's message may quote a record, which may hold a person's data.
            kind = "text that is not UTF-8" if "UTF8" in str(error) else "text that is no CSV"
            raise DataRefusedError(f"the result holds {kind}: nothing was published") from None

    def take_ragged(self) -> list[str]:
        """Give the ragged rows found since the last call."""
        found, self.ragged = self.ragged, []
        return found

    def _reader(self) -> pc.CSVStreamingReader:
        def keep(row: pc.InvalidRow) -> str:
            self.ragged.append(row.text)
            return "skip"

        return pc.open_csv(
            self._source,
            read_options=pc.ReadOptions(block_size=self._block_bytes),
            parse_options=pc.ParseOptions(
                newlines_in_values=True,
                invalid_row_handler=keep,
                # An empty line is a row whose one field is null, or nothing.
                ignore_empty_lines=len(self.header) > 1,
            ),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(self.header, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _grouped(batches: pc.CSVStreamingReader) -> Iterator[pa.Table]:
    group: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.nbytes
        if size >= TABLE_BYTES:
            yield pa.Table.from_batches(group)
            group, size = [], 0
    if group:
        yield pa.Table.from_batches(group)


class _Rejoined(io.RawIOBase):
    """What has been read of a source to see its header, and then the rest, as Arrow reads it."""

    def __init__(self, first: bytes, rest: Source) -> None:
        super().__init__()
        self._first = first
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._first:
            given, self._first = self._first[:size], self._first[size:]
            return given
        return self._rest.read(size)


def _read_beginning(file: BinaryIO) -> tuple[list[str], bool]:
    """Give the header, empty for an empty file, and whether anything follows it."""
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            first = next(csv.reader(text), [])
            if not first and any(line.strip("\r\n") for line in text):
                raise DataRefusedError("the result begins with an empty line: no header")
            return first, bool(first) and next(text, None) is not None
    except (UnicodeDecodeError, csv.Error):
        raise DataRefusedError("the beginning of the result is no CSV in UTF-8") from None
