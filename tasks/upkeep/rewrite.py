"""Bringing landed files to the types that a dataset declares now, unit by unit.

A derived column that a file lacks, or has in another type, is derived from the file's own columns.

Every value is tried before the first file is written: one that does not fit ends the rewrite with
nothing changed. Then each unit whose files differ is written again and published in place of
itself, under its lease, with the same rows. A kill leaves each unit old or new, and the next
rewrite does the rest. The replaced files are kept in `_old` for the grace period of a maintenance.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
from tasks.columns.cast import ARROW_TYPES, POLARS_TYPES
from tasks.columns.derived import Computed
from tasks.columns.described import field_metadata, file_schema
from tasks.columns.retype import has_type, retyped
from tasks.columns.rules import rules_of
from tasks.upkeep.reshape import OWN

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

    @property
    def derived(self) -> tuple[Column, ...]:
        """The derived columns; none if a transform may have changed what they are made of."""
        return (
            ()
            if self.specification.transform
            else self.specification.known_columns[len(self.specification.columns) :]
        )


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
    """A landed file, the declared columns that have another type in it, and missing derived ones.

    It is `torn` if a rewrite was killed after the file was replaced and before the manifest.
    """

    path: str
    changed: tuple[Column, ...]
    underived: tuple[Column, ...]
    is_torn: bool

    @property
    def differs(self) -> bool:
        """Whether the file's unit has to be written again."""
        return self.is_torn or bool(self.changed or self.underived)


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
            columns |= dict.fromkeys(column.name for column in (*file.changed, *file.underived))
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
        underived = tuple(
            column
            for column in of.derived
            if column.name not in schema.names
            or not has_type(column, schema.field(column.name).type)
        )
        found.append(_File(path, changed, underived, _is_torn(of.lake, path, file.bytes)))
    return found


def _is_torn(lake: Lake, path: str, size: int) -> bool:
    """Return whether a file is not the one that the manifest names; a bucket replaces none."""
    return lake.store.in_place and (lake.folder / path).stat().st_size != size


def _tried(of: Rewriting, file: _File) -> list[str]:
    """Return what does not fit in a file, in words."""
    unfit = Counter[tuple[str, str]]()
    read = None if file.underived else [column.name for column in file.changed]
    with _opened(of.lake, file.path) as parquet:
        for batch in parquet.iter_batches(BATCH_ROWS, columns=read) if file.differs else ():
            frame = pl.DataFrame(pa.Table.from_batches([batch]))
            for column in file.changed:
                typed, count = retyped(frame[column.name], column, of.zone)
                frame = frame.with_columns(typed)
                unfit[f"values of {column.name}", f"do not fit {column.type}"] += count
            for reason, mask in _derived(of, frame).problems.items() if file.underived else ():
                unfit["rows", f"fail, {reason}"] += int(mask.sum())
    where = of.lake.location(file.path)
    return [f"{count:,} {what} in {where} {why}" for (what, why), count in unfit.items() if count]


def _derived(of: Rewriting, rows: pl.DataFrame) -> Computed:
    """Compute the derived columns of landed rows; a declared column that they lack is null."""
    rules = rules_of(of.specification, None)
    if rules is None:
        raise AssertionError("a file lacks derived columns only if there are some")
    lacking = [column for column in of.specification.columns if column.name not in rows.columns]
    return rules.compute(
        rows.with_columns(
            pl.lit(None, POLARS_TYPES[column.type]).alias(column.name) for column in lacking
        )
    )


def _stage(of: Rewriting, manifest: Manifest, entry: Entry) -> tuple[list[StagedFile], pa.Schema]:
    """Write a unit's files again, each row in the partition where it is."""
    paths = [
        (file.path.partition("/")[0], f"{manifest.folder}/{file.path}") for file in entry.files
    ]
    underived = any(file.underived for file in _files(of, manifest, entry))
    derived = of.derived if underived else ()
    with _opened(of.lake, paths[0][1]) as parquet:
        schema = _schema(of, parquet.schema_arrow, derived)
    with of.lake.stage(of.dataset, of.run_id, entry.unit, schema) as stage:
        for partition, path in paths:
            for batch in _batches(of.lake, path):
                of.check_stop()
                stage.write(partition, _typed(of, batch, schema, derived))
        staged = stage.finish()
    rows = sum(file.rows for file in staged)
    if rows != entry.rows:
        raise StorageError(
            f"{of.dataset} {entry.unit}: its files hold {rows} rows and the manifest says "
            f"{entry.rows}: land it again; the unit was not changed"
        )
    return staged, schema


def _schema(of: Rewriting, landed: pa.Schema, derived: Sequence[Column]) -> pa.Schema:
    """Return the schema that a unit's files get: derived columns come before those of the run."""
    columns = {column.name: column for column in (*of.specification.columns, *derived)}
    own = [field for field in landed if field.name in OWN]
    fields = [field for field in landed if field.name not in OWN]
    fields += [
        pa.field(column.name, ARROW_TYPES[column.type])
        for column in derived
        if column.name not in landed.names
    ]
    described = pa.schema([_field(each, columns.get(each.name)) for each in [*fields, *own]])
    return file_schema(described, of.specification)


def _field(landed: pa.Field, column: Column | None) -> pa.Field:
    if column is None:
        return landed
    return pa.field(landed.name, ARROW_TYPES[column.type], metadata=field_metadata(column))


def _typed(
    of: Rewriting, batch: pa.RecordBatch, schema: pa.Schema, derived: Sequence[Column]
) -> pa.Table:
    rows = {field.name: batch.column(i) for i, field in enumerate(batch.schema)}
    for column in of.specification.columns:
        if column.name in rows and not has_type(column, rows[column.name].type):
            values = pl.Series(column.name, rows[column.name])
            rows[column.name] = retyped(values, column, of.zone)[0].to_arrow()
    if derived:
        computed = _derived(of, pl.DataFrame(pa.table(rows))).rows
        rows |= {column.name: computed[column.name].to_arrow() for column in derived}
    return pa.table([rows[field.name].cast(field.type) for field in schema], schema=schema)


def _publish(
    of: Rewriting, manifest: Manifest, entry: Entry, staged: list[StagedFile], schema: pa.Schema
) -> None:
    """Publish a unit in place of itself: same run and rows, so that ledger and rejects stay."""
    known = (*of.specification.columns, *of.derived)
    types = {column.name: str(ARROW_TYPES[column.type]) for column in known}
    landed = manifest.schema_columns
    own = {name: kind for name, kind in landed.items() if name in OWN}
    columns = {name: types.get(name, kind) for name, kind in landed.items() if name not in own}
    columns |= {column.name: types[column.name] for column in of.derived} | own
    new = entry.model_copy(update={"files": ()})
    in_delta = of.specification.in_delta
    of.lake.publish(
        of.dataset,
        manifest.mode,
        new,
        staged,
        schema,
        columns=columns,
        why=of.run_id,
        apart=in_delta,
    )
    if in_delta:
        from connectors.lake.delta import follow  # noqa: PLC0415 - for Delta tables only

        follow(of.lake, of.dataset)


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
