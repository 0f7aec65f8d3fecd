"""Kinds of sources, each filled with the same rows without the product's own code."""

import csv
import io
import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.sources import Pull, Source, Sources, load_connections, open_sources
from connectors.sources.servicenow.source import ServiceNowSource
from connectors.sources.specification import ServiceNowSpecification
from sandbox.options import SandboxOptions
from sandbox.server import running
from sandbox.servicenow.options import ServiceNowOptions
from sandbox.servicenow.rows import finished, sys_ids
from sandbox.servicenow.store import Changes, TableStore
from sandbox.tenant import Tenant
from tests.databases import Server
from tests.object_store import ObjectStore

COLUMNS = ("id", "name", "description")
SECRET = "s3cr3t-that-no-one-may-read"  # noqa: S105 - of stand-ins

Row = dict[str, str]
_numbers = itertools.count()

# Each is read back as it is: nothing is trimmed, folded, guessed or treated as missing.
AWKWARD = (
    "",
    " padded ",
    "00042",
    "1e5",
    "true",
    "NULL",
    "NaN",
    "2026-11-20",
    'say "hi", twice',
    "two\nlines",
    "tab\there",
    "O'Brien; DROP TABLE x --",
    "Zoë Łukasz 李 😀",
    "%s :name {x} \\n",
    "x" * 5_000,
)


def people(count: int) -> list[Row]:
    """Return rows."""
    return [{"id": f"{n:06}", "name": f"Name {n}", "description": "plain"} for n in range(count)]


def awkward_people() -> list[Row]:
    """Return rows with values that careless readers get wrong."""
    return [
        {"id": f"{n:06}", "name": f"Name {n}", "description": value}
        for n, value in enumerate(AWKWARD)
    ]


def rows_of(pull: Pull) -> list[dict[str, str | None]]:
    """Return all rows of a pull."""
    return [row for batch in pull for row in batch.to_pylist()]


