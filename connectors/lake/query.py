"""Reading the lake with SQL: DuckDB views over exactly the files that the manifests name."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb

from connectors.errors import ConfigurationError, StorageError, UsageError
from connectors.lake.lake import Lake
from connectors.lake.manifest import SNAPSHOT, Manifest
from connectors.lake.manifests import entry_files
from connectors.lake.naming import REJECTS, RUNS, partition_sql
from connectors.locked_duckdb import BLIND, CLOSED, first_line, lock_down
from connectors.quoting import quoted_name, quoted_text

Result = TypeVar("Result")

READ_AGAIN = 5
RECORDS = (RUNS, REJECTS)
HISTORY = "_history"
# How soon Ctrl-C is noticed while DuckDB works.
LISTEN_SECONDS = 0.1
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
class LakeView:
    """One view, and the files (relative to the tenant's part of the lake) that it reads."""

    name: str
    source: str
    files: tuple[str, ...]


def query_lake(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one read-only statement; return the column names and the rows.

    A snapshot dataset has a view of its latest snapshot, and `<dataset>_history` of all of them; a
    window dataset has one view; `_runs` and `_rejects` are views too.

    Raises:
        UsageError: the statement is wrong, or would write.
        ConfigurationError: nothing has landed yet.
        StorageError: a file that a manifest names is missing or damaged.
    """
    if not lake.datasets():
        raise ConfigurationError(
            f"nothing has landed in {lake.location()} yet: run nxp export first"
        )
    for attempt in range(1, READ_AGAIN + 1):
        try:
            return _query(lake, sql)
        except (duckdb.IOException, FileNotFoundError) as error:
            # A publish may have moved files to `_old` after the manifest was read.
            if attempt == READ_AGAIN:
                raise StorageError(
                    f"a file of the lake cannot be read, land its unit again: {first_line(error)}"
                ) from None
    raise AssertionError("unreachable")


def _query(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    connection = duckdb.connect(":memory:", config=CLOSED)
    views: list[LakeView] = []
    files = None
    try:
        views = _views(lake, _named(sql))
        files = lake.store.filesystem(frozenset(file for view in views for file in view.files))
        if files is not None:
            connection.register_filesystem(files)
        for view in views:
            connection.execute(f"CREATE VIEW {quoted_name(view.name)} AS {view.source}")
        lock_down(connection, lake.store.sql_root)
        statements = connection.extract_statements(sql)
        # EXPLAIN is not a SELECT: with ANALYZE it carries out what it explains.
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError("nxp sql takes one SELECT statement: the lake is read-only")
        return _interruptibly(connection, lambda: _rows(connection.execute(statements[0])))
    except duckdb.Error as error:
        if files is not None and files.failure is not None:
            # DuckDB would show it as a traceback within its own message.
            raise files.failure from None
        if isinstance(error, duckdb.IOException):
            raise
        raise UsageError(f"SQL: {' '.join(str(error).split())}") from None
    finally:
        connection.close()


def _named(sql: str) -> set[str]:
    """Return the tables that a statement names; files that it names are not looked at."""
    blind = duckdb.connect(":memory:", config=BLIND)
    try:
        return blind.get_table_names(sql)
    finally:
        blind.close()


def _rows(cursor: duckdb.DuckDBPyConnection) -> tuple[list[str], list[tuple[Any, ...]]]:
    names: list[str] = []
    for column in cursor.description or []:
        # Two columns with the same name would become one in JSON.
        twins = sum(name == column[0] or name.startswith(f"{column[0]}_") for name in names)
        names.append(f"{column[0]}_{twins}" if column[0] in names else column[0])
    return names, cursor.fetchall()


def _interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Run `work` in another thread, so that a signal is noticed here and stops it."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        try:
            while True:
                try:
                    return future.result(LISTEN_SECONDS)
                except NotYet:
                    continue
        except BaseException:
            connection.interrupt()
            raise


def _views(lake: Lake, wanted: set[str]) -> list[LakeView]:
    """Return only the views that a statement names, so that no other damaged dataset matters."""
    wanted = {name.lower() for name in wanted}
    views = []
    for dataset in lake.datasets():
        names = {dataset, dataset + HISTORY} & wanted
        manifest = lake.manifest(dataset) if names else None
        if manifest is None:
            continue
        if manifest.mode != SNAPSHOT:
            views.append(_view(lake, dataset, manifest))
            continue
        latest = manifest.model_copy(update={"entries": manifest.entries[-1:]})
        views.append(_view(lake, dataset, latest))
        views.append(_view(lake, dataset + HISTORY, manifest))
    for name in RECORDS:
        if name in wanted and (files := _records(lake, name)):
            source = f"SELECT * EXCLUDE (filename) FROM {_read(lake, files)}"  # noqa: S608
            views.append(LakeView(name, source, tuple(files)))
    return views


def _records(lake: Lake, name: str) -> list[str]:
    """Return the finished files of `_runs` or `_rejects`."""
    paths = [file.path for file in lake.store.files(name)]
    return [path for path in paths if path.endswith(".parquet")]


def _view(lake: Lake, name: str, manifest: Manifest) -> LakeView:
    files = [path for entry in manifest.entries for path in entry_files(manifest, entry)]
    partition, expression = partition_sql(manifest.mode)
    if files:
        source = (
            f"SELECT * EXCLUDE (filename), {expression} AS {partition} "  # noqa: S608
            f"FROM {_read(lake, files)}"
        )
        return LakeView(name, source, tuple(files))
    columns = [
        f"CAST(NULL AS {_duckdb_type(kind)}) AS {quoted_name(column)}"
        for column, kind in manifest.schema_columns.items()
    ]
    columns.append(
        f"CAST(NULL AS {'VARCHAR' if partition == 'snapshot' else 'DATE'}) AS {partition}"
    )
    return LakeView(name, f"SELECT {', '.join(columns)} WHERE false", ())


def _read(lake: Lake, files: list[str]) -> str:
    listed = ", ".join(quoted_text(lake.store.sql_root + file) for file in files)
    options = "union_by_name = true, hive_partitioning = false, filename = true"
    return f"read_parquet([{listed}], {options})"


def _duckdb_type(arrow: str) -> str:
    if arrow.startswith("timestamp"):
        return "TIMESTAMPTZ"
    # `list<item: string>`; another version wrote `list<element: string>`.
    if arrow.startswith(("list<", "large_list<")):
        return "VARCHAR[]"
    return DUCKDB_TYPES.get(arrow, "VARCHAR")
