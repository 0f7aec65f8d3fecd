"""Reading the lake with SQL: one statement, read-only, by a DuckDB that can open nothing else."""

import re
import warnings
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import duckdb

from connectors.errors import ConfigurationError, StorageError, UsageError
from connectors.lake.lake import Lake
from connectors.lake.mixed_types import mixed_types
from connectors.lake.sql_errors import (
    NO_STATEMENT,
    ONE_SELECT,
    SEVERAL,
    explained,
    missing_view,
)
from connectors.lake.sql_names import Named, named_views
from connectors.lake.sql_room import Room, spill_folder
from connectors.lake.sql_views import NOTHING, Offered, Opened, views_of
from connectors.locked_duckdb import CLOSED, Config, first_line, lock_down

Result = TypeVar("Result")
Answer = tuple[list[str], list[tuple[Any, ...]]]

# Analysts write lambdas as x -> x + 1, which DuckDB 2 takes only if it is asked to.
OPTIONS: Config = {**CLOSED, "lambda_syntax": "ENABLE_SINGLE_ARROW"}
READ_AGAIN = 5
# Comments may come before it.
_EXPLAIN = re.compile(r"(?:\s|--.*\n|/\*.*?\*/)*EXPLAIN\s+(?:ANALYZE\s+)?", re.IGNORECASE)
_FORBIDDEN = "Permission denied"
NOT_YOURS = (
    "the system does not let you read this part of the lake: _changes and _targets are for the "
    "account that runs syncs and actions only; for the rest, ask for the right to read its folder"
)
# How soon Ctrl-C is noticed while DuckDB works.
LISTEN_SECONDS = 0.1


class Rows:
    """The rows of a statement, while its connection is open."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.names = _names(cursor)
        self._cursor = cursor

    def all(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""
        return self._cursor.fetchall()

    def next(self, most: int) -> list[tuple[Any, ...]]:
        """Return the next rows, at most this many; none after the last one."""
        return self._cursor.fetchmany(most)

    def arrow(self, most: int) -> Any:
        """Return the rows as a pyarrow reader of batches of at most this many rows."""
        with warnings.catch_warnings():
            # It advises a way that has no statement to check first.
            warnings.simplefilter("ignore")
            return self._cursor.to_arrow_reader(most)


def query_lake(
    lake: Lake, sql: str, room: Room | None = None, offered: Offered = NOTHING
) -> Answer:
    """Run one read-only statement; return the column names and the rows: see `read_lake`."""
    return read_lake(lake, sql, lambda rows: (rows.names, rows.all()), room, offered)


def read_lake(
    lake: Lake,
    sql: str,
    read: Callable[[Rows], Result],
    room: Room | None = None,
    offered: Offered = NOTHING,
) -> Result:
    """Run one read-only statement, and return what `read` makes of its rows.

    A snapshot dataset has a view of its latest snapshot, `<dataset>_history` of all of them, and
    with a key `<dataset>_changes` of what its objects were when; a window dataset has one view;
    `_runs` and `_rejects` are views too.

    Args:
        lake: the tenant's lake.
        sql: one SELECT, or what DuckDB takes for one: FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE.
        read: reads the rows, in a thread of its own; called again with all of them if a file was
            replaced while it was read.
        room: memory and disk that the statement may take.
        offered: what it may ask for that is not in the lake.

    Raises:
        SqlError: the statement is wrong.
        UsageError: it would write.
        ConfigurationError: nothing has landed yet, or it takes more room than it has.
        StorageError: a file that a manifest names is missing or damaged.
    """
    datasets = lake.datasets()
    known = views_of(datasets, offered)
    room = room or Room()
    wanted = named_views(sql, known)
    # Once more, since a statement may have to be run again with all views.
    for attempt in range(1, READ_AGAIN + 2):
        try:
            return _query(_Asked(lake, sql, read, room, offered), wanted, datasets)
        except _UnopenedError:
            wanted = Named(frozenset(known), is_sure=False)
        except PermissionError:
            raise StorageError(NOT_YOURS) from None
        except (duckdb.IOException, FileNotFoundError) as error:
            if _FORBIDDEN in str(error):
                raise StorageError(NOT_YOURS) from None
            # A publish may have moved files to `_old` after the manifest was read.
            if attempt >= READ_AGAIN:
                raise StorageError(
                    f"a file of the lake cannot be read, land its unit again: {first_line(error)}"
                ) from None
    raise AssertionError("unreachable")


def open_views(
    lake: Lake, config: Config, datasets: Collection[str] | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection with all views of a lake, for a program that may do as it likes.

    A view that cannot be opened is left out: a query of it fails, others do not.

    Args:
        lake: the tenant's lake.
        config: options of DuckDB that differ.
        datasets: those whose views are enough; None: all that have landed.

    Raises:
        StorageError: a manifest cannot be read.
    """
    connection = duckdb.connect(":memory:", config={**OPTIONS, **config})
    connection.execute("SET TimeZone = 'UTC'")
    landed = lake.datasets()
    chosen = landed if datasets is None else [each for each in landed if each in datasets]
    every = Named(frozenset(views_of(chosen)), is_sure=False)
    Opened(connection, lake).open(chosen, every)
    return connection


