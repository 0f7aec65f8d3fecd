"""Reading the lake with SQL: DuckDB views over exactly the files that the manifests name."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from connectors.errors import ConfigurationError, StorageError, UsageError
from connectors.lake.lake import Lake
from connectors.lake.manifest import Manifest

Result = TypeVar("Result")

READ_AGAIN = 5
RECORDS = ("_runs", "_rejects")
HISTORY = "_history"
# How soon Ctrl-C is noticed while DuckDB works.
LISTEN_SECONDS = 0.1
# Arrow's names of the landed types, as DuckDB names them; needed only where there is no file yet.
DUCKDB_TYPES = {
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
}
# The partition is read from the end of the path, by our own pattern: DuckDB's partitioning would
# also take what stands in the folders above the lake.
PARTITIONS = {
    "window": ("date", "CAST(regexp_extract(filename, '/date=([0-9-]+)/[^/]*$', 1) AS DATE)"),
    "snapshot": ("snapshot", "regexp_extract(filename, '/snapshot=([0-9TZ]+)/[^/]*$', 1)"),
}


def query_lake(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one read-only statement; returns the column names and the rows.

    A snapshot dataset is a view of its latest snapshot, and `<dataset>_history` of all; a window
    dataset is one view; `_runs` and `_rejects` are views too.

    Raises:
        UsageError: the statement is wrong, or would write.
        ConfigurationError: nothing has landed yet.
        StorageError: a file that a manifest names is missing or damaged.
    """
    if not lake.datasets():
        raise ConfigurationError(f"nothing has landed in {lake.folder} yet: run nxp export first")
    for attempt in range(1, READ_AGAIN + 1):
        try:
            return _query(lake, sql)
        except (duckdb.IOException, FileNotFoundError) as error:
            # A publish may have moved files aside between the reading of manifest and files.
            if attempt == READ_AGAIN:
                raise StorageError(
                    f"a file of the lake cannot be read, land its unit again: {_first_line(error)}"
                ) from None
    raise AssertionError("unreachable")


def _query(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    connection = duckdb.connect(":memory:")
    try:
        for name, source in _views(lake, duckdb.get_table_names(sql)):
            connection.execute(f'CREATE VIEW "{name}" AS {source}')
        _lock_down(connection, lake.folder)
        statements = connection.extract_statements(sql)
        # EXPLAIN is none of them: with ANALYZE it carries out what it explains.
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError("nxp sql takes one SELECT statement: the lake is read-only")
        return _interruptibly(connection, lambda: _rows(connection.execute(statements[0])))
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        raise UsageError(f"SQL: {' '.join(str(error).split())}") from None
    finally:
        connection.close()


def _rows(cursor: duckdb.DuckDBPyConnection) -> tuple[list[str], list[tuple[Any, ...]]]:
    names: list[str] = []
    for column in cursor.description or []:
        # Two columns of one name would be one in JSON.
        twins = sum(name == column[0] or name.startswith(f"{column[0]}_") for name in names)
        names.append(f"{column[0]}_{twins}" if column[0] in names else column[0])
    return names, cursor.fetchall()


def _interruptibly(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Work in a thread, so that a signal is noticed here and stops it."""
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


def _lock_down(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Leave the lake as the only place that a statement can read, and nothing to change that."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_directories = [{_quote(str(folder) + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _views(lake: Lake, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """Give the views that a statement names, so that one damaged dataset does not hide others."""
    wanted = {name.lower() for name in wanted}
    for dataset in lake.datasets():
        names = {dataset, dataset + HISTORY} & wanted
        manifest = lake.manifest(dataset) if names else None
        if manifest is None:
            continue
        folder = lake.dataset_folder(dataset)
        if manifest.mode != "snapshot":
            yield dataset, _source(folder, manifest)
            continue
        latest = manifest.model_copy(update={"entries": manifest.entries[-1:]})
        yield dataset, _source(folder, latest)
        yield dataset + HISTORY, _source(folder, manifest)
    for name in RECORDS:
        files = sorted((lake.folder / name).glob("*/*.parquet")) if name in wanted else []
        if files:
            yield name, f"SELECT * EXCLUDE (filename) FROM {_read(files)}"  # noqa: S608


def _source(folder: Path, manifest: Manifest) -> str:
    files = [folder / file.path for entry in manifest.entries for file in entry.files]
    partition, expression = PARTITIONS[manifest.mode]
    if files:
        for file in files:
            file.stat()
        return (
            f"SELECT * EXCLUDE (filename), {expression} AS {partition} "  # noqa: S608
            f"FROM {_read(files)}"
        )
    columns = [
        f'CAST(NULL AS {_duckdb_type(kind)}) AS "{name}"'
        for name, kind in manifest.schema_columns.items()
    ]
    return f"SELECT {', '.join(columns)} WHERE false"


def _read(files: list[Path]) -> str:
    listed = ", ".join(_quote(str(file)) for file in files)
    options = "union_by_name = true, hive_partitioning = false, filename = true"
    return f"read_parquet([{listed}], {options})"


def _duckdb_type(arrow: str) -> str:
    return "TIMESTAMPTZ" if arrow.startswith("timestamp") else DUCKDB_TYPES.get(arrow, "VARCHAR")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
