"""Reading the lake with SQL: DuckDB views over exactly the files that the manifests name."""

from pathlib import Path
from typing import Any

import duckdb

from connectors.errors import ConfigurationError, UnavailableError, UsageError
from connectors.lake.lake import Lake
from connectors.lake.manifest import Manifest

READ_AGAIN = 5
RECORDS = ("_runs", "_rejects")
# Arrow's names of the landed types, as DuckDB names them; needed only where there is no file yet.
DUCKDB_TYPES = {
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
}


def query_lake(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one read-only statement; returns the column names and the rows.

    A snapshot dataset is a view of its latest snapshot, and `<dataset>_history` of all; a window
    dataset is one view; `_runs` and `_rejects` are views too.

    Raises:
        UsageError: the statement is wrong, or would write.
        ConfigurationError: nothing has landed yet.
    """
    if not lake.datasets():
        raise ConfigurationError(f"nothing has landed in {lake.folder} yet: run nxp export first")
    for _ in range(READ_AGAIN):
        try:
            return _query(lake, sql)
        except duckdb.IOException:
            # A publish has moved files aside between the reading of manifest and files.
            continue
    raise UnavailableError(f"the files in {lake.folder} change too fast to read: try again")


def _query(lake: Lake, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    connection = duckdb.connect(":memory:")
    try:
        _create_views(connection, lake)
        _lock_down(connection, lake.folder)
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in {
            duckdb.StatementType.SELECT,
            duckdb.StatementType.EXPLAIN,
        }:
            raise UsageError("nxp sql takes one SELECT statement: the lake is read-only")
        cursor = connection.execute(statements[0])
        names = [column[0] for column in cursor.description or []]
        return names, cursor.fetchall()
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        raise UsageError(f"SQL: {' '.join(str(error).split())}") from None
    finally:
        connection.close()


def _lock_down(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Leave the lake as the only place that a statement can read, and nothing to change that."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET allowed_directories = [{_quote(str(folder) + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _create_views(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    for dataset in lake.datasets():
        manifest = lake.manifest(dataset)
        if manifest is None:
            continue
        folder = lake.dataset_folder(dataset)
        if manifest.mode == "snapshot":
            latest = manifest.model_copy(update={"entries": manifest.entries[-1:]})
            _create_view(connection, dataset, _source(folder, latest))
            dataset = f"{dataset}_history"  # noqa: PLW2901 - the second view of the same dataset
        _create_view(connection, dataset, _source(folder, manifest))
    for name in RECORDS:
        files = sorted(str(path) for path in (lake.folder / name).glob("**/*.parquet"))
        if files:
            _create_view(connection, name, _read(files))


def _create_view(connection: duckdb.DuckDBPyConnection, name: str, source: str) -> None:
    connection.execute(f'CREATE VIEW "{name}" AS {source}')


def _source(folder: Path, manifest: Manifest) -> str:
    files = [str(folder / file.path) for entry in manifest.entries for file in entry.files]
    if files:
        return _read(files)
    columns = [
        f'CAST(NULL AS {_duckdb_type(kind)}) AS "{name}"'
        for name, kind in manifest.schema_columns.items()
    ]
    return f"SELECT {', '.join(columns)} WHERE false"


def _read(files: list[str]) -> str:
    listed = ", ".join(_quote(file) for file in files)
    # Without this a slot such as 20261122T000000Z would be guessed to be a date-time or a text.
    slots = ", hive_types = {'snapshot': VARCHAR}" if "/snapshot=" in files[0] else ""
    return (
        f"SELECT * FROM read_parquet([{listed}], "  # noqa: S608 - our own files, quoted
        f"union_by_name = true, hive_partitioning = true{slots})"
    )


def _duckdb_type(arrow: str) -> str:
    return "TIMESTAMPTZ" if arrow.startswith("timestamp") else DUCKDB_TYPES.get(arrow, "VARCHAR")


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
