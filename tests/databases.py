"""Places to land in, each read back by other code than the code that wrote it."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
import pyarrow as pa
from sqlalchemy import (
    Double,
    Engine,
    MetaData,
    NullPool,
    Table,
    create_engine,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import make_url

from connectors.catalogue import DatasetSpecification
from connectors.databases.urls import database_url
from connectors.lake import Entry, Lake
from connectors.lake.landing import LakeLanding
from connectors.lake.query import query_lake
from connectors.lake.stage import Stage, StagedFile
from connectors.landings import Landing
from connectors.sql import SqlLanding
from connectors.sql.database import Database
from connectors.sql.engine_database import EngineDatabase
from connectors.sql.opening import open_database

DAY = timedelta(days=1)
START = datetime(2026, 11, 18, tzinfo=UTC)
TENANT = "acme.eu"
BOOKS = [("_nxp_run_id", pa.string()), ("_nxp_exported_at", pa.timestamp("us", "UTC"))]

Row = dict[str, Any]
_numbers = itertools.count()


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL server, and how to reach it as its owner."""

    url: str

    def schema(self) -> str:
        """Create a new schema."""
        name = f"test_{next(_numbers)}"
        self.run(f"CREATE SCHEMA {name}")
        return name

    def new_schema_url(self) -> str:
        """Create a new schema, and return the URL of connections that work in it."""
        return f"{self.url}&options=-csearch_path%3D{self.schema()}"

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the owner, and return the rows of the last one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class MariadbServer:
    """A running MariaDB server, and how to reach it as its owner."""

    socket: Path

    def url(self, database: str, user: str = "root") -> str:
        """Return the URL of a database."""
        return f"mysql+pymysql://{user}@localhost/{database}?unix_socket={self.socket}"

    def database(self) -> str:
        """Create a new database, and return its URL."""
        name = f"test_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} CHARACTER SET latin1")
        return self.url(name)

    def run(self, *statements: str) -> None:
        """Run statements as the owner."""
        engine = create_engine(self.url("mysql"), poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


class Kind(Protocol):
    """A kind of place, empty at first."""

    name: str

    def landing(self, specification: DatasetSpecification, tenant: str = TENANT) -> Landing:
        """Open a landing of a dataset."""

    def rows(self, specification: DatasetSpecification) -> list[Row]:
        """Return all rows that count, as Python values."""


class LakePlace:
    """A lake in a folder."""

    name = "lake"

    def __init__(self, folder: Path) -> None:
        self._lake = Lake(str(folder / "lake"), TENANT)

    def landing(self, specification: DatasetSpecification, tenant: str = TENANT) -> Landing:
        assert tenant == TENANT
        return LakeLanding(self._lake, specification)

    def rows(self, specification: DatasetSpecification) -> list[Row]:
        names, rows = query_lake(self._lake, f"SELECT * FROM {specification.dataset}")  # noqa: S608
        own = ("date", "snapshot")
        return [
            {name: _utc(value) for name, value in zip(names, row, strict=True) if name not in own}
            for row in rows
        ]


class SqlPlace:
    """A database, read back through SQLAlchemy, which reflects the table."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self._plain = make_url(url)
        if name in {"postgres", "generic"}:
            self._plain = self._plain.set(drivername="postgresql+psycopg")

    def landing(self, specification: DatasetSpecification, tenant: str = TENANT) -> SqlLanding:
        # PostgreSQL as if it were any other database of SQLAlchemy.
        opening = generic if self.name == "generic" else open_database
        return SqlLanding(self.url, tenant, specification, opening=opening)

    def _engine(self) -> Engine:
        options: dict[str, Any] = {}
        if self.name == "mariadb":
            # The server's own settings, which a landing has to bear, make readers wait.
            options = {
                "isolation_level": "READ COMMITTED",
                "connect_args": {"init_command": "SET SESSION sql_safe_updates = 0"},
            }
        return create_engine(self._plain, poolclass=NullPool, **options)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, and return the rows of the last one."""
        engine = self._engine()
        with engine.begin() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    def rows(self, specification: DatasetSpecification) -> list[Row]:
        sql = specification.sql
        assert sql is not None
        return self.table(sql.table or specification.dataset, sql.schema_)

    def table(self, name: str, schema: str | None = None) -> list[Row]:
        engine = self._engine()
        with engine.connect() as connection:
            if not inspect(connection).has_table(name, schema=schema):
                return []
            table = Table(name, MetaData(), autoload_with=connection, schema=schema)
            for column in table.c:
                if isinstance(column.type, Double):
                    # Otherwise MySQL's become decimals of ten digits.
                    column.type.asdecimal = False
            return [
                {key: _utc(value) for key, value in row.items()}
                for row in connection.execute(select(table)).mappings()
            ]

    def indices(self, name: str) -> dict[str | None, list[str | None]]:
        """Return a table's indices with the columns of each."""
        engine = self._engine()
        return {each["name"]: each["column_names"] for each in inspect(engine).get_indexes(name)}

    def units(self) -> list[Row]:
        """Return the rows of the bookkeeping table."""
        return sorted(self.table("nxp_units"), key=lambda row: str(row["starts_at"]))


class DuckdbPlace(SqlPlace):
    """A DuckDB file, read back by DuckDB itself: no dialect of SQLAlchemy reads version 2."""

    def __init__(self, path: Path) -> None:
        self.name = "duckdb"
        self.url = f"duckdb:///{path}"
        self._path = str(path)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(self._path) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for statement in statements:
                connection.execute(statement)
            return connection.fetchall() if connection.description else []

    def table(self, name: str, schema: str | None = None) -> list[Row]:
        with duckdb.connect(self._path) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(
                "SELECT 1 FROM duckdb_tables() WHERE table_name = ? AND schema_name = ?",
                [name, schema or "main"],
            )
            if not found.fetchall():
                return []
            found = connection.execute(f'SELECT * FROM "{schema or "main"}"."{name}"')  # noqa: S608
            names = [column[0] for column in found.description]
            return [
                {key: _utc(value) for key, value in zip(names, row, strict=True)}
                for row in found.fetchall()
            ]


def generic(url: str) -> Database:
    """Open a database of PostgreSQL as one that the product has no way of its own for."""
    return EngineDatabase(database_url(url, "NXP_DATABASE_URL"))


def specify(
    columns: Sequence[dict[str, Any]] | None = None, sql: dict[str, Any] | None = None, **more: Any
) -> DatasetSpecification:
    """Return a dataset of windows, or a snapshot with mode=…, that lands in lake and table."""
    defaults: dict[str, Any] = {
        "dataset": "events",
        "query_id": "#events",
        "mode": "window",
        "landings": ["parquet", {"sql": sql or {}}],
        "columns": columns
        or [
            {"nql": "at", "type": "datetime", "nullable": False},
            {"nql": "n", "type": "int"},
        ],
    }
    if more.get("mode", "window") == "window":
        defaults["window"] = {"column": "at", "from": "from", "to": "to"}
    return DatasetSpecification.model_validate(defaults | more)


def devices(sql: dict[str, Any] | None = None, **more: Any) -> DatasetSpecification:
    """Return a snapshot dataset with a key."""
    columns: list[dict[str, Any]] = [
        {"nql": "id", "nullable": False, "key": True},
        {"nql": "n", "type": "int"},
    ]
    settings = {"dataset": "devices", "query_id": "#devices", "mode": "snapshot", **more}
    return specify(columns, sql, **settings)


def event_rows(count: int, start: datetime = START, every: timedelta | None = None) -> list[Row]:
    """Return rows spread over a day from `start`; n numbers them."""
    every = every or DAY / max(count, 1)
    return [{"at": start + n * every, "n": n} for n in range(count)]


@dataclass(frozen=True)
class Staged:
    """A staged unit, ready to be published."""

    entry: Entry
    files: list[StagedFile]
    schema: pa.Schema

    def publish(self, landing: Landing) -> None:
        landing.publish(self.entry, self.files, self.schema)


def stage(
    folder: Path,
    rows: Sequence[Row],
    fields: Sequence[tuple[str, Any]],
    start: datetime = START,
    end: datetime | None = None,
    *,
    run: str = "run",
    snapshot: bool = False,
    exported_at: datetime | None = None,
) -> Staged:
    """Stage rows as the pipeline does: one file per date, or one for a snapshot."""
    end, compact = end or start + DAY, "%Y%m%dT%H%M%SZ"
    unit = f"{start:{compact}}" if snapshot else f"{start:{compact}}-{end:{compact}}"
    exported_at = exported_at or end
    schema = pa.schema([*fields, *BOOKS])
    parts: dict[str, list[Row]] = {f"snapshot={unit}": []} if snapshot else {}
    for row in rows:
        part = f"snapshot={unit}" if snapshot else f"date={row['at']:%Y-%m-%d}"
        books = {"_nxp_run_id": run, "_nxp_exported_at": exported_at}
        parts.setdefault(part, []).append(row | books)
    with Stage(folder / "_staging" / f"{run}-{next(_numbers)}", schema) as open_stage:
        for part, part_rows in parts.items():
            open_stage.write(part, pa.Table.from_pylist(part_rows, schema))
        files = open_stage.finish()
    entry = Entry(
        unit=unit,
        starts_at=start,
        ends_at=end,
        run_id=run,
        exported_at=exported_at,
        rows=len(rows),
        files=(),
    )
    return Staged(entry, files, schema)


def decoded(value: Any) -> Any:
    """Return a list that SQLite stores as JSON text."""
    return json.loads(value) if isinstance(value, str) else value


def _utc(value: Any) -> Any:
    """Return a date-time as UTC, because SQLite's have no offset."""
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
