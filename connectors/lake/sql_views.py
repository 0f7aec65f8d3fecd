"""The views of a lake for DuckDB, over exactly the files that the manifests name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from connectors.errors import PipelineError, SqlError
from connectors.lake.lake import Lake
from connectors.lake.manifest import SNAPSHOT, Manifest
from connectors.lake.manifests import entry_files
from connectors.lake.naming import HISTORY, PATH, VERSIONS, partition_sql
from connectors.lake.sql_changes import changes_sql, key_in_files
from connectors.lake.sql_names import Named
from connectors.lake.sql_records import (
    ALL_RECORD_VIEWS,
    PLAIN_PATHS,
    LakeView,
    empty_record_view,
    listed_files,
    record_view,
)
from connectors.lake.sql_versions import define_version_parts
from connectors.locked_duckdb import first_line
from connectors.quoting import quoted_name, quoted_text

# Arrow's names of the landed types, as DuckDB names them; only needed if there is no file yet.
DUCKDB_TYPES = {
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
}


@dataclass(frozen=True, slots=True)
class Offered:
    """What is not in the lake and can be asked for too; nothing of it is made before it is.

    Attributes:
        tables: makes Arrow tables, by name; with or without rows.
        keys: returns the key columns of a dataset, as its YAML has them; none if that is unknown.
        comments: returns what a dataset's YAML says of it: of columns by name, of the view itself
            under an empty name.
    """

    tables: Mapping[str, Callable[[bool], Any]] = field(default_factory=dict)
    keys: Callable[[str], Sequence[str]] = lambda _dataset: ()
    comments: Callable[[str], Mapping[str, str]] = lambda _dataset: {}


NOTHING: Final = Offered()


class Opened:
    """The views of one connection, and those that could not be opened, with the reason."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, lake: Lake, offered: Offered = NOTHING
    ) -> None:
        self.lake = lake
        self._offered = offered
        self.failed: dict[str, Exception] = {}
        self._filesystem: Any | None = None
        self._connection = connection
        self._views: list[LakeView] = []

    def open(self, datasets: Sequence[str], wanted: Named) -> None:
        """Make the wanted views, so that no other damaged dataset matters.

        Raises:
            PipelineError, duckdb.Error: one that the statement is sure to read cannot be opened.
        """
        define_version_parts(self._connection)
        for dataset in datasets:
            with self._noted({dataset, dataset + HISTORY} & wanted.names, wanted):
                self._views += _views(self.lake, dataset, wanted.names)
            # A dataset of that name is the view.
            changes = ({dataset + VERSIONS} - {*datasets}) & wanted.names
            with self._noted(changes, wanted):
                self._views += self._changes(dataset) if changes else []
        for name in sorted(ALL_RECORD_VIEWS & wanted.names):
            with self._noted({name}, wanted):
                is_listed = name in wanted.listed
                self._views.append(
                    empty_record_view(name) if is_listed else record_view(self.lake, name)
                )
        self._filesystem = self.lake.store.filesystem(frozenset(self._files()))
        if self._filesystem is not None:
            self._connection.register_filesystem(self._filesystem)
        for view in self._views:
            with self._noted({view.name}, wanted):
                self._connection.execute(f"CREATE VIEW {quoted_name(view.name)} AS {view.source}")
        for name in sorted(self._offered.tables.keys() & wanted.names):
            with self._noted({name}, wanted):
                made = self._offered.tables[name](name not in wanted.listed)
                self._connection.register(name, made)
        if wanted.shows_comments:
            self._comment(datasets)

    def has(self, view: str) -> bool:
        """Return whether a view that there can be does exist."""
        ending = next((each for each in (HISTORY, VERSIONS) if view.endswith(each)), "")
        if not ending or view in ALL_RECORD_VIEWS:
            return True
        with suppress(PipelineError):
            manifest = self.lake.manifest(view.removesuffix(ending))
            return manifest is not None and manifest.mode == SNAPSHOT
        return False

    @property
    def failure(self) -> Exception | None:
        """Why the object storage refused the last request; None for a folder, or if it did not."""
        failure: Exception | None = self._filesystem and self._filesystem.failure
        return failure

    def files(self) -> list[str]:
        """Return the files of all views, as DuckDB names them."""
        return [self.lake.store.sql_root + file for file in self._files()]

    def _changes(self, dataset: str) -> list[LakeView]:
        """Return the view of what objects of a dataset were when."""
        name = dataset + VERSIONS
        manifest = self.lake.manifest(dataset)
        if manifest is None or manifest.mode != SNAPSHOT or not manifest.entries:
            return []
        files = [path for entry in manifest.entries for path in entry_files(manifest, entry)]
        key = self._offered.keys(dataset) or key_in_files(self.lake, manifest)
        return [LakeView(name, changes_sql(manifest, key, _read(self.lake, files)), tuple(files))]

    def _comment(self, datasets: Sequence[str]) -> None:
        """Comment on views and their columns."""
        made = {view.name for view in self._views} - self.failed.keys()
        for dataset in datasets:
            said = self._offered.comments(dataset)
            for name in sorted(made & {dataset, dataset + HISTORY, dataset + VERSIONS}):
                comment_on(self._connection, name, said)

    def _files(self) -> list[str]:
        return [file for view in self._views for file in view.files]

    @contextmanager
    def _noted(self, names: set[str], wanted: Named) -> Iterator[None]:
        """Keep the reason why a view cannot be opened, if the statement may not read it at all."""
        try:
            yield
        except (PipelineError, FileNotFoundError, duckdb.Error) as error:
            failure = self.failure or _of_view(error, names)
            if wanted.is_sure:
                raise failure from None
            if self._filesystem is not None:
                self._filesystem.failure = None
            self.failed |= dict.fromkeys(names, failure)


