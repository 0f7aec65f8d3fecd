"""A DuckDB database of views over a lake, for BI tools: it holds no rows of its own.

Each view looks up in the dataset's manifest, whenever it is queried, which files count. So it is
exact during an export too, and never out of date; DuckDB opens only the files that are left after
that look-up.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from connectors.errors import ConfigurationError, StorageError, UsageError
from connectors.lake.lake import Lake
from connectors.lake.manifest import SNAPSHOT, Manifest
from connectors.lake.naming import HISTORY, PATH, VERSIONS, partition_sql
from connectors.lake.sql_changes import changes_sql, key_in_files
from connectors.lake.sql_records import ALL_RECORD_VIEWS, PLAIN_PATHS, lasting_record_view
from connectors.lake.sql_versions import define_version_parts
from connectors.lake.sql_views import NOTHING, Offered, comment_on, empty_view
from connectors.lake.storage import advice
from connectors.lake.stores.store import is_remote
from connectors.locked_duckdb import first_line
from connectors.quoting import quoted_name, quoted_text

# What releases of DuckDB since 1.0 can open.
STORAGE: Final = "v1.0.0"
# A manifest of 100,000 units takes 40 MB.
LARGEST_MANIFEST: Final = 1 << 30
ENTRIES: Final = "STRUCT(unit VARCHAR, starts_at VARCHAR, files STRUCT(path VARCHAR)[])[]"
NEW: Final = ".new"
PATH_END: Final = f"regexp_extract({PATH}, '[^/]+/[^/]+$')"


def write_database(
    lake: Lake,
    file: Path,
    *,
    relative: bool = False,
    offered: Offered = NOTHING,
    note: Callable[[str], None] = lambda _text: None,
) -> list[str]:
    """Write a database of views over a lake, in one step; return the names of the views.

    Args:
        lake: one tenant's part of the lake.
        file: the database. One that an earlier call wrote is replaced.
        relative: name the lake's files relative to the folder of `file`, so that both can be moved
            together. Programs must then be started in that folder, or set `file_search_path` to
            it; and they open all files of a dataset to find those that count.
        offered: the key columns of datasets, and comments on their columns.
        note: is called with a line for each view that is left out, which says why.

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
    views = _views(lake, root, datasets, offered, note, relative=relative)
    new = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}{NEW}")
    try:
        endings = ("", HISTORY, VERSIONS)
        said = {each + end: offered.comments(each) for each in datasets for end in endings}
        _write(lake, new, file.parent if relative else None, views, said)
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
    lake: Lake,
    new: Path,
    folder: Path | None,
    views: dict[str, str],
    comments: Mapping[str, Mapping[str, str]],
) -> None:
    with closing(duckdb.connect(":memory:")) as connection:
        # Readers of a bucket need the extension httpfs; this does not, and has the lake's rights.
        files = lake.store.filesystem(None)
        if files is not None:
            connection.register_filesystem(files)
        connection.execute("SET TimeZone = 'UTC'")
        place = quoted_text(str(new.resolve()))
        connection.execute(f"ATTACH {place} AS made (STORAGE_VERSION '{STORAGE}')")
        connection.execute("USE made")
        if folder is not None:
            connection.execute(f"SET file_search_path = {quoted_text(str(folder.resolve()))}")
        define_version_parts(connection)
        for name, source in views.items():
            connection.execute(f"CREATE VIEW {quoted_name(name)} AS {source}")
            comment_on(connection, name, comments.get(name, {}))
        connection.execute("USE memory")
        connection.execute("DETACH made")


def _views(
    lake: Lake,
    root: str,
    datasets: Sequence[str],
    offered: Offered,
    note: Callable[[str], None],
    *,
    relative: bool,
) -> dict[str, str]:
    """Return the views, name and query; a view that cannot be made is noted."""
    views: dict[str, str] = {}
    for dataset in datasets:
        manifest = lake.manifest(dataset)
        if manifest is None:
            continue
        read = _Files(root, manifest, relative)
        # A dataset of that name is the view.
        views |= {
            name: sql for name, sql in read.views() if name == dataset or name not in datasets
        }
        if manifest.mode == SNAPSHOT and dataset + VERSIONS not in datasets:
            try:
                key = offered.keys(dataset) or key_in_files(lake, manifest)
                views[dataset + VERSIONS] = read.changes(key)
            except ConfigurationError as error:
                note(str(error))
    return views | {
        name: lasting_record_view(lake, name, root) for name in sorted(ALL_RECORD_VIEWS)
    }


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of a dataset that count when they are read, as SQL."""

    root: str
    manifest: Manifest
    relative: bool

    def views(self) -> Iterator[tuple[str, str]]:
        """Yield its views, name and query, except that of changes."""
        name, is_snapshot = self.manifest.dataset, self.manifest.mode == SNAPSHOT
        whole = self._source("unnest(entries)")
        yield name, self._source("entries[-1]") if is_snapshot else whole
        if is_snapshot:
            yield name + HISTORY, whole

    def changes(self, key: Sequence[str]) -> str:
        """Return the view of what objects were when.

        Raises:
            ConfigurationError: it has no key, or lands a column of a name that the view needs.
        """
        slots = (
            "SELECT row_number() OVER one - 1, unit, starts, lead(starts) OVER one FROM (SELECT "  # noqa: S608 - no names of others
            "entry.unit AS unit, CAST(entry.starts_at AS TIMESTAMPTZ) AS starts FROM "
            f"{self._entries('unnest(entries)')}) WINDOW one AS (ORDER BY starts)"
        )
        read = f"(SELECT * FROM {self._read()} WHERE {self._counts('unnest(entries)')})"  # noqa: S608 - texts, quoted
        return changes_sql(self.manifest, key, read, slots)

    def _source(self, entries: str) -> str:
        """Return a query of the rows of those entries that an expression over `entries` gives."""
        if not self.manifest.paths():
            return empty_view(self.manifest)
        partition, expression = partition_sql(self.manifest.mode)
        return (
            f"SELECT * EXCLUDE ({PATH}), {expression} AS {partition} "  # noqa: S608 - quoted
            f"FROM {self._read()} WHERE {self._counts(entries)}"
        )

    @property
    def _folder(self) -> str:
        return f"{self.root}{self.manifest.folder}/"

    def _read(self) -> str:
        files = quoted_text(f"{self._folder}*/*.parquet")
        return f"read_parquet({files}, union_by_name = true, {PLAIN_PATHS})"

    def _entries(self, chosen: str) -> str:
        place = self.root + self.manifest.places.manifest(self.manifest.dataset)
        return (
            f"(SELECT {chosen} AS entry FROM read_json({quoted_text(place)}, "  # noqa: S608 - quoted
            f"format = 'unstructured', maximum_object_size = {LARGEST_MANIFEST}, "
            f"columns = {{entries: '{ENTRIES}'}}))"
        )

    def _counts(self, chosen: str) -> str:
        """Return a condition: the file of a row is one of these entries."""
        # DuckDB leaves files unopened only if their whole names are compared. A relative name may
        # be completed by the reader's settings, and then only its end is certain.
        start, found = ("", PATH_END) if self.relative else (self._folder, PATH)
        return (
            f"{found} IN (SELECT {quoted_text(start)} || file.path FROM "  # noqa: S608 - quoted
            f"(SELECT unnest(entry.files) AS file FROM {self._entries(chosen)}))"
        )
