"""Sessions set all they rely on, whatever database, role and environment say."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url

from connectors.databases.sessions import OTHERS, connect_arguments
from connectors.databases.urls import database_url
from connectors.errors import DataRefusedError
from connectors.ledger import open_ledger
from connectors.sources import Source, Sources, open_sources
from connectors.sql import SqlLanding
from tests.databases import DAY, START, TENANT, MariadbServer, Server, Staged, specify, stage
from tests.integration.databases.conftest import OpenDatabase
from tests.integration.land.test_landings import AWKWARD
from tests.planning import NOW, known
from tests.sources import rows_of

TEXT = "Zoë Łukasz 李 \U0001f600"


@pytest.fixture(autouse=True)
def hostile_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what libpq itself reads, and sends to the server."""
    monkeypatch.setenv("PGCLIENTENCODING", "WIN1252")
    monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")


def every_type(folder: Path) -> tuple[Any, Staged, list[dict[str, Any]]]:
    """Return a snapshot dataset with a column of every type, staged, and its rows."""
    columns = [{"nql": f"a {kind}", "type": str(kind)} for kind in AWKWARD]
    fields = [(f"a_{kind}", type_) for kind, (type_, _) in AWKWARD.items()]
    rows = [{f"a_{kind}": values[n] for kind, (_, values) in AWKWARD.items()} for n in range(6)]
    rows[0]["a_string"] = TEXT
    specification = specify(columns, dataset="types", mode="snapshot")
    return specification, stage(folder, rows, fields, snapshot=True), rows


def landed(url: str) -> list[dict[str, Any]]:
    """Return the rows of a table, read by a session that is set up by this test alone."""
    with psycopg.connect(url, client_encoding="UTF8") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET DateStyle = 'ISO'")
        connection.execute("SET extra_float_digits = 1")
        cursor = connection.execute("SELECT * FROM types")
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_every_type_lands_value_by_value(
    hostile: OpenDatabase, tmp_path: Path, encoding: str
) -> None:
    url = hostile(encoding)
    specification, staged, rows = every_type(tmp_path)
    landing = SqlLanding(url, TENANT, specification)
    landing.check()
    staged.publish(landing)
    found = landed(url)
    for row in (*found, *rows):
        # The driver parses it.
        row.pop("a_json")
    books = {"_nxp_run_id": "run", "_nxp_exported_at": START + DAY}
    assert found == [row | books for row in rows]


def test_text_that_the_databases_encoding_lacks_is_refused_with_its_column(
    hostile: OpenDatabase, tmp_path: Path
) -> None:
    url = hostile("LATIN1")
    landing = SqlLanding(url, TENANT, specify(mode="snapshot", dataset="types"))
    fields = [("at", pa.timestamp("us", "UTC")), ("n", pa.int64()), ("name", pa.string())]
    rows = [{"at": START, "n": 1, "name": "Zoë"}]
    stage(tmp_path, rows, fields, snapshot=True).publish(landing)
    assert [row["name"] for row in landed(url)] == ["Zoë"]
    rows[0]["name"] = TEXT
    with pytest.raises(DataRefusedError, match=r"column name .* encoding UTF8"):
        stage(tmp_path, rows, fields, snapshot=True).publish(landing)


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_the_ledger_keeps_texts_and_times(hostile: OpenDatabase, encoding: str) -> None:
    url = hostile(encoding)
    rows = known({"key": TEXT, "value": TEXT, "acknowledged_at": NOW + timedelta(microseconds=7)})
    with closing(open_ledger(url, "acme.eu", lambda: NOW)) as ledger:
        ledger.enriched.save("cmdb", rows)
    with closing(open_ledger(url, "acme.eu", lambda: NOW)) as ledger:
        assert ledger.enriched.read("cmdb").equals(rows)
        ledger.begin_run("run", TEXT, "manual")
        assert [(each["dataset"], each["started_at"]) for each in ledger.runs()] == [(TEXT, NOW)]


def test_a_ledger_in_an_encoding_that_lacks_a_character_says_so(hostile: OpenDatabase) -> None:
    rows = known({"key": "Zoë", "value": "é"})
    with closing(open_ledger(hostile("LATIN1"), "acme.eu", lambda: NOW)) as ledger:
        ledger.enriched.save("cmdb", rows)
        assert ledger.enriched.read("cmdb").equals(rows)
        with pytest.raises(DataRefusedError, match="the ledger refuses rows"):
            ledger.enriched.save("cmdb", known({"key": TEXT, "value": ""}))
        with pytest.raises(DataRefusedError, match="encoding UTF8"):
            ledger.begin_run("run", TEXT, "manual")


def source_of(url: str, query: str) -> Source:
    sources = Sources.model_validate({"hr": {"kind": "sql", "connection": "hr", "query": query}})
    return open_sources(sources, {"NXP_SOURCE_HR_URL": url})["hr"]


