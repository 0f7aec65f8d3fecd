"""Landed files as a LazyFrame or a pyarrow Dataset, with their partitions, for other programs."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from connectors.errors import StorageError
from connectors.lake.lake import Lake
from connectors.lake.manifest import SNAPSHOT, Entry, Manifest
from connectors.lake.naming import PATH

# Arrow's names of the landed types; earlier releases wrote large strings.
TYPES: Final[Mapping[str, pa.DataType]] = {
    "string": pa.string(),
    "large_string": pa.string(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date32[day]": pa.date32(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
}
DATE: Final = r"/date=([0-9-]+)/[^/]*$"
SLOT: Final = r"/snapshot=([0-9TZ-]+)/[^/]*$"


def scan_arrow(lake: Lake, manifest: Manifest, entries: Sequence[Entry]) -> ds.Dataset:
    """Return units as a Dataset whose fragments know their partition.

    Raises:
        StorageError: the manifest has a type of a newer release.
    """
    schema = schema_of(manifest)
    if not any(entry.files for entry in entries):
        return ds.dataset(schema.empty_table())
    named, partitions = [], []
    for entry in entries:
        for file in entry.files:
            named.append(f"{manifest.folder}/{file.path}")
            partitions.append(_partition(manifest, entry, file.path))
    filesystem, root = _filesystem(lake, named)
    return ds.FileSystemDataset.from_paths(
        [root + path for path in named],
        schema=schema,
        format=ds.ParquetFileFormat(),
        filesystem=filesystem,
        partitions=partitions,
    )


def scan_polars(lake: Lake, manifest: Manifest, entries: Sequence[Entry]) -> pl.LazyFrame:
    """Return units as a LazyFrame.

    Raises:
        StorageError: the manifest has a type of a newer release.
    """
    schema = _frame_schema(manifest)
    folder = lake.location(manifest.folder)
    files = [f"{folder}/{file.path}" for entry in entries for file in entry.files]
    if not files:
        return pl.LazyFrame(schema=schema)
    partition = "snapshot" if manifest.mode == SNAPSHOT else "date"
    landed = {name: kind for name, kind in schema.items() if name != partition}
    known: dict[str, Any] = {"schema": landed, "missing_columns": "insert"}
    # Polars takes every folder with = in its name for a partition, also those above the lake.
    if partition == "date" and "=" not in folder:
        return pl.scan_parquet(
            files, hive_partitioning=True, hive_schema={"date": pl.Date()}, **known
        )
    found = pl.scan_parquet(files, hive_partitioning=False, include_file_paths=PATH, **known)
    path = pl.col(PATH)
    value = (
        path.str.extract(SLOT).str.replace_all("-", "", literal=True)
        if partition == "snapshot"
        else path.str.extract(DATE).str.to_date()
    )
    return found.with_columns(value.alias(partition)).drop(PATH)


def schema_of(manifest: Manifest) -> pa.Schema:
    """Return the landed columns and their types, and the partition column last.

    Raises:
        StorageError: one is a type of a newer release.
    """
    fields = [(name, _type(manifest, kind)) for name, kind in manifest.schema_columns.items()]
    snapshots = manifest.mode == SNAPSHOT
    fields.append(("snapshot", pa.string()) if snapshots else ("date", pa.date32()))
    return pa.schema(fields)


def _type(manifest: Manifest, kind: str) -> pa.DataType:
    if kind.startswith(("list<", "large_list<")):
        return pa.list_(pa.string())
    if kind not in TYPES:
        raise StorageError(f"{manifest.dataset} has landed as {kind}: upgrade nxp to read it")
    return TYPES[kind]


def _frame_schema(manifest: Manifest) -> pl.Schema:
    frame = pl.from_arrow(schema_of(manifest).empty_table())
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a table becomes a frame")
    return frame.schema


def _partition(manifest: Manifest, entry: Entry, path: str) -> ds.Expression:
    """Return what is true of all rows of a file."""
    if manifest.mode == SNAPSHOT:
        return ds.field("snapshot") == entry.unit
    day = path.partition("/")[0].removeprefix("date=")
    return ds.field("date") == pa.scalar(date.fromisoformat(day), pa.date32())


def _filesystem(lake: Lake, paths: Sequence[str]) -> tuple[fs.FileSystem, str]:
    """Return where pyarrow reads files of the lake, and what their names begin with there."""
    remote = lake.store.filesystem(frozenset(paths))
    if remote is None:
        return fs.LocalFileSystem(), f"{lake.location()}/"
    return fs.PyFileSystem(fs.FSSpecHandler(remote)), ""
