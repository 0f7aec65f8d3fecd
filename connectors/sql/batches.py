"""Staged Parquet as a stream of record batches in a database's types, one batch in memory."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.catalogue import ColumnType
from connectors.errors import DataRefusedError, PipelineError, StorageError
from connectors.lake.stage import StagedFile
from connectors.sql.database import Database

# From 5,000 to 50,000 rows the speed is the same (benchmarks/sql_landing.py).
BATCH_ROWS = 20_000


class Batches:
    """The rows of a unit, to be read once. `failure` is why the stream ended early.

    ADBC itself reports only that it did.

    Args:
        database: what converts values to its types.
        staged: the files, read in order.
        columns: the columns to load and their types.
        added: columns that are not in the files, with the value that all rows have.
    """

    def __init__(
        self,
        database: Database,
        staged: Sequence[StagedFile],
        columns: Mapping[str, ColumnType],
        added: Mapping[str, str],
    ) -> None:
        self.failure: PipelineError | None = None
        self.rows = 0
        self._database = database
        self._staged = staged
        self._columns = dict(columns)
        self._added = dict(added)
        self._names: dict[str, str] = {}

    def reader(self, schema: pa.Schema, names: Mapping[str, str]) -> pa.RecordBatchReader:
        """Return the stream, opened.

        Args:
            schema: of the files.
            names: the name in the table of each column.
        """
        self._names = dict(names)
        empty = pa.RecordBatch.from_pylist([], schema)
        return pa.RecordBatchReader.from_batches(self._converted(empty).schema, self._stream())

    def _stream(self) -> Iterator[pa.RecordBatch]:
        try:
            for file in self._staged:
                yield from self._read(file)
        except PipelineError as error:
            self.failure = error
            raise
        except (OSError, pa.ArrowException) as error:
            self.failure = StorageError(
                f"cannot read the staged {file.path.name}: {type(error).__name__}: run again"
            )
            raise

    def _read(self, file: StagedFile) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(file.path) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS):
                self.rows += batch.num_rows
                yield self._converted(batch)

    def _converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = {}
        for name, kind in self._columns.items():
            if name in self._added:
                value = pa.scalar(self._added[name], pa.string())
                arrays[name] = pa.repeat(value, batch.num_rows)
                continue
            try:
                arrays[name] = self._database.convert(batch.column(name), kind)
            except ValueError as error:
                raise DataRefusedError(
                    f"column {name} holds {error}: remove it from the query or correct it there; "
                    "nothing was published"
                ) from None
        return pa.RecordBatch.from_pydict(
            {self._names[name]: values for name, values in arrays.items()}
        )
