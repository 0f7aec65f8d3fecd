"""Formats of files: CSV as batches of text columns; Parquet is in `parquet`."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv as pc

from connectors.csv_syntax import (
    AFTER_QUOTE,
    BARE_CR,
    INSIDE,
    MIXED,
    NUL,
    UNCLOSED,
    CsvSyntax,
    CsvSyntaxError,
)
from connectors.errors import DataRefusedError
from connectors.sources.decoding import decoded
from connectors.sources.source import BATCH_ROWS
from connectors.sources.unpacking import unpacked

BLOCK_BYTES = 1 << 20
# The longest record of CSV: a missing quote would otherwise make one of the rest of a file.
RECORD_BYTES = 1 << 20
PLAIN_QUOTES = "double the quotes inside of values, or set quoted: false"
REMEDIES = {
    AFTER_QUOTE: PLAIN_QUOTES,
    INSIDE: PLAIN_QUOTES,
    UNCLOSED: "the file was cut off, or contains quotes that are not doubled (then set quoted: "
    "false)",
    BARE_CR: "put such values in quotes, and end lines in LF or CRLF",
    MIXED: "end all lines in LF or CRLF",
    NUL: "the file is damaged, or in UTF-16 (then set encoding)",
}


class Format(Protocol):
    """A format of files, which are open and have a name.

    The caller explains Arrow's errors with `complaint`.
    """

    def columns(self, file: Any) -> list[str]:
        """Return the names of the columns."""

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows, as text."""


class Csv:
    """CSV with a header: every value is text as written, an empty field is an empty text.

    Args:
        delimiter: separates two fields.
        encoding: of the text.
        quoted: whether values may be in double quotes, with quotes inside them doubled.
    """

    def __init__(self, delimiter: str, encoding: str, *, quoted: bool) -> None:
        self._delimiter = delimiter
        self._encoding = encoding
        self._quoted = quoted

    def columns(self, file: Any) -> list[str]:
        """Return the names of the columns from the first line."""
        for row, records in self._records(file):
            return list(self._table(row, records, None, None).schema.names)
        raise DataRefusedError("is empty: not even a header")

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows."""
        header: list[str] | None = None
        for row, records in self._records(file):
            if header is None:
                header = list(self._table(row, records, None, None).schema.names)
                table = self._table(row, records, None, columns)
            else:
                table = self._table(row, records, header, columns)
            yield from table.to_batches(BATCH_ROWS)

    def _records(self, file: Any) -> Iterator[tuple[int, bytes]]:
        """Yield whole records, with the row of the first of them."""
        syntax = CsvSyntax(self._delimiter, quoted=self._quoted)
        first, rest = 1, b""
        for block in decoded(unpacked(file, file.name), self._encoding):
            syntax.feed(block)
            end = syntax.last_end
            records, rest = (rest + block[:end], block[end:]) if end else (b"", rest + block)
            if records.strip(b"\r\n"):
                yield first, records
            if len(rest) > RECORD_BYTES:
                raise DataRefusedError(f"row {syntax.rows} has more than a megabyte, or {UNCLOSED}")
            first = syntax.rows
        syntax.finish()
        if rest.strip(b"\r\n"):
            yield first, rest + b"\n"

    def _table(
        self, row: int, records: bytes, header: list[str] | None, columns: Sequence[str] | None
    ) -> pa.Table:
        """Read records at once: Arrow calls no Python then from threads that may outlive it."""

        def refuse(ragged: pc.InvalidRow) -> str:
            wrong.append(
                f"row {row + (ragged.number or 1) - 1} has {ragged.actual_columns} fields where "
                f"the header has {ragged.expected_columns}"
            )
            return "error"

        wrong: list[str] = []
        read = pc.ReadOptions(block_size=len(records) + 1, use_threads=False, column_names=header)
        parse = pc.ParseOptions(
            delimiter=self._delimiter,
            quote_char='"' if self._quoted else False,
            newlines_in_values=self._quoted,
            invalid_row_handler=refuse,
        )
        # No type is guessed: a number keeps its leading zeros.
        convert = pc.ConvertOptions(
            include_columns=list(columns or ()),
            column_types=dict.fromkeys(columns or (), pa.string()),
            strings_can_be_null=False,
        )
        try:
            return pc.read_csv(pa.BufferReader(records), read, parse, convert)
        except pa.ArrowInvalid:
            if wrong:
                raise DataRefusedError(wrong[0]) from None
            raise


def complaint(error: Exception) -> str:
    """Return what is wrong with a file; Arrow's own message may quote a row."""
    if isinstance(error, CsvSyntaxError):
        return f"{error}: {REMEDIES[error.reason]}"
    if isinstance(error, pa.ArrowNotImplementedError):
        return "uses a feature of its format that cannot be read: write it in another way"
    if isinstance(error, UnicodeError):
        return "contains text in another encoding: set encoding"
    return "cannot be read: it is damaged, or has another format"
