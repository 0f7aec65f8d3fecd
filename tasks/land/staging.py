"""From results to staged Parquet, rejects and counts: the engine of a landing.

Results come in, from files or as they arrive; staged files and counts go out, batch by batch. Four
steps run at once, each a few batches ahead of the next: download and unpacking
(tasks.exports.arrival), reading CSV (connectors.nexthink.results.result_file), typing (here), and
writing row groups (connectors.lake.stage).
Readers see none of this, and this module does not know tenant, manifest or ledger.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa

from connectors.catalogue import DatasetSpecification, Mode
from connectors.errors import DataRefusedError
from connectors.lake.stage import Stage, StagedFile, as_written, keep_rows
from connectors.nexthink.results.result_file import ByteSource, ResultFile
from tasks.columns.conform import Conformed, Conformer, Counts
from tasks.columns.described import file_schema
from tasks.columns.header import HeaderMatch, match_header
from tasks.columns.repeated_keys import KeyCount
from tasks.columns.rules import Rules
from tasks.exports.windows import EPOCH, Window


@dataclass(frozen=True, slots=True)
class ResultPart:
    """One result of a unit. Its rows must lie in `window`, which is None for a snapshot."""

    source: Path | ByteSource
    name: str
    window: Window | None
    is_shard: bool
    exported_at: datetime


@dataclass(frozen=True, slots=True)
class Staged:
    """What a unit's results have become: staged files, rejects, and a count of every row.

    `may_repeat_keys` is whether rows seem to have the key of another row; the files say it exactly.
    """

    files: list[StagedFile]
    schema: pa.Schema
    layout: HeaderMatch
    counts: Counts
    rejected: list[Conformed]
    may_repeat_keys: bool = False


class RowLimitReachedError(Exception):
    """A result has reached the configured row limit of the tenant; `part` names it."""

    def __init__(self, part: str) -> None:
        self.part = part
        super().__init__(part)


class Staging:
    """Stages the results of one unit: use it as a context manager, add all parts, then finish.

    Args:
        specification: the declared columns.
        unit: the unit's name, for messages and snapshots' files.
        zone: the zone in which the tenant writes date-times.
        run_id: stamped on every row.
        open_stage: opens the staging place for rows of a schema.
        row_limit: if set, a result with this many rows or more counts as truncated.
        on_rows: called with the number of rows read so far.
        working: entered for each batch, so that not too many are worked on at once.
        rules: what the dataset derives, leaves out and transforms.
    """

    def __init__(  # noqa: PLR0913 - a place where everything meets
        self,
        specification: DatasetSpecification,
        unit: str,
        zone: str,
        run_id: str,
        open_stage: Callable[[pa.Schema], Stage],
        *,
        row_limit: int | None = None,
        on_rows: Callable[[int], None] | None = None,
        working: Callable[[], AbstractContextManager[None]] = nullcontext,
        rules: Rules | None = None,
    ) -> None:
        self._specification = specification
        self._unit = unit
        self._zone = zone
        self._run_id = run_id
        self._open_stage = open_stage
        self._row_limit = row_limit
        self._on_rows = on_rows or (lambda _rows: None)
        self._working = working
        self._rules = rules
        self._counts = Counts()
        self._rejected: list[Conformed] = []
        self._layout: HeaderMatch | None = None
        self._keys = KeyCount(specification)
        self._stage: Stage | None = None
        self._has_shards = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stage is not None:
            self._stage.__exit__(kind, error, trace)

    def add(self, part: ResultPart) -> None:
        """Type, count and write all rows of one result; if it is a file, delete it.

        Raises:
            DataRefusedError: it is not CSV, or its columns break the contract.
            RowLimitReachedError: it must be divided.
            RecordTooLongError: it was read while arriving, and must be read from a file instead.
        """
        file = ResultFile(part.source)
        self._has_shards = self._has_shards or part.is_shard
        # An export without rows may be an empty file: then there is no header to match.
        if file.header:
            self._add(file, part)
        if isinstance(part.source, Path):
            part.source.unlink()

    def finish(self) -> Staged:
        """Close all files, make them durable, and return what was staged."""
        if self._layout is None:
            columns = self._specification.columns
            self._layout = HeaderMatch(tuple((column.nql, column) for column in columns))
        conformer = Conformer(self._layout, self._zone, self._run_id, EPOCH, rules=self._rules)
        schema = conformer.arrow_schema()
        stage = self._opened(schema)
        if self._specification.window is None and not self._counts.landed:
            stage.write(f"snapshot={self._unit}", schema.empty_table())
        files = stage.finish()
        if self._has_shards:
            files = [self._without_twins(file) for file in files]
        repeats = self._keys.may_repeat(self._counts.landed)
        return Staged(files, schema, self._layout, self._counts, self._rejected, repeats)

    def _add(self, file: ResultFile, part: ResultPart) -> None:
        layout = match_header(file.header, self._specification)
        if self._layout is not None and self._layout.landed != layout.landed:
            raise DataRefusedError(
                f"{self._specification.dataset} {self._unit}: its parts have different columns: "
                "all saved queries of a dataset must list the same; nothing was published"
            )
        self._layout = layout
        window = self._specification.window
        conformer = Conformer(
            layout,
            self._zone,
            self._run_id,
            part.exported_at,
            (window.column, part.window) if window and part.window else None,
            self._counts,
            rules=self._rules,
        )
        before = self._counts.read
        self._write(file, conformer)
        if self._row_limit is not None and self._counts.read - before >= self._row_limit:
            raise RowLimitReachedError(part.name)

    def _write(self, file: ResultFile, conformer: Conformer) -> None:
        schema = conformer.arrow_schema()
        stage = self._opened(schema)
        for batch in file.batches():
            with self._working():
                found = conformer.conform(batch.frame, file.take_ragged())
                self._keys.add(found.landed)
                unchanged = conformer.unchanged(batch.table)
                for partition, rows in self._partitioned(found.landed):
                    stage.write(partition, as_written(rows, schema, unchanged))
            if len(found.rejects):
                self._rejected.append(found.without_landed())
            self._on_rows(self._counts.read)
        if late := file.take_ragged():
            nothing = pl.DataFrame(schema=dict.fromkeys(file.header, pl.String()))
            self._rejected.append(conformer.conform(nothing, late))

    def _partitioned(self, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        return partitioned(self._specification, self._unit, rows, self._zone)

    def _opened(self, schema: pa.Schema) -> Stage:
        if self._stage is None:
            self._stage = self._open_stage(file_schema(schema, self._specification))
        return self._stage

    def _without_twins(self, file: StagedFile) -> StagedFile:
        """Keep the latest of rows that came in two shards, having moved between the exports."""
        keys = list(self._specification.key_columns)
        frame = pl.read_parquet(file.path, columns=keys, hive_partitioning=False)
        keep = frame.select(pl.struct(keys).is_last_distinct()).to_series()
        twins = len(keep) - int(keep.sum())
        if not twins:
            return file
        self._counts.duplicates += twins
        self._counts.landed -= twins
        return keep_rows(file, keep.to_arrow())


def partitioned(
    specification: DatasetSpecification, unit: str, rows: pl.DataFrame, zone: str
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Divide landed rows by partition: the slot of a snapshot, or the date of each row.

    That is the UTC date, but the tenant's day in mode slices, whose units are such days.
    """
    if specification.window is None:
        yield f"snapshot={unit}", rows
        return
    dates = dates_of(specification, rows[specification.window.column], zone)
    found = dates.unique().sort()
    for date in found:
        yield f"date={date}", rows if len(found) == 1 else rows.filter(dates == date)


def dates_of(specification: DatasetSpecification, times: pl.Series, zone: str) -> pl.Series:
    """Return the date that each row's partition has."""
    local = times.dt.convert_time_zone(zone) if specification.mode is Mode.SLICES else times
    return local.dt.date()
