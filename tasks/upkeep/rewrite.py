"""Bringing landed files to the types that a dataset declares now, unit by unit.

Every value is tried before the first file is written: one that does not fit ends the rewrite with
nothing changed. Then each unit whose files differ is written again and published in place of
itself, under its lease, with the same rows. A kill leaves each unit old or new, and the next
rewrite does the rest. The replaced files are kept in `_old` for the grace period of a maintenance.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.catalogue import Column, DatasetSpecification
from connectors.errors import DataRefusedError, StorageError
from connectors.lake import Entry, Lake, Manifest
from connectors.lake.reading import open_parquet
from connectors.lake.stage import StagedFile
from connectors.ledger import Ledger
from tasks.columns.cast import ARROW_TYPES
from tasks.columns.conform import field_metadata
from tasks.columns.retype import has_type, retyped

SHOWN = 5
BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A rewrite under way; the tenant writes date-times in `zone`."""

    specification: DatasetSpecification
    lake: Lake
    ledger: Ledger
    run_id: str
    zone: str
    check_stop: Callable[[], None] = lambda: None

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.specification.dataset


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was rewritten, or would be: units, their files and bytes, and the columns."""

    dataset: str
    units: int
    files: int
    bytes: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """A landed file, and the declared columns that have another type in it.

    It is `torn` if a rewrite was killed after the file was replaced and before the manifest.
    """

    path: str
    changed: tuple[Column, ...]
    is_torn: bool

    @property
    def differs(self) -> bool:
        """Whether the file's unit has to be written again."""
        return self.is_torn or bool(self.changed)


def plan_rewrite(of: Rewriting) -> Rewritten:
    """Try all values of columns whose declared type differs from a landed one; change nothing.

    Raises:
        DataRefusedError: values do not fit; the message names files, columns and counts.
        StorageError: a file that the manifest names is missing or damaged.
    """
    manifest = of.lake.manifest(of.dataset)
    units, files, size, columns, problems = 0, 0, 0, dict[str, None](), list[str]()
    for entry in manifest.entries if manifest else ():
        landed = _files(of, manifest, entry)
        for file in landed:
            of.check_stop()
            problems += _tried(of, file)
            columns |= dict.fromkeys(column.name for column in file.changed)
        if any(file.differs for file in landed):
            units += 1
            files += len(entry.files)
            size += sum(file.bytes for file in entry.files)
    if problems:
        more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
        raise DataRefusedError(
            f"{of.dataset}: {'; '.join(problems[:SHOWN])}{more}: declare another type, or land "
            "those units again; nothing was changed"
        )
    return Rewritten(of.dataset, units, files, size, tuple(columns))


def rewrite(of: Rewriting) -> Rewritten:
    """Bring all landed files of a dataset to the declared types.

    Raises:
        DataRefusedError: values do not fit; nothing was changed.
        HeldError: another run holds a unit; earlier ones are rewritten.
        StorageError, UnavailableError: the lake cannot be used; the next rewrite does the rest.
    """
    planned = plan_rewrite(of)
    if not planned.units:
        return planned
    manifest = of.lake.manifest(of.dataset)
    for known in manifest.entries if manifest else ():
        if not any(file.differs for file in _files(of, manifest, known)):
            continue
        where = (of.dataset, known.unit, known.starts_at, known.ends_at)
        with of.ledger.lease(*where, of.run_id) as lease:
            newest = of.lake.manifest(of.dataset)
            entries = newest.entries if newest else ()
            entry = next((each for each in entries if each.unit == known.unit), None)
            if newest and entry and any(file.differs for file in _files(of, newest, entry)):
                staged, schema = _stage(of, newest, entry)
                lease.check()
                _publish(of, newest, entry, staged, schema)
    return planned


def _files(of: Rewriting, manifest: Manifest | None, entry: Entry) -> list[_File]:
    found = []
    for file in entry.files:
        path = f"{manifest.folder}/{file.path}" if manifest else file.path
        with _opened(of.lake, path) as parquet:
            schema = parquet.schema_arrow
        changed = tuple(
            column
            for column in of.specification.columns
            if column.name in schema.names and not has_type(column, schema.field(column.name).type)
        )
        found.append(_File(path, changed, _is_torn(of.lake, path, file.bytes)))
    return found