def _of_view(error: Exception, names: Iterable[str]) -> Exception:
    """Return the reason why a view cannot be opened, with the view's name."""
    if isinstance(error, duckdb.Error) and not isinstance(error, duckdb.IOException):
        return SqlError(f"SQL: {', '.join(sorted(names))} cannot be read: {first_line(error)}")
    return error


def comment_on(connection: duckdb.DuckDBPyConnection, view: str, said: Mapping[str, str]) -> None:
    """Comment on a view, under an empty name, and on its columns."""
    for column, text in said.items():
        of_column = f"COLUMN {quoted_name(view)}.{quoted_name(column)}"
        what = of_column if column else f"VIEW {quoted_name(view)}"
        # A column of the YAML may not have landed yet.
        with suppress(duckdb.Error):
            connection.execute(f"COMMENT ON {what} IS {quoted_text(text)}")


def views_of(datasets: Iterable[str], offered: Offered = NOTHING) -> list[str]:
    """Return the names of all views that there can be; not every dataset has a history."""
    endings = ("", HISTORY, VERSIONS)
    names = [dataset + ending for dataset in datasets for ending in endings]
    return [*sorted(ALL_RECORD_VIEWS), *offered.tables, *names]


def _views(lake: Lake, dataset: str, wanted: frozenset[str]) -> list[LakeView]:
    """Return those views of a dataset that are wanted."""
    manifest = lake.manifest(dataset) if {dataset, dataset + HISTORY} & wanted else None
    if manifest is None:
        return []
    if manifest.mode != SNAPSHOT:
        return [_view(lake, dataset, manifest)]
    latest = manifest.model_copy(update={"entries": manifest.entries[-1:]})
    views = (_view(lake, dataset, latest), _view(lake, dataset + HISTORY, manifest))
    return [view for view in views if view.name in wanted]


def _view(lake: Lake, name: str, manifest: Manifest) -> LakeView:
    files = [path for entry in manifest.entries for path in entry_files(manifest, entry)]
    partition, expression = partition_sql(manifest.mode)
    if files:
        source = (
            f"SELECT * EXCLUDE ({PATH}), {expression} AS {partition} "  # noqa: S608 - names and texts, quoted
            f"FROM {_read(lake, files)}"
        )
        return LakeView(name, source, tuple(files))
    return LakeView(name, empty_view(manifest), ())


def empty_view(manifest: Manifest) -> str:
    """Return a query of no rows, in the columns of a dataset that has no file yet."""
    partition, _ = partition_sql(manifest.mode)
    columns = [
        f"CAST(NULL AS {duckdb_type(kind)}) AS {quoted_name(column)}"
        for column, kind in manifest.schema_columns.items()
    ]
    columns.append(
        f"CAST(NULL AS {'VARCHAR' if partition == 'snapshot' else 'DATE'}) AS {partition}"
    )
    return f"SELECT {', '.join(columns)} WHERE false"


def _read(lake: Lake, files: list[str]) -> str:
    return f"read_parquet({listed_files(lake, files)}, union_by_name = true, {PLAIN_PATHS})"


def duckdb_type(arrow: str) -> str:
    """Return DuckDB's name of a landed type, as a manifest has it."""
    if arrow.startswith("timestamp"):
        return "TIMESTAMPTZ"
    # `list<item: string>`; another version wrote `list<element: string>`.
    if arrow.startswith(("list<", "large_list<")):
        return "VARCHAR[]"
    return DUCKDB_TYPES.get(arrow, "VARCHAR")
