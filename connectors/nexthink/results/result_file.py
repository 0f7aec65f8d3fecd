"""A result (plain CSV) as frames of text columns; typing is done elsewhere.

pyarrow's reader is used for three reasons: it reports rows with too few or too many fields, which
others silently fill with nulls or cut; it distinguishes a quoted empty string from an empty field;
and it splits the text at the ends of records while it still arrives. It is lenient with quotes, so
`csv_syntax` checks them before it reads the text.
"""

import io
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pc

from connectors.csv_syntax import CsvSyntax, CsvSyntaxError
from connectors.errors import DataRefusedError
from connectors.limits import MB, Limits, read_limits, setting
from connectors.nexthink.results.ahead import ahead
from connectors.nexthink.results.destination import CsvStream
from connectors.nexthink.results.header import read_beginning

# Small blocks stay in the processor's cache: with 16 MiB the same work takes three times as long.
# But a record must fit into one block; where one does not, blocks as large as a record may be are.
BLOCK_BYTES = 512 * 1024
# Processed at once: enough that the overhead of calling each step does not matter.
FRAME_BYTES = 8 * 1024 * 1024
FRAMES_AHEAD = 1
# What a row of text takes in memory besides its characters.
ROW_BYTES = 100


class ByteSource(Protocol):
    """Where the text of a result is read from while it arrives."""

    def read(self, size: int) -> bytes:
        """Return the next bytes: as many as asked for, fewer only at the end."""


class RecordTooLongError(Exception):
    """A record does not fit into a block: read the result again, with large blocks."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of a result: a frame of text, and the Arrow table whose text it shows."""

    frame: pl.DataFrame
    table: pa.Table


class BrokenCsvError(DataRefusedError):
    """The text is not strict CSV; read again from a file, the error names the row."""


