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
    """A format of files. Errors of Arrow are the caller's to tell, by `complaint`."""

    def columns(self, file: Any) -> list[str]:
        """Name the columns."""

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give these columns of all rows, as text."""


class Parquet:
    """Parquet, read a piece of a row group after the other."""

    def columns(self, file: Any) -> list[str]:
        """Name the columns."""
        with pq.ParquetFile(file) as parquet:
            return list(parquet.schema_arrow.names)

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give these columns of all rows, as text."""
        with pq.ParquetFile(file, pre_buffer=False, buffer_size=BLOCK_BYTES) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=list(columns)):
                yield as_texts(batch.select(list(columns)))


class Csv:
    """CSV with a header: every value is the text that stands there, an empty field an empty text.

    Args:
        delimiter: between two fields.
        encoding: of the text.
        quoted: whether values stand in double quotes, those within them doubled.
    """

    def __init__(self, delimiter: str, encoding: str, *, quoted: bool) -> None:
        self._encoding = encoding
        self._quoted = quoted
        self._parse = pc.ParseOptions(
            delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
        )

    def columns(self, file: Any) -> list[str]:
        """Name the columns of the first line."""
        with self._reader(file, None) as reader:
            return list(reader.schema.names)

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give these columns of all rows."""
        counted = _Counted(file)
        with self._reader(counted, columns) as reader:
            for block in reader:
                for start in range(0, block.num_rows, BATCH_ROWS):
                    yield block.slice(start, BATCH_ROWS)
        if self._quoted and counted.quotes % 2:
            # Arrow takes all that follows the last quote for one value.
            raise DataRefusedError(
                "has a quote that is not closed: it was cut off, or holds quotes that are not "
                "doubled (then set quoted: false)"
            )

    def _reader(self, file: Any, columns: Sequence[str] | None) -> pc.CSVStreamingReader:
        options = pc.ReadOptions(encoding=self._encoding, block_size=BLOCK_BYTES, use_threads=False)
        # No type is guessed: a number with leading zeros stays one.
        convert = pc.ConvertOptions(
            include_columns=list(columns or ()),
            column_types=dict.fromkeys(columns or (), pa.string()),
            strings_can_be_null=False,
        )
        return pc.open_csv(file, options, self._parse, convert)


class _Counted:
    """A file whose quotes are counted as they are read."""

    closed = False

    def __init__(self, file: Any) -> None:
        self.quotes = 0
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Read on, and count."""
        content: bytes = self._file.read(size)
        self.quotes += content.count(QUOTE)
        return content

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It is read once, in order."""
        return False

    def writable(self) -> bool:
        """It cannot be written."""
        return False

    def close(self) -> None:
        """Leave the file open: who opened it closes it."""
        self.closed = True


def complaint(error: Exception) -> str:
    """Say what is wrong with a file; Arrow's own words may quote a row."""
    text = str(error)
    if found := RAGGED.search(text):
        return f"row {found[1]} has {found[3]} fields where the header has {found[2]}"
    if "UTF8" in text or "ncod" in text or isinstance(error, UnicodeError):
        return "holds text that is not of the encoding: set encoding"
    if "Empty CSV" in text:
        return "is empty: not even a header"
    if "straddling" in text:
        return "has a row of more than a megabyte, or a quote that is not closed"
    return "cannot be read: it is damaged, or of another format"
