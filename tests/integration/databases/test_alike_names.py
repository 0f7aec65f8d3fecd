"""Names that differ in case only: SQL would silently take the first of them."""

import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.databases.names import POSTGRESQL
from connectors.databases.tables import table_findings
from connectors.errors import ConfigurationError
from connectors.sources import Sources, open_sources
from connectors.syncs.statements import column_places
from tests.databases import Server, specify
from tests.integration.databases.test_long_names import LONG
from tests.sources import rows_of


def pulled(source: dict[str, object], url: str = "") -> list[dict[str, str | None]]:
    sources = Sources.model_validate({"hr": source})
    with open_sources(sources, {"NXP_SOURCE_HR_URL": url})["hr"] as opened:
        return rows_of(opened.pull())


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_columns_of_a_file_are_refused_unless_one_is_listed(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"people.{extension}"
    if extension == "csv":
        path.write_text("UPN,upn,É,é\na,b,c,d\n")
    else:
        names = ["UPN", "upn", "É", "é"]
        pq.write_table(
            pa.table({name: [text] for name, text in zip(names, "abcd", strict=True)}), path
        )
    source: dict[str, object] = {"kind": "file", "path": str(path)}
    with pytest.raises(ConfigurationError, match=r"people.*UPN and upn, .*under fields") as raised:
        pulled(source)
    assert "É" not in str(raised.value)
    assert pulled({**source, "fields": ["upn", "É", "é"]}) == [{"upn": "b", "É": "c", "é": "d"}]


def test_columns_of_a_query_are_refused(tmp_path: Path, postgres: Server) -> None:
    query = 'SELECT 1 AS "UPN", 2 AS upn'
    source: dict[str, object] = {"kind": "sql", "connection": "hr", "query": query}
    for url in (postgres.url, f"sqlite:///{tmp_path / 'hr.db'}"):
        sqlite3.connect(tmp_path / "hr.db").close()
        with pytest.raises(ConfigurationError, match=r"source hr: .*UPN and upn, .*by AS"):
            pulled(source, url)
        with pytest.raises(ConfigurationError, match=r"source hr: .*UPN and upn, .*by AS"):
            pulled({**source, "fields": ["upn"]}, url)
    twice = "SELECT a.id, b.id FROM (SELECT 1 AS id) a, (SELECT 2 AS id) b"
    with pytest.raises(ConfigurationError, match="the column id twice"):
        pulled({**source, "query": twice}, postgres.url)


def test_fields_that_are_alike_are_a_mistake_in_the_file() -> None:
    for kind in (
        {"kind": "file", "path": "x.csv"},
        {"kind": "sql", "connection": "h", "query": "SELECT"},
    ):
        with pytest.raises(ValueError, match="fields: UPN and upn"):
            Sources.model_validate({"hr": {**kind, "fields": ["UPN", "upn"]}})


def test_the_select_of_a_sync_compares_names_as_duckdb_does() -> None:
    assert column_places({"key": "upn"}, ["UPN", "É", "é"]) == ({"key": 0}, [])
    assert column_places({"key": "é"}, ["UPN", "É", "é"]) == ({"key": 2}, [])
    assert column_places({"key": "upn"}, ["UPN", "upn"])[1][0] == "selects upn twice"


@pytest.mark.parametrize(
    ("url", "problem"),
    [("sqlite:///x.db", "a lands in the same table EVENTS"), ("postgres://h/x", None)],
)
def test_tables_that_differ_in_case_are_one_in_sqlite(url: str, problem: str | None) -> None:
    datasets = {
        "a": specify(dataset="a", sql={"table": "events"}),
        "b": specify(dataset="b", sql={"table": "EVENTS"}),
    }
    expected = [f"b.yaml: {problem}"] if problem else []
    assert table_findings(datasets, url, "acme.eu") == (expected, [])


def test_what_does_not_fit_the_database_is_found_before_connecting() -> None:
    columns = [{"nql": "at", "type": "datetime"}, {"nql": LONG}, {"nql": "ctid"}]
    datasets = {
        "events": specify(columns),
        "d" * 64: specify(dataset="d" * 64),
        "wide": specify(
            [{"nql": "at", "type": "datetime"}, *({"nql": f"c{n}"} for n in range(1_600))],
            dataset="wide",
        ),
        "tenants": specify(dataset="tenants", sql={"table": "x" * 50 + "_{tenant}"}),
    }
    problems, notes = table_findings(datasets, "postgresql+psycopg://h/x", "a-very-long-tenant.eu")
    assert [problem.partition(":")[0] for problem in problems] == [
        f"{'d' * 64}.yaml",
        "wide.yaml",
        "tenants.yaml",
    ]
    assert [
        POSTGRESQL.short(name) in note for name, note in zip((LONG, "ctid"), notes, strict=True)
    ] == [True, True]
    assert table_findings({"events": specify(columns)}, "sqlite:////x.db", "t") == ([], [])
    assert table_findings({"events": specify(columns)}, "oracle://x", "t") == ([], [])
