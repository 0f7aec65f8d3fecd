"""A downloaded result (plain CSV) as batches of text columns; typing is done elsewhere.

pyarrow's reader is used because it reports rows with too few or too many fields, which others
fill with nulls or cut in silence, and because it tells a quoted empty string from an empty field.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from connectors.errors import DataRefusedError

# Large enough that a block holds tens of thousands of records, small enough that a few in flight
# stay far below the memory of a small worker. A record must fit into one block.
BLOCK_BYTES = 16 * 1024 * 1024


class ResultFile:
    """One result file. `ragged` collects the text of rows whose number of fields is off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header, self._has_rows = _read_beginning(path)
        self.ragged: list[str] = []

    def batches(self) -> Iterator[pl.DataFrame]:
        """Give the records in order: all columns text, null for an empty field.

        Raises:
            DataRefusedError: the file is not UTF-8, or no CSV.
        """
        if not self._has_rows:
            return
        try:
            for batch in self._reader():
                yield pl.DataFrame(pa.Table.from_batches([batch]))
        except pa.ArrowInvalid as error:
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
            self.path,
            read_options=pc.ReadOptions(block_size=BLOCK_BYTES),
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


def _read_beginning(path: Path) -> tuple[list[str], bool]:
    """Give the header, empty for an empty file, and whether anything follows it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            first = next(rows, [])
            second = next(rows, None)
            if not first and (second or any(rows)):
                raise DataRefusedError("the result begins with an empty line: no header")
            return first, bool(first) and second is not None
    except (UnicodeDecodeError, csv.Error):
        raise DataRefusedError("the beginning of the result is no CSV in UTF-8") from None
