"""A DuckDB database of views over a lake, for BI tools: it holds no rows of its own.

Each view looks up in the dataset's manifest, whenever it is queried, which files count. So it is
exact during an export too, and never out of date; DuckDB opens only the files that are left after
that look-up.
"""

import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import duckdb

from connectors.errors import ConfigurationError, StorageError, UsageError
from connectors.lake.lake import Lake
from connectors.lake.manifest import SNAPSHOT, Manifest
from connectors.lake.naming import HISTORY, PATH, partition_sql
from connectors.lake.sql_records import RECORD_VIEWS, record_view
from connectors.lake.sql_views import comment_on, empty_view
from connectors.lake.storage import advice
from connectors.lake.stores.store import is_remote
from connectors.locked_duckdb import first_line
from connectors.quoting import quoted_name, quoted_text

# What releases of DuckDB since 1.0 can open.
STORAGE: Final = "v1.0.0"
# A manifest of 100,000 units takes 40 MB.
LARGEST_MANIFEST: Final = 1 << 30
ENTRIES: Final = "STRUCT(unit VARCHAR, files STRUCT(path VARCHAR)[])[]"
NEW: Final = ".new"
PATH_END: Final = f"regexp_extract({PATH}, '[^/]+/[^/]+$')"


def write_database(
    lake: Lake,
    file: Path,
    *,
    relative: bool = False,
    comments: Callable[[str], Mapping[str, str]] = lambda _dataset: {},
) -> list[str]:
    """Write a database of views over a lake, in one step; return the names of the views.

    Args:
        lake: one tenant's part of the lake.
        file: the database. One that an earlier call wrote is replaced.
        relative: name the lake's files relative to the folder of `file`, so that both can be moved
            together. Programs must then be started in that folder, or set `file_search_path` to
            it; and they open all files of a dataset to find those that count.
        comments: returns what a dataset says of its columns, by name, and under an empty name of
            itself.

    Raises:
        ConfigurationError: nothing has landed yet.
        UsageError: the file is not such a database, or a lake in a bucket has no relative paths.
        StorageError: the file cannot be written.
    """
    root = _root(lake, file, relative=relative)
    datasets = lake.datasets()
    if not datasets:
        raise ConfigurationError(
            f"nothing has landed in {lake.location()} yet: run nxp export first"
        )
    _check_replaceable(file)
    views = {
        name: source
        for dataset in datasets
        if (manifest := lake.manifest(dataset))
        for name, source in _sources(root, manifest, relative=relative)
    }
    views |= {name: _records(lake, root, name) for name in sorted(RECORD_VIEWS)}
    new = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}{NEW}")
    try:
        said = {each + end: comments(each) for each in datasets for end in ("", HISTORY)}
        _write(new, file.parent if relative else None, views, said)
        new.replace(file)
    except duckdb.Error as error:
        raise StorageError(f"cannot write {file}: {first_line(error)}") from None
    except OSError as error:
        raise StorageError(f"cannot write {file}: {advice(error)}") from None
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    return list(views)


def _root(lake: Lake, file: Path, *, relative: bool) -> str:
    """Return what comes before the path of a file of the lake in the views."""
    place = lake.location()
    if is_remote(place):
        if relative:
            raise UsageError("relative paths are for a lake in a folder: this one is in a bucket")
        return f"{place}/"
    if not relative:
        return f"{lake.folder.resolve()}/"
    try:
        return f"{os.path.relpath(lake.folder.resolve(), file.resolve().parent)}/"
    except ValueError:
        raise UsageError(f"{file} and the lake are on different drives") from None


def _check_replaceable(file: Path) -> None:
    """Raise unless a file does not exist, or is a DuckDB database without tables."""
    if not file.exists():
        return
    try:
        with closing(duckdb.connect(str(file), read_only=True)) as found:
            tables = found.execute("SELECT count(*) FROM duckdb_tables()").fetchall()[0][0]
    except duckdb.Error:
        raise UsageError(
            f"{file} is not a DuckDB database, or is in use: name a new file"
        ) from None
    if tables:
        raise UsageError(f"{file} holds {tables} tables of its own: name a new file")


def _write(
    new: Path, folder: Path | None, views: dict[str, str], comments: Mapping[str, Mapping[str, str]]
) -> None:
    with closing(duckdb.connect(":memory:")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        place = quoted_text(str(new.resolve()))
        connection.execute(f"ATTACH {place} AS made (STORAGE_VERSION '{STORAGE}')")
        connection.execute("USE made")
        if folder is not None:
            connection.execute(f"SET file_search_path = {quoted_text(str(folder.resolve()))}")
        for name, source in views.items():
            connection.execute(f"CREATE VIEW {quoted_name(name)} AS {source}")
            comment_on(connection, name, comments.get(name, {}))
        connection.execute("USE memory")
        connection.execute("DETACH made")


def _sources(root: str, manifest: Manifest, *, relative: bool) -> list[tuple[str, str]]:
    """Return the views of a dataset: name and query."""
    name = manifest.dataset
    if not manifest.paths():
        return [(name, empty_view(manifest))]
    whole = _source(root, manifest, "unnest(entries)", relative=relative)
    if manifest.mode != SNAPSHOT:
        return [(name, whole)]
    latest = _source(root, manifest, "entries[-1]", relative=relative)
    return [(name, latest), (name + HISTORY, whole)]


def _source(root: str, manifest: Manifest, entries: str, *, relative: bool) -> str:
    """Return a query of the rows of those entries that an expression over `entries` gives."""
    folder = f"{root}{manifest.folder}/"
    listed = quoted_text(root + manifest.places.manifest(manifest.dataset))
    partition, expression = partition_sql(manifest.mode)
    # DuckDB leaves files unopened only if their whole names are compared. A relative name may be
    # completed by the reader's settings, and then only its end is certain.
    start, found = (quoted_text(""), PATH_END) if relative else (quoted_text(folder), PATH)
    files = (
        f"SELECT {start} || file.path FROM (SELECT unnest(entry.files) AS file FROM "  # noqa: S608 - texts are quoted
        f"(SELECT {entries} AS entry FROM read_json({listed}, format = 'unstructured', "
        f"maximum_object_size = {LARGEST_MANIFEST}, columns = {{entries: '{ENTRIES}'}})))"
    )
    return (
        f"SELECT * EXCLUDE ({PATH}), {expression} AS {partition} FROM read_parquet("  # noqa: S608
        f"{quoted_text(folder + '*/*.parquet')}, union_by_name = true, hive_partitioning = false, "
        f"filename = '{PATH}') WHERE {found} IN ({files})"
    )


def _records(lake: Lake, root: str, name: str) -> str:
    view = record_view(lake, name)
    if not view.files:
        return view.source
    # Every file of these folders counts, so a pattern is exact too.
    return record_view(lake, name, quoted_text(f"{root}{name}/**/*.parquet")).source
