"""Places to land in, each read back by other code than the code that wrote it."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pyarrow as pa
from sqlalchemy import MetaData, NullPool, Table, create_engine, inspect, select, text
from sqlalchemy.engine import make_url

from connectors.catalogue import DatasetSpecification
from connectors.lake import Entry, Lake
from connectors.lake.landing import LakeLanding
from connectors.lake.query import query_lake
from connectors.lake.stage import Stage, StagedFile
from connectors.landings import Landing
from connectors.sql import SqlLanding

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

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the owner, and return the rows of the last one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


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
        if name == "postgres":
            self._plain = self._plain.set(drivername="postgresql+psycopg")

    def landing(self, specification: DatasetSpecification, tenant: str = TENANT) -> SqlLanding:
        return SqlLanding(self.url, tenant, specification)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, and return the rows of the last one."""
        engine = create_engine(self._plain, poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    def rows(self, specification: DatasetSpecification) -> list[Row]:
        sql = specification.sql
        assert sql is not None
        return self.table(sql.table or specification.dataset, sql.schema_)

    def table(self, name: str, schema: str | None = None) -> list[Row]:
        engine = create_engine(self._plain, poolclass=NullPool)
        with engine.connect() as connection:
            if not inspect(connection).has_table(name, schema=schema):
                return []
            table = Table(name, MetaData(), autoload_with=connection, schema=schema)
            return [
                {key: _utc(value) for key, value in row.items()}
                for row in connection.execute(select(table)).mappings()
            ]

    def indices(self, name: str) -> dict[str | None, list[str | None]]:
        """Return a table's indices with the columns of each."""
        engine = create_engine(self._plain, poolclass=NullPool)
        return {each["name"]: each["column_names"] for each in inspect(engine).get_indexes(name)}

    def units(self) -> list[Row]:
        """Return the rows of the bookkeeping table."""
        return sorted(self.table("nxp_units"), key=lambda row: str(row["starts_at"]))


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