def _is_torn(lake: Lake, path: str, size: int) -> bool:
    """Return whether a file is not the one that the manifest names; a bucket replaces none."""
    return lake.store.in_place and (lake.folder / path).stat().st_size != size


def _tried(of: Rewriting, file: _File) -> list[str]:
    """Return what does not fit in a file, in words."""
    unfit = dict.fromkeys((column.name for column in file.changed), 0)
    if unfit:
        with _opened(of.lake, file.path) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=list(unfit)):
                frame = pl.DataFrame(pa.Table.from_batches([batch]))
                for column in file.changed:
                    unfit[column.name] += retyped(frame[column.name], column, of.zone)[1]
    types = {column.name: column.type for column in file.changed}
    where = of.lake.location(file.path)
    return [
        f"{count:,} values of {name} in {where} do not fit {types[name]}"
        for name, count in unfit.items()
        if count
    ]


def _stage(of: Rewriting, manifest: Manifest, entry: Entry) -> tuple[list[StagedFile], pa.Schema]:
    """Write a unit's files again, each row in the partition where it is."""
    declared = {column.name: column for column in of.specification.columns}
    paths = [
        (file.path.partition("/")[0], f"{manifest.folder}/{file.path}") for file in entry.files
    ]
    with _opened(of.lake, paths[0][1]) as parquet:
        schema = _schema(parquet.schema_arrow, declared)
    with of.lake.stage(of.dataset, of.run_id, entry.unit, schema) as stage:
        for partition, path in paths:
            for batch in _batches(of.lake, path):
                of.check_stop()
                stage.write(partition, _typed(batch, schema, declared, of.zone))
        staged = stage.finish()
    rows = sum(file.rows for file in staged)
    if rows != entry.rows:
        raise StorageError(
            f"{of.dataset} {entry.unit}: its files hold {rows} rows and the manifest says "
            f"{entry.rows}: land it again; the unit was not changed"
        )
    return staged, schema


def _schema(landed: pa.Schema, declared: dict[str, Column]) -> pa.Schema:
    fields = []
    for field in landed:
        column = declared.get(field.name)
        if column is not None:
            kind, metadata = ARROW_TYPES[column.type], field_metadata(column)
            fields.append(pa.field(field.name, kind, metadata=metadata))
        else:
            fields.append(field)
    return pa.schema(fields)


def _typed(
    batch: pa.RecordBatch, schema: pa.Schema, declared: dict[str, Column], zone: str
) -> pa.Table:
    arrays = []
    for field in schema:
        values = batch.column(batch.schema.get_field_index(field.name))
        column = declared.get(field.name)
        if column is not None and not has_type(column, values.type):
            values = retyped(pl.Series(field.name, values), column, zone)[0].to_arrow()
        arrays.append(values.cast(field.type))
    return pa.table(arrays, schema=schema)


def _publish(
    of: Rewriting, manifest: Manifest, entry: Entry, staged: list[StagedFile], schema: pa.Schema
) -> None:
    """Publish a unit in place of itself: same run and rows, so that ledger and rejects stay."""
    types = {column.name: str(ARROW_TYPES[column.type]) for column in of.specification.columns}
    columns = {name: types.get(name, kind) for name, kind in manifest.schema_columns.items()}
    new = entry.model_copy(update={"files": ()})
    of.lake.publish(of.dataset, manifest.mode, new, staged, schema, columns=columns, why=of.run_id)


def _batches(lake: Lake, path: str) -> Iterator[pa.RecordBatch]:
    with _opened(lake, path) as parquet:
        yield from parquet.iter_batches(BATCH_ROWS)


@contextmanager
def _opened(lake: Lake, path: str) -> Iterator[pq.ParquetFile]:
    """Open a file that a manifest names; what cannot be read is one error with its name."""
    try:
        with open_parquet(lake, path) as parquet:
            yield parquet
    except (OSError, pa.ArrowException) as error:
        raise StorageError(
            f"{lake.location(path)} cannot be read, land its unit again: {type(error).__name__}"
        ) from None
