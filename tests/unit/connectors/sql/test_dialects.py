"""The statements of a landing as SQL Server and Oracle would get them: written, but never run.

Neither server is here. What their documentation refuses is looked for in the text.
"""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Dialect, Table, insert
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateTable

from connectors.catalogue import DatasetSpecification
from connectors.errors import PipelineError
from connectors.sql import SqlLanding
from connectors.sql.database import ExistingColumn
from connectors.sql.engine_database import KINDS, EngineDatabase
from connectors.sql.session import Session, Statement
from tests.databases import START, TENANT, Staged, devices, specify, stage

URLS = {"mssql": "mssql+pymssql://u@h/x", "oracle": "oracle+oracledb://u@h/x"}
EVERY_TYPE: list[dict[str, Any]] = [{"nql": "at", "type": "datetime", "nullable": False}]
EVERY_TYPE += [
    {"nql": f"a {kind}", "type": kind}
    for kind in ("string", "int", "float", "bool", "datetime", "date", "duration", "list", "json")
]
RESERVED = ("select", "order", "rows", "user", "session", "x" * 150)
# A condition is not a value in a SELECT; the others are words of other databases.
REFUSED = re.compile(
    r"SELECT \(*(NOT )?\(*EXISTS|LIMIT \d|IF NOT EXISTS|\b(true|false)\b|ON CONFLICT|::"
)
DEVICES = [("id", pa.string()), ("n", pa.int64())]


class WrittenSession(Session):
    """Writes statements down; every question is answered with nothing, or 0."""

    failures = RuntimeError

    def __init__(self, database: "OfflineDatabase", dialect: Dialect, table: str) -> None:
        super().__init__(None, dialect, table)
        self._database = database

    def fetch(self, statement: Statement) -> list[tuple[Any, ...]]:
        self._run(statement)
        text = self._database.written[-1].lower()
        return [(0,)] if "count" in text or "case" in text else []

    def load(self, table: Table, rows: pa.RecordBatchReader, *, temporary: bool = False) -> None:
        assert temporary or not table.name.startswith(("#", "ora$"))
        self._database.written.append(str(insert(table).compile(dialect=self.dialect)))
        for _ in rows:
            pass

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _run(self, statement: Statement) -> None:
        if isinstance(statement, CreateTable):
            self._database.made(statement.element)
        self._database.written.append(" ".join(self._written(statement).split()))

    def _reason(self, error: Any) -> PipelineError:
        raise error


class Driver(ModuleType):
    """A driver's module that is there and never used."""

    paramstyle = "pyformat"
    version = __version__ = "9.9.9"
    Error = RuntimeError

    def __getattr__(self, name: str) -> Any:
        return type(name, (), {"__init__": lambda _self, *_given, **_named: None})


class OfflineDatabase(EngineDatabase):
    """A server that is not there."""

    def __init__(self, dialect: str) -> None:
        super().__init__(make_url(URLS[dialect]), module=Driver("driver"))
        self.written: list[str] = []
        self._there: dict[str, dict[str, ExistingColumn]] = {}

    def made(self, table: Table) -> None:
        def kind_of(column: Any) -> str:
            return next(name for kind, name in KINDS if isinstance(column.type, kind))

        self._there[table.name] = {
            column.name: ExistingColumn(kind_of(column), not column.nullable, "", "NUMBER NULL")
            for column in table.c
        }

    def begin(self, table: str, *, writes: bool = True) -> Session:  # noqa: ARG002
        return WrittenSession(self, self.dialect, table)

    def schema(self, session: Session, wanted: str | None) -> str | None:  # noqa: ARG002
        return wanted or "dbo"

    def make_schema(self, session: Session, schema: str | None) -> None:
        pass

    def lock(self, session: Session, name: str) -> None:
        pass

    def columns(
        self,
        session: Session,  # noqa: ARG002
        schema: str | None,  # noqa: ARG002
        table: str,
    ) -> dict[str, ExistingColumn] | None:
        return self._there.get(table)

    def indices(self, session: Session, schema: str | None, table: str) -> set[str]:  # noqa: ARG002
        return set()


@pytest.fixture(params=URLS)
def database(request: pytest.FixtureRequest) -> OfflineDatabase:
    """Return a database of each of the two."""
    return OfflineDatabase(request.param)


def landing(database: OfflineDatabase, specification: DatasetSpecification) -> SqlLanding:
    return SqlLanding("", TENANT, specification, opening=lambda _url: database)


def snapshot(folder: Path) -> Staged:
    return stage(folder, [{"id": "a", "n": 1}], DEVICES, START, snapshot=True)


@pytest.mark.parametrize("load", ["replace", "upsert", "append"])
def test_a_snapshot_is_landed_without_words_that_the_servers_refuse(
    database: OfflineDatabase, load: str, tmp_path: Path
) -> None:
    place = landing(database, devices({"snapshot": load}))
    place.check()
    snapshot(tmp_path).publish(place)
    place.drop_before(START)
    text = "\n".join(database.written)
    assert REFUSED.search(text) is None, REFUSED.search(text)
    assert "CASE WHEN" in text
    assert ("nxp_staging" in text) == (load == "upsert")
    if database.dialect.name == "oracle":
        # A name that begins with _ has to be quoted there.
        assert not re.search(r'[^"\w:]_nxp_', text)
        assert '"rows" NUMBER(19)' in text


def test_every_type_and_name_has_its_column(database: OfflineDatabase) -> None:
    columns = [*EVERY_TYPE, *({"nql": name} for name in RESERVED)]
    landing(database, specify(columns, dataset="events")).check()
    made = next(text for text in database.written if "events (" in text and "CREATE TABLE" in text)
    wanted = {
        "mssql": ["at DATETIMEOFFSET NOT NULL", "a_int BIGINT", "[select] ", "[order] ", "[user] "],
        "oracle": [
            "at TIMESTAMP WITH TIME ZONE NOT NULL",
            "a_float BINARY_DOUBLE",
            '"select" CLOB',
            '"order" CLOB',
            '"rows" CLOB',
            '"session" CLOB',
        ],
    }[database.dialect.name]
    assert [words for words in wanted if words not in made] == []
    assert max(map(len, re.findall(r"\w+", made))) <= 128


def test_a_table_grows_in_the_words_of_each_server(database: OfflineDatabase) -> None:
    landing(database, devices()).check()
    wider: list[dict[str, Any]] = [
        {"nql": "id", "key": True, "nullable": False},
        {"nql": "n", "type": "float"},
        {"nql": "more"},
    ]
    landing(database, specify(wider, mode="snapshot", dataset="devices")).check()
    grown = [text for text in database.written if text.startswith("ALTER")]
    assert (
        grown
        == {
            "mssql": [
                "ALTER TABLE dbo.devices ALTER COLUMN n DOUBLE PRECISION",
                "ALTER TABLE dbo.devices ADD more NTEXT",
            ],
            "oracle": [
                "ALTER TABLE dbo.devices MODIFY n BINARY_DOUBLE",
                "ALTER TABLE dbo.devices ADD more CLOB",
            ],
        }[database.dialect.name]
    )
