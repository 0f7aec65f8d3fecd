"""CSV and Parquet files as batches of text columns."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from connectors.errors import DataRefusedError
from connectors.sources.source import BATCH_ROWS
from connectors.sources.texts import as_texts

# A record must fit into one block.
BLOCK_BYTES = 1 << 20
RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
QUOTE = b'"'


class Format(Protocol):
    """A format of files. The caller explains Arrow's errors with `complaint`."""

    def columns(self, file: Any) -> list[str]:
        """Return the names of the columns."""

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows, as text."""


class Parquet:
    """Parquet, read piece by piece, smaller than a row group."""

    def columns(self, file: Any) -> list[str]:
        """Return the names of the columns."""
        with pq.ParquetFile(file) as parquet:
            return list(parquet.schema_arrow.names)

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows, as text."""
        with pq.ParquetFile(file, pre_buffer=False, buffer_size=BLOCK_BYTES) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=list(columns)):
                yield as_texts(batch.select(list(columns)))


class Csv:
    """CSV with a header: every value is text as written, an empty field is an empty text.

    Args:
        delimiter: separates two fields.
        encoding: of the text.
        quoted: whether values may be in double quotes, with quotes inside them doubled.
    """

    def __init__(self, delimiter: str, encoding: str, *, quoted: bool) -> None:
        self._encoding = encoding
        self._quoted = quoted
        self._parse = pc.ParseOptions(
            delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
        )

    def columns(self, file: Any) -> list[str]:
        """Return the names of the columns from the first line."""
        with self._reader(file, None) as reader:
            return list(reader.schema.names)

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows."""
        counted = _Counted(file)
        with self._reader(counted, columns) as reader:
            for block in reader:
                for start in range(0, block.num_rows, BATCH_ROWS):
                    yield block.slice(start, BATCH_ROWS)
        if self._quoted and counted.quotes % 2:
            # Arrow reads everything after an unclosed quote as one value.
            raise DataRefusedError(
                "has a quote that is not closed: the file was cut off, or contains quotes that "
                "are not doubled (then set quoted: false)"
            )

    def _reader(self, file: Any, columns: Sequence[str] | None) -> pc.CSVStreamingReader:
        options = pc.ReadOptions(encoding=self._encoding, block_size=BLOCK_BYTES, use_threads=False)
        # No type is guessed: a number keeps its leading zeros.
        convert = pc.ConvertOptions(
            include_columns=list(columns or ()),
            column_types=dict.fromkeys(columns or (), pa.string()),
            strings_can_be_null=False,
        )
        return pc.open_csv(file, options, self._parse, convert)


class _Counted:
    """A file whose quotes are counted while it is read."""

    closed = False

    def __init__(self, file: Any) -> None:
        self.quotes = 0
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, counting their quotes."""
        content: bytes = self._file.read(size)
        self.quotes += content.count(QUOTE)
        return content

    def readable(self) -> bool:
        """Return True: the file can be read."""
        return True

    def seekable(self) -> bool:
        """Return False: the file is read once, in order."""
        return False

    def writable(self) -> bool:
        """Return False: the file cannot be written."""
        return False

    def close(self) -> None:
        """Leave the file open: its opener closes it."""
        self.closed = True


def complaint(error: Exception) -> str:
    """Return what is wrong with a file; Arrow's own message may quote a row."""
    text = str(error)
    if found := RAGGED.search(text):
        return f"row {found[1]} has {found[3]} fields where the header has {found[2]}"
    if "UTF8" in text or "ncod" in text or isinstance(error, UnicodeError):
        return "contains text in another encoding: set encoding"
    if "Empty CSV" in text:
        return "is empty: not even a header"
    if "straddling" in text:
        return "has a row of more than a megabyte, or a quote that is not closed"
    return "cannot be read: it is damaged, or has another format"
