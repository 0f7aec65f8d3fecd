"""Delta Lake tables of a dataset, next to its files, for readers that know this format only.

A table is at `_delta/<dataset>`: its log, and links to the dataset's files (copies in a bucket). A
folder of Parquet that holds a `_delta_log` would no longer be readable as plain Parquet, so it is
never the dataset's own folder. A snapshot dataset has two tables, as it has two views: the latest
snapshot, and `<dataset>_history`.

The manifest is the truth. A table follows it: after each publish, and in each maintenance, so it
lags at most until the next of these. The order is: files, manifest, links, commit. Each commit
carries the version of the manifest that it made the table equal to; a table that is ahead of a
manifest that was read earlier is left alone.
"""

import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pyarrow as pa

from connectors.errors import HeldError, PipelineError, StorageError
from connectors.extras import require
from connectors.lake.lake import Lake
from connectors.lake.manifest import SNAPSHOT, Entry, Manifest
from connectors.lake.naming import HISTORY
from connectors.lake.scanning import schema_of
from connectors.lake.storage import UNPUBLISHED

DELTA_FOLDER: Final = "_delta"
# What a commit's version of the manifest is kept under.
APPLICATION: Final = "nexthink-pipelines"
VARIABLES: Final = ("AWS_", "AZURE_")
TRIES: Final = 5
MILLISECONDS: Final = 1000
# How the second name of a file ends, under which a table took it again.
AGAIN: Final = re.compile(r"\.v\d+\.parquet$")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a table: its path there, where it is in the lake, and what a commit says of it."""

    path: str
    source: str
    partition: str
    rows: int
    bytes: int
    made_at_ms: int


def check_delta() -> None:
    """Raise unless the package for Delta tables is installed.

    Raises:
        ConfigurationError: it is not; the message says how to install it.
    """
    require("deltalake", "landings: delta")


def follow(lake: Lake, dataset: str) -> None:
    """Make a dataset's Delta tables equal to its manifest; create them if there are none yet.

    Raises:
        ConfigurationError: the package for Delta tables is not installed.
        HeldError: other publishers changed the table every time.
        StorageError, UnavailableError: it cannot be written; the manifest's files are not touched.
    """
    check_delta()
    with lake.exclusive(dataset):
        manifest = lake.manifest(dataset)
        if manifest is None:
            return
        for table, entries in _tables(manifest):
            _follow(lake, manifest, table, entries)


def vacuum(lake: Lake, dataset: str, grace: timedelta, *, dry_run: bool = False) -> int:
    """Delete files that left the tables before a grace period, and the log's oldest entries.

    Returns:
        The number of files deleted, or that would be.

    Raises:
        ConfigurationError, StorageError: as follow.
    """
    check_delta()
    manifest = lake.manifest(dataset)
    deleted = 0
    for table, _ in _tables(manifest) if manifest else ():
        with lake.exclusive(dataset), _failures(lake, table):
            opened = _opened(lake, table)
            if opened is None:
                continue
            hours = int(grace.total_seconds() // 3600)
            found = opened.vacuum(hours, dry_run, enforce_retention_duration=False, full=True)
            deleted += len(found)
            if not dry_run:
                opened.cleanup_metadata()
    return deleted


def _tables(manifest: Manifest) -> Iterator[tuple[str, Sequence[Entry]]]:
    """Yield the names of a dataset's tables, and the units in each."""
    if manifest.mode != SNAPSHOT:
        yield manifest.dataset, manifest.entries
        return
    yield manifest.dataset, manifest.entries[-1:]
    yield manifest.dataset + HISTORY, manifest.entries


def _follow(lake: Lake, manifest: Manifest, table: str, entries: Sequence[Entry]) -> None:
    from deltalake.exceptions import CommitFailedError  # noqa: PLC0415 - an extra

    wanted = {file.path: file for file in _files(manifest, entries)}
    for _ in range(TRIES):
        with _failures(lake, table):
            opened = _opened(lake, table)
            seen = opened.transaction_version(APPLICATION) if opened else None
            if seen is not None and seen >= manifest.version:
                return
            known = _known(opened)
            added = [file for path, file in wanted.items() if path not in known]
            is_retyped = opened is not None and _is_retyped(opened, manifest)
            if is_retyped:
                added = [_renamed(file, manifest) for file in wanted.values()]
            for file in added:
                lake.store.keep(file.source, f"{DELTA_FOLDER}/{table}/{file.path}", durable=True)
            try:
                if opened is None:
                    _create(lake, manifest, table, added)
                elif is_retyped:
                    _overwrite(opened, manifest, added)
                else:
                    gone = [file for path, file in known.items() if path not in wanted]
                    _commit(opened, manifest, added, gone)
            except CommitFailedError:
                # Another publisher came first: on object storage nobody can be excluded.
                continue
            return
    raise HeldError(f"the Delta table of {table} is being changed by many runs at once: try again")


def _files(manifest: Manifest, entries: Sequence[Entry]) -> Iterator[_File]:
    for entry in entries:
        for file in entry.files:
            folder, _, name = file.path.partition("/")
            # A name that a plain folder uses again is another name here.
            unique = f"{name.removesuffix('.parquet')}.{entry.run_id}.parquet"
            value = entry.unit if manifest.mode == SNAPSHOT else folder.partition("=")[2]
            yield _File(
                f"{folder}/{unique}",
                f"{manifest.folder}/{file.path}",
                value,
                file.rows,
                file.bytes,
                int(entry.exported_at.timestamp() * MILLISECONDS),
            )


