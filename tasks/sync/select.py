"""The sync's SELECT over its pulled sources, in a DuckDB with limited memory and no other access.

The SQL sees views named like the sources. It can read nothing but the run's private folder. The
message of an SQL error on a row is not passed on, because it would quote the row.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from connectors.errors import ConfigurationError, StorageError
from connectors.locked_duckdb import CLOSED, first_line, lock_down
from connectors.quoting import quoted_name, quoted_text
from connectors.syncs import SyncSpecification
from connectors.syncs.statements import column_places, without_end
from tasks.sync.pull import Pulled
from tasks.sync.sql_faults import find_fault

# Memory for sorting and joining; beyond it DuckDB spills into the run's folder.
MEMORY: Final = "1GiB"
ROWS_AT_ONCE: Final = 25_000
_NO_MEMORY: Final = "Out of Memory"
_NO_FILE: Final = "IO"
_NO_ACCESS: Final = "Permission"
_NOT_OF_ROWS: Final = frozenset({_NO_MEMORY, _NO_FILE, _NO_ACCESS})
_FLOATS: Final = {"DOUBLE", "FLOAT"}
_WRITTEN_WRONGLY = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)


@dataclass(frozen=True, slots=True)
class Selected:
    """The SELECT, ready to be read.

    Attributes:
        columns: the SELECT's columns, in its order.
        places: by use, the place among them of each column that the sync names.
    """

    columns: tuple[str, ...]
    places: Mapping[str, int]
    _relation: duckdb.DuckDBPyRelation

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows: `s0` … are the SELECT's columns as text, `k0` … the conditions."""
        return read(self._relation)


@contextmanager
def selected(sync: SyncSpecification, pulled: Pulled, folder: Path) -> Iterator[Selected]:
    """Open the sync's SELECT over what was pulled into the folder.

    Raises:
        ConfigurationError: the SQL, or a column that the sync names, does not fit the sources; or
            the SQL fails on a row.
        StorageError: the disk is full.
    """
    with closed_database(folder) as database, sql_errors(sync, folder):
        for name, source in pulled.sources.items():
            database.execute(f"CREATE VIEW {quoted_name(name)} AS FROM {parquet(source.path)}")
        _check_increments(sync, pulled, database)
        statement = without_end(sync.sql)
        places, problems = column_places(sync.named_columns, database.sql(statement).columns)
        if problems:
            raise ConfigurationError(f"sync {sync.sync}: sql: {', '.join(problems)}")
        sql = f"(\n{statement}\n) AS selected"
        # DuckDB renames a column whose name occurs twice; the sync does not use such a column.
        empty = database.sql(f"FROM {sql} LIMIT 0")
        columns, kinds = tuple(empty.columns), [str(kind) for kind in empty.types]
        texts = [
            f"{_as_text(name, kind)} AS s{n}"
            for n, (name, kind) in enumerate(zip(columns, kinds, strict=True))
        ]
        conditions = [
            f"CAST(({mapping.clear_when}\n) AS BOOLEAN) AS k{n}"
            for n, mapping in enumerate(sync.fields.values())
            if mapping.clear_when is not None
        ]
        relation = database.sql(f"FROM {sql} SELECT {', '.join([*texts, *conditions])}")
        try:
            yield Selected(columns, places, relation)
        except (duckdb.Error, ReadError) as error:
            raise _fault(sync, pulled, database, sql, columns, error) from None


def _fault(
    sync: SyncSpecification,
    pulled: Pulled,
    database: duckdb.DuckDBPyConnection,
    sql: str,
    columns: Sequence[str],
    error: Exception,
) -> Exception:
    """Return the error of a SELECT that fails on a row; other errors as they are."""
    if (error.kind if isinstance(error, ReadError) else _kind(error)) in _NOT_OF_ROWS:
        return error
    expressions = {f"column {name}": quoted_name(name) for name in columns}
    expressions |= {
        f"clear_when of {name}": f"({mapping.clear_when}\n)"
        for name, mapping in sync.fields.items()
        if mapping.clear_when is not None
    }
    fault = find_fault(
        database, expressions, sql, pulled.sources, lambda source: parquet(source.path)
    )
    if fault is None:
        return error
    return ConfigurationError(
        f"sync {sync.sync}: sql: {fault.place} ({_kind_of(fault.message)}): write it so that it "
        f"works for every row, with {fault.advice}, which gives null there"
    )