class _UnopenedError(Exception):
    """A statement reads a view that it does not name: an expression has computed the name."""


@dataclass(frozen=True, slots=True)
class _Asked(Generic[Result]):
    lake: Lake
    sql: str
    read: Callable[[Rows], Result]
    room: Room
    offered: Offered


def _query(asked: _Asked[Result], wanted: Named, datasets: Sequence[str]) -> Result:
    room, offered = asked.room, asked.offered
    with (
        spill_folder(room.home) as folder,
        closing(duckdb.connect(":memory:", config=OPTIONS)) as connection,
    ):
        room.limit(connection, folder)
        opened = Opened(connection, asked.lake, offered)
        try:
            opened.open(datasets, wanted)
            lock_down(connection, files=opened.files())
            statement = _one_select(connection, asked.sql)
            return _interruptibly(
                connection, lambda: asked.read(Rows(connection.execute(statement)))
            )
        except duckdb.Error as error:
            known = views_of(datasets, offered)
            raise _judged(error, opened, known, wanted, room) from None


def _judged(
    error: duckdb.Error, opened: Opened, known: Sequence[str], wanted: Named, room: Room
) -> Exception:
    """Return what an error of DuckDB is for us."""
    if failure := opened.failure:
        # DuckDB would show it as a traceback within its own message.
        return failure
    missing = missing_view(error)
    if missing in opened.failed:
        return opened.failed[missing]
    if missing in known and missing not in wanted.names:
        return _UnopenedError()
    if isinstance(error, duckdb.IOException):
        return error
    if isinstance(error, duckdb.OutOfMemoryException):
        reason = (
            f"SQL: needs more than {room.memory_mb} MB of memory and {room.spill_mb} MB of disk: "
            "select, sort and join less, or raise NXP_MEMORY_MB and NXP_SQL_SPILL_MB"
        )
    elif missing and not opened.lake.datasets():
        reason = f"nothing has landed in {opened.lake.location()} yet: run nxp export first"
    else:
        return mixed_types(error) or explained(error, known, opened.has)
    return ConfigurationError(reason)


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """Return the statement, parsed.

    Raises:
        UsageError: it is not one SELECT, and does not explain one.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise UsageError(SEVERAL.format(len(statements)) if statements else NO_STATEMENT)
    kind = statements[0].type
    # With ANALYZE it carries out what it explains.
    explains = _EXPLAIN.match(sql) if kind == duckdb.StatementType.EXPLAIN else None
    if explains:
        _one_select(connection, sql[explains.end() :])
        return statements[0]
    if kind == duckdb.StatementType.MULTI and _stands_in_brackets(connection, sql):
        return statements[0]
    if kind != duckdb.StatementType.SELECT:
        raise UsageError(ONE_SELECT)
    return statements[0]


def _stands_in_brackets(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    """Return whether a statement is a SELECT, whatever else it runs: a PIVOT finds its columns.

    COPY and EXPLAIN of a PIVOT are of the same type, but cannot be part of another statement.
    """
    ends = [len(sql), *(at.start() for at in re.finditer(";", sql))]
    for end in sorted(ends, reverse=True):
        with suppress(duckdb.ParserException):
            return len(connection.extract_statements(f"FROM (\n{sql[:end]}\n)")) == 1
    return False


def _names(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    names: list[str] = []
    for column in cursor.description or []:
        # Two columns with the same name would become one in JSON.
        twins = sum(name == column[0] or name.startswith(f"{column[0]}_") for name in names)
        names.append(f"{column[0]}_{twins}" if column[0] in names else column[0])
    return names


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
