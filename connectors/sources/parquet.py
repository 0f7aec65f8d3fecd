"""Parquet files as batches of text columns, read piece by piece, smaller than a row group."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import DataRefusedError
from connectors.sources.arrow_texts import as_texts, has_nanos, int96_texts, interval_texts
from connectors.sources.source import BATCH_ROWS

BUFFER_BYTES: Final = 1 << 20
INT96: Final = "INT96"
INTERVAL: Final = "INTERVAL"


class Parquet:
    """Parquet: every value as text, as `docs/sources.md` lists them."""

    def columns(self, file: Any) -> list[str]:
        """Return the names of the columns."""
        with pq.ParquetFile(file) as parquet:
            return list(parquet.schema_arrow.names)

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield these columns of all rows, as text."""
        row, names = 1, list(columns)
        with _opened(file, "us") as parquet, _opened(file, "ns") as fine:
            old, inner, intervals = _special(parquet, names)
            # All reading is in this thread: both read the same file.
            both = [*old, *inner]
            finer = _Rows(fine.iter_batches(BATCH_ROWS, columns=both, use_threads=False))
            for each in parquet.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                batch = each.select(names)
                arrays = list(batch.columns)
                if both:
                    nanos = finer.take(batch.num_rows)
                    for name in old:
                        place = names.index(name)
                        arrays[place] = int96_texts(arrays[place], nanos[name])
                    for name in inner:
                        _require_micros(name, arrays[names.index(name)], nanos[name], row)
                for name in intervals:
                    place = names.index(name)
                    arrays[place] = interval_texts(arrays[place])
                yield as_texts(pa.RecordBatch.from_arrays(arrays, names), row)
                row += batch.num_rows


class _Rows:
    """Batches as rows: two readers of one file may cut its rows at different places."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: list[pa.RecordBatch] = []

    def take(self, rows: int) -> pa.RecordBatch:
        """Return the next rows."""
        while sum(batch.num_rows for batch in self._left) < rows:
            self._left.append(next(self._batches))
        table = pa.Table.from_batches(self._left)
        self._left = table.slice(rows).to_batches()
        (taken,) = table.slice(0, rows).combine_chunks().to_batches()
        return taken


def _opened(file: Any, unit: str) -> pq.ParquetFile:
    # In nanoseconds, times of INT96 after 2262 would silently become other times.
    return pq.ParquetFile(
        file, pre_buffer=False, buffer_size=BUFFER_BYTES, coerce_int96_timestamp_unit=unit
    )


def _require_micros(name: str, micros: pa.Array, nanos: pa.Array, row: int) -> None:
    """Require that times of INT96 inside of lists lose nothing in microseconds."""
    if has_nanos(micros, nanos):
        raise DataRefusedError(
            f"column {name}, rows {row} to {row + len(micros) - 1}: a list or structure holds "
            "times of INT96 with nanoseconds: write them as TIMESTAMP"
        )


def _special(parquet: pq.ParquetFile, names: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the columns of INT96, those with such times inside, and the intervals."""
    leaves = [parquet.schema.column(n) for n in range(len(parquet.schema))]
    found = [leaf for leaf in leaves if leaf.path in names]
    old = [leaf.path for leaf in found if leaf.physical_type == INT96]
    inside = {leaf.path.partition(".")[0] for leaf in leaves if leaf.physical_type == INT96}
    inner = [name for name in names if name in inside and name not in old]
    return old, inner, [leaf.path for leaf in found if leaf.converted_type == INTERVAL]