class ResultFile:
    """One result, from a file or while it arrives.

    `ragged` collects the text of rows with the wrong number of fields.

    Raises:
        DataRefusedError: it does not begin with a header, or with one beyond the ceilings.
    """

    def __init__(self, source: Path | ByteSource, limits: Limits | None = None) -> None:
        self._limits = limits or read_limits()
        self._source = source
        self._torn: str | None = None
        # A download is checked in its own thread.
        self._is_checked = isinstance(source, CsvStream) and source.syntax is not None
        if isinstance(source, Path):
            self._block_bytes = self._most_record
            with source.open("rb") as file:
                first = file.read(BLOCK_BYTES)
        else:
            self._block_bytes = BLOCK_BYTES
            first = source.read(BLOCK_BYTES)
            self._source = _Rejoined(first, source)
        self.header, self._has_rows = read_beginning(first, BLOCK_BYTES, self._limits)
        self.ragged: list[str] = []
        self._ragged_bytes = 0

    @property
    def _most_record(self) -> int:
        return int(self._limits.max_record_mb * MB)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the records in order, as `batches` does, as frames alone."""
        return (batch.frame for batch in self.batches())

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order: all columns are text, an empty field is null.

        Raises:
            DataRefusedError: the file is not UTF-8, or not CSV.
            BrokenCsvError: quotes or line breaks stand where strict CSV does not allow them.
            RecordTooLongError: it still arrives, and a record is longer than a block.
        """
        if not self._has_rows:
            return
        try:
            # Arrow reads in the thread that calls it, so it gets a thread of its own.
            with closing(ahead(self._read(), FRAMES_AHEAD)) as batches:
                yield from batches
        except CsvSyntaxError as error:
            raise BrokenCsvError(f"the result is not CSV: {error}: nothing was published") from None
        except pa.ArrowInvalid as error:
            if self._torn is not None:
                self._locate()
                raise BrokenCsvError(self._torn) from None
            if self._has_too_many_ragged:
                raise too_many_rejected(self._limits) from None
            if "straddl" in str(error):
                raise self._record_too_long() from None
            # Arrow's message may quote a record, which may hold a person's data.
            kind = "text that is not UTF-8" if "UTF8" in str(error) else "text that is not CSV"
            raise DataRefusedError(f"the result holds {kind}: nothing was published") from None

    def take_ragged(self) -> list[str]:
        """Return the ragged rows found since the last call."""
        found, self.ragged = self.ragged, []
        return found

    @property
    def _has_too_many_ragged(self) -> bool:
        return self._ragged_bytes > self._limits.max_rejected_mb * MB

    def _record_too_long(self) -> Exception:
        if self._block_bytes < self._most_record:
            return RecordTooLongError()
        return DataRefusedError(
            f"a record of the result is longer than {self._limits.max_record_mb:g} MiB: raise "
            f"{setting('max_record_mb')}, or narrow the query; nothing was published"
        )

    def _check_cells(self, table: pa.Table) -> None:
        most = self._limits.max_cell_mb * MB
        for column in table.columns:
            # The sizes of cells are looked at only where one may be too large.
            if column.nbytes > most and _longest(column) > most:
                raise DataRefusedError(
                    f"a value of the result is longer than {self._limits.max_cell_mb:g} MiB: raise "
                    f"{setting('max_cell_mb')}, or narrow the query; nothing was published"
                )

    def _read(self) -> Iterator[Batch]:
        if isinstance(self._source, Path):
            _check(self._source)
            yield from self._grouped(self._reader(self._source))
            return
        text = _Text(self._source, None if self._is_checked else CsvSyntax(nul=True))
        try:
            yield from self._grouped(self._reader(text))
        finally:
            text.stop()

    def _grouped(self, batches: pc.CSVStreamingReader) -> Iterator[Batch]:
        group: list[pa.RecordBatch] = []
        size = 0
        for batch in batches:
            group.append(batch)
            size += batch.nbytes
            # Ragged rows count too: a frame lets its reader take them.
            if size + self._ragged_bytes >= FRAME_BYTES:
                yield self._framed(group)
                group, size, self._ragged_bytes = [], 0, 0
        if group:
            yield self._framed(group)

    def _framed(self, group: list[pa.RecordBatch]) -> Batch:
        """Return batches as one, whose frame shows their text without copying it."""
        table = pa.Table.from_batches(group)
        self._check_cells(table)
        return Batch(pl.DataFrame(pl.from_arrow(table)), table)

    def _locate(self) -> None:
        """Read a file again, to name the row: Arrow counts rows only in a single thread."""
        if isinstance(self._source, Path):
            with suppress(pa.ArrowInvalid):
                for _ in self._reader(self._source, use_threads=False):
                    pass

    def _reader(self, text: "Path | _Text", *, use_threads: bool = True) -> pc.CSVStreamingReader:
        def keep(row: pc.InvalidRow) -> str:
            # A quote that is missing or too much: it is unknown how many rows this was.
            if "\n" in row.text or "\r" in row.text:
                which = f"row {row.number}" if row.number else "a record"
                self._torn = (
                    f"the result is not CSV: {which}, which runs over a line break, has "
                    f"{row.actual_columns} fields where the header has {row.expected_columns}: "
                    "nothing was published"
                )
                return "error"
            self.ragged.append(row.text)
            self._ragged_bytes += len(row.text) + ROW_BYTES
            # Arrow hands on nothing while there are only ragged rows: without end, they end here.
            return "error" if self._has_too_many_ragged else "skip"

        return pc.open_csv(
            text,
            read_options=pc.ReadOptions(block_size=self._block_bytes, use_threads=use_threads),
            parse_options=pc.ParseOptions(
                newlines_in_values=True,
                invalid_row_handler=keep,
                # With one column an empty line is a row with a null; otherwise it is nothing.
                ignore_empty_lines=len(self.header) > 1,
            ),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(self.header, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _check(path: Path) -> None:
    syntax = CsvSyntax(nul=True)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            syntax.feed(block)
    syntax.finish()


class _Text(io.RawIOBase):
    """Text as Arrow reads it, checked unless that was done before.

    Arrow reads in a thread of its own. An error that came from there could outlive this process's
    last line and abort it, so the text only ends, and `stop` raises the error.
    """

    def __init__(self, text: ByteSource, syntax: CsvSyntax | None) -> None:
        super().__init__()
        self._text = text
        self._syntax = syntax
        self._error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._error is not None:
            return b""
        try:
            block = self._text.read(size)
            if self._syntax is not None:
                self._syntax.feed(block) if block else self._syntax.finish()
        except BaseException as error:  # noqa: BLE001 - raised by stop
            self._error = error
            return b""
        return block

    def stop(self) -> None:
        """Raise the error that reading ended with."""
        if self._error is not None:
            raise self._error


class _Rejoined:
    """The bytes read to see the header, followed by the rest of the source."""

    def __init__(self, first: bytes, rest: ByteSource) -> None:
        self._first = first
        self._rest = rest

    def read(self, size: int) -> bytes:
        if self._first:
            given, self._first = self._first[:size], self._first[size:]
            return given
        return self._rest.read(size)


def _longest(column: pa.ChunkedArray) -> int:
    return pa.compute.max(pa.compute.binary_length(column)).as_py() or 0


def too_many_rejected(limits: Limits) -> DataRefusedError:
    """Return the error of a result with more rejected rows than are held in memory."""
    return DataRefusedError(
        f"more than {limits.max_rejected_mb:g} MiB of rows do not fit their columns: compare the "
        f"saved query with the declared columns, or raise {setting('max_rejected_mb')}; "
        "nothing was published"
    )