def by_id(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows sorted, because each source has its own order."""
    return sorted(rows, key=lambda row: str(row["id"]))


class Kind(Protocol):
    """A kind of source that holds rows of `COLUMNS`."""

    name: str
    specification: dict[str, Any]
    environ: dict[str, str]

    def fill(self, rows: Sequence[Row]) -> None:
        """Replace all rows."""

    def hide(self) -> None:
        """Make the source unreachable."""

    def refuse(self) -> None:
        """Make the credential wrong."""


@contextmanager
def opened(kind: Kind, **changes: Any) -> Iterator[Source]:
    """Open a source as a sync does, from its YAML and the environment."""
    sources = Sources.model_validate({"here": kind.specification | changes})
    if isinstance(kind, ServiceNowKind):
        specification = sources.root["here"]
        assert isinstance(specification, ServiceNowSpecification)
        connection = load_connections(sources, kind.environ)["cmdb"]
        with ServiceNowSource("here", specification, connection, sleep=kind.sleep) as source:
            yield source
        return
    with open_sources(sources, kind.environ)["here"] as source:
        yield source


class SqliteKind:
    """A table of a SQLite file."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "hr.db"
        self.specification: dict[str, Any] = {
            "kind": "sql",
            "connection": "hr",
            "query": "SELECT id, name, description FROM people",
            "key": ["id"],
        }
        self.environ = {"NXP_SOURCE_HR_URL": f"sqlite:///{self.path}"}

    def fill(self, rows: Sequence[Row]) -> None:
        with sqlite3.connect(self.path) as database:
            database.execute("DROP TABLE IF EXISTS people")
            database.execute("CREATE TABLE people (id TEXT, name TEXT, description TEXT)")
            database.executemany("INSERT INTO people VALUES (:id, :name, :description)", rows)
        database.close()

    def hide(self) -> None:
        self.path.unlink()

    def refuse(self) -> None:
        raise NotImplementedError("a file has no credential")


class PostgresKind:
    """A table of a PostgreSQL server, read by a user of its own."""

    name = "postgres"

    def __init__(self, server: Server) -> None:
        self.server = server
        self.schema = server.schema()
        self.user = f"reader_{self.schema}"
        server.run(
            f"CREATE ROLE {self.user} LOGIN PASSWORD '{SECRET}'",
            f"GRANT USAGE ON SCHEMA {self.schema} TO {self.user}",
        )
        self.specification: dict[str, Any] = {
            "kind": "sql",
            "connection": "hr",
            "query": f"SELECT id, name, description FROM {self.schema}.people",  # noqa: S608
            "key": ["id"],
        }
        self.environ = {
            "NXP_SOURCE_HR_URL": server.url,
            "NXP_SOURCE_HR_USER": self.user,
            "NXP_SOURCE_HR_PASSWORD": SECRET,
        }

    def fill(self, rows: Sequence[Row]) -> None:
        table = f"{self.schema}.people"
        values = ", ".join(f"({', '.join(_quoted(row[name]) for name in COLUMNS)})" for row in rows)
        self.server.run(
            f"DROP TABLE IF EXISTS {table}",
            f"CREATE TABLE {table} (id text, name text, description text)",
            f"GRANT SELECT ON {table} TO {self.user}",
            f"INSERT INTO {table} VALUES {values}" if rows else "SELECT 1",  # noqa: S608
        )

    def hide(self) -> None:
        self.environ["NXP_SOURCE_HR_URL"] = "postgresql://127.0.0.1:1/nowhere"

    def refuse(self) -> None:
        self.environ["NXP_SOURCE_HR_USER"] = "nobody_of_that_name"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class CsvKind:
    """A CSV file in a folder."""

    name = "csv"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "people.csv"
        self.specification: dict[str, Any] = {
            "kind": "file",
            "path": str(self.path),
            "key": ["id"],
        }
        self.environ: dict[str, str] = {}

    def fill(self, rows: Sequence[Row]) -> None:
        self.path.write_bytes(csv_bytes(rows))

    def hide(self) -> None:
        self.path.unlink()

    def refuse(self) -> None:
        raise NotImplementedError("a file has no credential")


class ParquetKind(CsvKind):
    """A Parquet file in a folder."""

    name = "parquet"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "people.parquet"
        self.specification["path"] = str(self.path)

    def fill(self, rows: Sequence[Row]) -> None:
        schema = pa.schema([(name, pa.string()) for name in COLUMNS])
        pq.write_table(pa.Table.from_pylist(list(rows), schema), self.path)


class BucketKind:
    """A CSV file in a bucket."""

    name = "bucket"

    def __init__(self, service: ObjectStore) -> None:
        self.service = service
        self.bucket = service.bucket()
        self.specification: dict[str, Any] = {
            "kind": "file",
            "path": f"s3://{self.bucket}/hr/people.csv",
            "key": ["id"],
        }
        self.environ: dict[str, str] = {}

    def put(self, path: str, content: bytes) -> None:
        self.service.request("PUT", f"{self.bucket}/{path}", content=content).raise_for_status()

    def fill(self, rows: Sequence[Row]) -> None:
        self.put("hr/people.csv", csv_bytes(rows))

    def hide(self) -> None:
        self.service.request("DELETE", f"{self.bucket}/hr/people.csv").raise_for_status()

    def refuse(self) -> None:
        self.service.refuse = lambda _method, _path: ("403 Forbidden", "InvalidAccessKeyId")


def csv_bytes(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> bytes:
    """Write CSV by the standard library."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class ServiceNowKind:
    """A table of a ServiceNow instance."""

    name = "servicenow"

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.sleep: Callable[[float], None] = time.sleep
        described = tenant.servicenow.describe()
        self.specification: dict[str, Any] = {
            "kind": "servicenow",
            "connection": "cmdb",
            "table": "cmn_department",
            "fields": list(COLUMNS),
            "key": ["id"],
        }
        self.environ = {
            "NXP_SOURCE_CMDB_URL": described["servicenow_url"],
            "NXP_SOURCE_CMDB_USER": described["servicenow_user"],
            "NXP_SOURCE_CMDB_PASSWORD": described["servicenow_password"],
        }

    @property
    def oauth(self) -> dict[str, str]:
        """The variables that name the OAuth client instead of the user."""
        described = self.tenant.servicenow.describe()
        return {
            "NXP_SOURCE_CMDB_URL": described["servicenow_url"],
            "NXP_SOURCE_CMDB_CLIENT_ID": described["servicenow_client_id"],
            "NXP_SOURCE_CMDB_CLIENT_SECRET": described["servicenow_client_secret"],
        }

    @property
    def requests(self) -> int:
        """How many requests the instance has answered."""
        return self.tenant.requests["servicenow"]

    def fill(self, rows: Sequence[Row]) -> None:
        instance, table = self.tenant.servicenow, "cmn_department"
        frame = pl.DataFrame(list(rows), schema=dict.fromkeys(COLUMNS, pl.String))
        frame = frame.with_columns(sys_ids(next(_numbers), table, len(rows)))
        made = finished(frame, table, 0, datetime.now(UTC))
        instance._store = TableStore(instance.store._tables | {table: made}, 0)

    def change(self, at: datetime, **counts: int) -> Changes:
        """Change computers as of a point in time."""
        wanted = {"updates": 0, "inserts": 0, "deletes": 0} | counts
        return self.tenant.servicenow.store.change("cmdb_ci_computer", at, **wanted)

    def truth(self, table: str = "cmn_department") -> list[dict[str, Any]]:
        """Return all rows as they are now, including hidden ones."""
        return self.tenant.servicenow.frame(table).to_dicts()

    def hide(self) -> None:
        self.environ["NXP_SOURCE_CMDB_URL"] = "http://127.0.0.1:1"
        # Waiting does not help.
        self.sleep = lambda _seconds: None

    def refuse(self) -> None:
        self.environ["NXP_SOURCE_CMDB_PASSWORD"] = SECRET


@contextmanager
def instance(devices: int = 40, **options: Any) -> Iterator[ServiceNowKind]:
    """Serve an instance."""
    made = SandboxOptions(
        queries=Path("unused"), devices=devices, servicenow=ServiceNowOptions(**options)
    )
    with running(made) as tenant:
        yield ServiceNowKind(tenant)