def _known(opened: Any | None) -> dict[str, tuple[str, int]]:
    """Return the paths that a table has now, and their sizes, by the paths that `_files` gives."""
    if opened is None:
        return {}
    found = pa.table(opened.get_add_actions(flatten=True))
    paths, sizes = found.column("path").to_pylist(), found.column("size_bytes").to_pylist()
    return {
        AGAIN.sub(".parquet", path): (path, size) for path, size in zip(paths, sizes, strict=True)
    }


def _renamed(file: _File, manifest: Manifest) -> _File:
    """Return the file under a second name: a commit cannot add a path that it removes."""
    again = f".v{manifest.version}.parquet"
    return replace(file, path=file.path.removesuffix(".parquet") + again)


def _is_retyped(opened: Any, manifest: Manifest) -> bool:
    """Return whether a column of the table has another type than in the manifest."""
    from deltalake import Schema  # noqa: PLC0415 - an extra

    before = {field.name: str(field.type) for field in opened.schema().fields}
    schema = Schema.from_arrow(schema_of(manifest))
    return any(str(each.type) != before.get(each.name, str(each.type)) for each in schema.fields)


def _create(lake: Lake, manifest: Manifest, table: str, files: Sequence[_File]) -> None:
    from deltalake import Schema  # noqa: PLC0415 - an extra
    from deltalake.transaction import create_table_with_add_actions  # noqa: PLC0415

    column = _partition(manifest)
    create_table_with_add_actions(
        lake.location(f"{DELTA_FOLDER}/{table}"),
        Schema.from_arrow(schema_of(manifest)),
        [_add(file, column) for file in files],
        mode="error",
        partition_by=[column],
        name=table,
        storage_options=_storage_options(),
        commit_properties=_properties(manifest),
    )


def _overwrite(opened: Any, manifest: Manifest, files: Sequence[_File]) -> None:
    """Replace all files and the columns' types in one commit: nothing else changes types."""
    from deltalake import Schema  # noqa: PLC0415 - an extra

    column = _partition(manifest)
    opened.create_write_transaction(
        [_add(file, column) for file in files],
        "overwrite",
        Schema.from_arrow(schema_of(manifest)),
        [column],
        commit_properties=_properties(manifest),
    )


def _commit(
    opened: Any, manifest: Manifest, added: Sequence[_File], gone: Sequence[tuple[str, int]]
) -> None:
    """Add and remove files in one commit; new columns, still without values, are another."""
    from deltalake import Schema  # noqa: PLC0415 - an extra
    from deltalake.transaction import RemoveAction  # noqa: PLC0415 - an extra

    schema, column = Schema.from_arrow(schema_of(manifest)), _partition(manifest)
    before = {field.name for field in opened.schema().fields}
    new = [field for field in schema.fields if field.name not in before]
    if new:
        opened.alter.add_columns(new)
    now = int(time.time() * MILLISECONDS)
    actions: list[Any] = [_add(file, column) for file in added]
    actions += [RemoveAction(path, True, now, size) for path, size in sorted(gone)]
    opened.create_write_transaction(
        actions, "append", schema, [column], commit_properties=_properties(manifest)
    )


def _partition(manifest: Manifest) -> str:
    return "snapshot" if manifest.mode == SNAPSHOT else "date"


def _add(file: _File, column: str) -> Any:
    from deltalake.transaction import AddAction  # noqa: PLC0415 - an extra

    stats = f'{{"numRecords": {file.rows}}}'
    return AddAction(
        file.path,
        file.bytes,
        {column: file.partition},
        file.made_at_ms,
        True,
        stats,
    )


def _properties(manifest: Manifest) -> Any:
    from deltalake.transaction import CommitProperties, Transaction  # noqa: PLC0415 - an extra

    return CommitProperties(app_transactions=[Transaction(APPLICATION, manifest.version)])


def _opened(lake: Lake, table: str) -> Any | None:
    from deltalake import DeltaTable  # noqa: PLC0415 - an extra

    place, options = lake.location(f"{DELTA_FOLDER}/{table}"), _storage_options()
    if not DeltaTable.is_deltatable(place, options):
        return None
    return DeltaTable(place, storage_options=options)


def _storage_options() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}


@contextmanager
def _failures(lake: Lake, table: str) -> Iterator[None]:
    """Turn what the package raises into one line that names the table."""
    from deltalake.exceptions import DeltaError  # noqa: PLC0415 - an extra

    try:
        yield
    except StorageError as error:
        cause = error.message.removesuffix(f"; {UNPUBLISHED}")
        raise StorageError(f"{cause}; {_counts(table)}") from None
    except PipelineError:
        raise
    except (DeltaError, OSError) as error:
        place = lake.location(f"{DELTA_FOLDER}/{table}")
        why = type(error).__name__
        raise StorageError(
            f"the Delta table {place} cannot be written: {why}; {_counts(table)}"
        ) from None


def _counts(table: str) -> str:
    return (
        f"the files of {table} are as the manifest says, and nxp maintain brings the table in line"
    )