def _as_text(name: str, kind: str) -> str:
    """Return the expression of a column's text, in the forms that sources use."""
    column = quoted_name(name)
    text = f"CAST({column} AS VARCHAR)"
    if kind not in _FLOATS:
        return text
    return (
        f"CASE WHEN isnan({column}) THEN NULL WHEN {column} = 0 THEN '0' "
        f"ELSE regexp_replace({text}, '\\.0$', '') END"
    )


@contextmanager
def closed_database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database in memory that can read only one folder, and spills into it."""
    with duckdb.connect(":memory:", config=CLOSED) as database:
        database.execute(f"SET memory_limit = '{MEMORY}'")
        database.execute(f"SET threads = {min(4, os.cpu_count() or 1)}")
        database.execute(f"SET temp_directory = {quoted_text(str(folder / 'spill'))}")
        lock_down(database, f"{folder}/")
        yield database


class ReadError(Exception):
    """A result broke off. Only the `kind` of error is passed on: the message quotes values."""

    def __init__(self, error: Exception) -> None:
        self.kind = _kind(error)
        super().__init__(self.kind)


def read(relation: duckdb.DuckDBPyRelation) -> Iterator[pl.DataFrame]:
    """Yield a result in batches as they are made; the first has all columns but no rows.

    Raises:
        ReadError: the SELECT fails on a row.
    """
    with relation.to_arrow_reader(ROWS_AT_ONCE) as reader:
        yield pl.DataFrame(reader.schema.empty_table())
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (OSError, pa.ArrowException) as error:
                raise ReadError(error) from None
            yield pl.DataFrame(pa.Table.from_batches([batch]))


@contextmanager
def sql_errors(sync: SyncSpecification, folder: Path) -> Iterator[None]:
    """Raise errors of a sync's SQL as errors of one line that quote no value."""
    try:
        yield
    except _WRITTEN_WRONGLY as error:
        raise ConfigurationError(f"sync {sync.sync}: sql: {first_line(error)}") from None
    except (duckdb.Error, ReadError) as error:
        kind = error.kind if isinstance(error, ReadError) else _kind(error)
        if kind == _NO_MEMORY:
            raise ConfigurationError(
                f"sync {sync.sync}: sql: needs more memory than {MEMORY}: sort and join less"
            ) from None
        if kind == _NO_FILE:
            raise StorageError(
                f"sync {sync.sync}: cannot write to {folder}, or read from it: free some space"
            ) from None
        if kind == _NO_ACCESS:
            raise ConfigurationError(
                f"sync {sync.sync}: sql: it may read its sources and nothing else"
            ) from None
        raise ConfigurationError(
            f"sync {sync.sync}: sql: fails on a row ({kind}): write it so that it works for every "
            "row, for instance with TRY_CAST"
        ) from None


def _kind(error: Exception) -> str:
    """Return the kind of error, which are the words before DuckDB's message."""
    return _kind_of(str(error)) or type(error).__name__


def _kind_of(message: str) -> str:
    kind, found, _ = message[:40].partition(" Error:")
    return kind if found else ""


def parquet(path: Path) -> str:
    """Return the SQL of a table that reads a file."""
    return f"read_parquet({quoted_text(str(path))}, hive_partitioning = false)"


def _check_increments(
    sync: SyncSpecification, pulled: Pulled, database: duckdb.DuckDBPyConnection
) -> None:
    """Raise unless every row of the SELECT needs a row of the incremental source.

    A row without one would come in a pull of changes too, as if its fields were empty.
    """
    if sync.incremental is None:
        return
    source = parquet(pulled.sources[sync.incremental].path)
    view = f"CREATE OR REPLACE VIEW {quoted_name(sync.incremental)} AS FROM {source}"
    database.execute(f"{view} WHERE false")
    found = database.execute(f"FROM (\n{without_end(sync.sql)}\n) LIMIT 1").fetchone()
    database.execute(view)
    if found:
        raise ConfigurationError(
            f"sync {sync.sync}: incremental: the sql returns rows even without a row of "
            f"{sync.incremental}, so that unchanged values would look empty: join the other "
            "sources to it, or remove incremental"
        )