VALUES = {
    f"'{TEXT}'::text": TEXT,
    "date '2026-11-03'": "2026-11-03",
    "timestamp '2026-11-03 08:30:00.25'": "2026-11-03 08:30:00.250000",
    "timestamptz '2026-11-03 08:30:00+01'": "2026-11-03T07:30:00Z",
    "timestamptz '9999-12-31 23:59:59Z'": "9999-12-31T23:59:59Z",
    "interval '1 day 90 seconds'": "86490.0",
    "(date '2026-11-03')::text": "2026-11-03",
    "(timestamptz '2026-11-03 08:30:00+01')::text": "2026-11-03 07:30:00+00",
    "(interval '90 seconds')::text": "00:01:30",
    "0.1::float8 + 0.2::float8": "0.30000000000000004",
    "1.23456789012345678e-7::float8::text": "1.2345678901234568e-07",
    "'\\x00ff'::bytea": "00ff",
    "('\\x00ff'::bytea)::text": "\\x00ff",
    "array['é', null]": '["é", null]',
    "'{a,NULL}'::text[]": '["a", null]',
    "'a\\nb'": "a\\nb",
    "(NULL = NULL)": None,
    """'{"price": 12345678901234567.89, "a": 1.10}'::json""": (
        '{"price": 12345678901234567.89, "a": 1.10}'
    ),
    "'null'::jsonb": "null",
    "1234.5::money": "$1,234.50",
}


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_a_source_reads_every_value_as_it_is(hostile: OpenDatabase, encoding: str) -> None:
    columns = ", ".join(f"{expression} AS v{n}" for n, expression in enumerate(VALUES))
    with source_of(hostile(encoding), f"SELECT {columns}") as source:
        (row,) = rows_of(source.pull())
    assert list(row.values()) == list(VALUES.values())


def test_a_source_whose_texts_are_not_utf_8_is_refused(hostile: OpenDatabase) -> None:
    url = hostile("SQL_ASCII")
    latin = "SELECT convert_from('\\xe9'::bytea, 'SQL_ASCII') AS v"
    with source_of(url, latin) as source, pytest.raises(DataRefusedError, match="not UTF-8"):
        rows_of(source.pull())


def test_a_source_in_latin_1_is_read_as_it_is(hostile: OpenDatabase) -> None:
    with source_of(hostile("LATIN1"), "SELECT 'Zoë ß' AS v") as source:
        assert rows_of(source.pull()) == [{"v": "Zoë ß"}]


def test_a_url_cannot_change_the_encoding_but_may_set_limits(postgres: Server) -> None:
    url = f"{postgres.url}&client_encoding=latin1&connect_timeout=3"
    assert connect_arguments(database_url(url, "X"))["client_encoding"] == "UTF8"
    assert "connect_timeout" not in connect_arguments(database_url(url, "X"))
    with source_of(url, f"SELECT '{TEXT}' AS v") as source:
        assert rows_of(source.pull()) == [{"v": TEXT}]


def test_a_source_in_mariadb_is_read_whole_and_in_utc(mariadb: MariadbServer) -> None:
    """The server cuts results, fills CHAR up with blanks, and is in another time zone."""
    url = mariadb.database()
    name = make_url(url).database
    mariadb.run(
        f"CREATE TABLE {name}.t (c CHAR(9) CHARACTER SET utf8mb4, at TIMESTAMP)",
        f"INSERT INTO {name}.t VALUES ('{TEXT[:9]}', FROM_UNIXTIME(0.0 + 1e9)), "  # noqa: S608
        "('😀', NULL), ('c', NULL)",
        "SET GLOBAL sql_select_limit = 1",
        "SET GLOBAL sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES'",
    )
    try:
        with source_of(url, "SELECT c, at FROM t ORDER BY at DESC, c") as source:
            rows = rows_of(source.pull())
    finally:
        mariadb.run("SET GLOBAL sql_select_limit = DEFAULT", "SET GLOBAL sql_mode = 'ANSI_QUOTES'")
    assert [row["c"] for row in rows] == [TEXT[:9].rstrip(), "c", "😀"]
    assert "2001-09-09" in str(rows[0]["at"])
    assert "01:46:40" in str(rows[0]["at"])


def test_other_databases_are_set_up_as_far_as_it_is_safe() -> None:
    """Neither of the last two runs here: these are the statements, and the driver's encoding."""
    assert connect_arguments(database_url("mysql+pymysql://h/x", "X")) == {"charset": "utf8mb4"}
    assert connect_arguments(database_url("mariadb+pymysql://h/x", "X")) == {"charset": "utf8mb4"}
    assert connect_arguments(database_url("oracle+oracledb://h/x", "X")) == {}
    assert set(OTHERS) == {"mysql", "mssql", "oracle"}
