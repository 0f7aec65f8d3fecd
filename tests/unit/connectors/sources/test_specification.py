"""The `sources:` of a sync, and the connections that they name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from connectors.errors import ConfigurationError
from connectors.sources import Sources, load_connections, open_sources

SECRET = "s3cr3t-that-no-one-may-read"  # noqa: S105 - of the test

YAML = """
cmdb:
  kind: servicenow
  connection: cmdb
  table: cmdb_ci_computer
  fields: [sys_id, name, assigned_to.email]
  query: install_status=1^ORinstall_status=3
hr:
  kind: sql
  connection: hr
  query: |
    SELECT upn, department FROM people;
  key: [upn]
sites:
  kind: file
  path: /data/sites-*.csv
  delimiter: ";"
"""
SERVICENOW = {"kind": "servicenow", "connection": "cmdb", "table": "t", "fields": ["name"]}
SQL = {"kind": "sql", "connection": "hr", "query": "SELECT 1"}
FILE = {"kind": "file", "path": "people.csv"}
ENVIRON = {
    "NXP_SOURCE_CMDB_URL": "https://company.service-now.com",
    "NXP_SOURCE_CMDB_USER": "reader",
    "NXP_SOURCE_CMDB_PASSWORD": SECRET,
    "NXP_SOURCE_HR_URL": f"postgresql://reader:{SECRET}@db.example/hr",
}


def stated(one: dict[str, Any], **changes: Any) -> Sources:
    return Sources.model_validate({"here": one | changes})


def test_the_three_kinds_are_read_from_yaml() -> None:
    sources = Sources.model_validate(yaml.safe_load(YAML)).root
    assert [each.kind for each in sources.values()] == ["servicenow", "sql", "file"]
    assert sources["cmdb"].key == ("sys_id",)
    assert sources["cmdb"].connection_name == "cmdb"
    assert sources["sites"].connection_name is None


def test_specifications_load_no_implementation() -> None:
    code = "import sys, connectors.syncs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "httpx", "pyarrow", "polars", "obstore"}
    implementations = {"servicenow.source", "sql", "file"}
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint(heavy | {f"connectors.sources.{name}" for name in implementations})


def test_opening_sends_nothing() -> None:
    opened = open_sources(Sources.model_validate(yaml.safe_load(YAML)), ENVIRON)
    assert list(opened) == ["cmdb", "hr", "sites"]
    assert [source.name for source in opened.values()] == ["cmdb", "hr", "sites"]
    for source in opened.values():
        source.close()


@pytest.mark.parametrize(
    ("one", "changes", "told"),
    [
        (SERVICENOW, {"kind": "excel"}, "servicenow.*sql.*file"),
        (SERVICENOW, {"password": "x"}, "password"),
        (SERVICENOW, {"connection": "../x"}, "connection"),
        (SERVICENOW, {"fields": []}, "fields"),
        (SERVICENOW, {"fields": ["name", "name"]}, "listed twice"),
        (SERVICENOW, {"fields": ["na me", "ok"]}, "not names of fields: na me"),
        (SERVICENOW, {"key": ["other"]}, "not among the fields: other"),
        (SERVICENOW, {"page_rows": 10_001}, "page_rows"),
        (SERVICENOW, {"query": "a=1^NQb=2"}, r"\^NQ cannot be used here"),
        (SERVICENOW, {"query": "a=1^ORDERBYname"}, r"\^ORDERBY cannot"),
        (SERVICENOW, {"query": "a=1^GROUPBYname"}, r"\^GROUPBY cannot"),
        (SERVICENOW, {"query": "ORa=1"}, "needs a condition before"),
        (SERVICENOW, {"query": "a=1^=2"}, "begin with the name of a field"),
        (SQL, {"query": "DELETE FROM people"}, "must be one SELECT"),
        (SQL, {"query": "-- SELECT\nDELETE FROM people"}, "must be one SELECT"),
        (SQL, {"incremental": "at"}, "key: needed"),
        (SQL, {"fields": ["a"], "key": ["b"]}, "not among the fields: b"),
        (FILE, {"path": "people.xlsx"}, "format: set csv or parquet"),
        (FILE, {"path": "https://example.com/people.csv"}, "must be a path"),
        (FILE, {"path": "s3://key:secret@bucket/people.csv"}, "must not hold a credential"),
        (FILE, {"delimiter": ";;"}, "delimiter"),
        (FILE, {"encoding": "klingon"}, "must be an encoding"),
        (FILE, {"connection": "x"}, "connection"),
    ],
)
def test_what_makes_no_sense_is_refused(
    one: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        stated(one, **changes)


@pytest.mark.parametrize("name", ["", "CMDB", "c-mdb", "1st", "a b"])
def test_names_of_sources_are_names_in_sql(name: str) -> None:
    with pytest.raises(ValidationError):
        Sources.model_validate({name: FILE})
    with pytest.raises(ValidationError):
        Sources.model_validate({})


def test_specifications_are_frozen() -> None:
    source = stated(FILE).root["here"]
    with pytest.raises(ValidationError):
        source.path = "other.csv"  # type: ignore[misc,union-attr]


def test_the_operator_of_a_query_may_be_one_that_is_not_known_here() -> None:
    assert stated(SERVICENOW, query="opened_atONToday@javascript:x@y^caption=a^^b^EQ")


def test_all_problems_of_all_connections_are_told_at_once() -> None:
    sources = Sources.model_validate(yaml.safe_load(YAML))
    with pytest.raises(ConfigurationError) as raised:
        load_connections(sources, {"NXP_SOURCE_CMDB_PASSWORD": SECRET})
    assert raised.value.problems == (
        "NXP_SOURCE_CMDB_URL: not set",
        "NXP_SOURCE_CMDB_USER: not set",
        "NXP_SOURCE_HR_URL: not set",
    )


def test_two_sources_may_share_a_connection() -> None:
    sources = Sources.model_validate({"a": SERVICENOW, "b": SERVICENOW | {"table": "u"}})
    assert list(load_connections(sources, ENVIRON)) == ["cmdb"]
    with pytest.raises(ConfigurationError) as raised:
        load_connections(sources, {})
    assert len(raised.value.problems) == 3


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"URL": "http://company.service-now.com"}, "must be https"),
        ({"URL": "company.service-now.com"}, "must be an origin"),
        ({"URL": "https://reader:pw@company.service-now.com"}, "must be an origin"),
        ({"URL": "https://company.service-now.com/api"}, "must be an origin"),
        ({"URL": "https://company:x/"}, "must be an origin"),
        ({"CLIENT_ID": "id"}, "a user or an OAuth client, not both"),
        ({"USER": ""}, "NXP_SOURCE_CMDB_USER: not set"),
        ({"USER": "", "PASSWORD": "", "CLIENT_ID": "id"}, "NXP_SOURCE_CMDB_CLIENT_SECRET: not set"),
    ],
)
def test_a_connection_of_an_instance(changed: dict[str, str], problem: str) -> None:
    environ = ENVIRON | {f"NXP_SOURCE_CMDB_{name}": value for name, value in changed.items()}
    with pytest.raises(ConfigurationError) as raised:
        load_connections(stated(SERVICENOW), environ)
    (told,) = raised.value.problems
    assert problem in told
    assert SECRET not in told


def test_every_variable_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    environ = {name: value for name, value in ENVIRON.items() if not name.endswith("PASSWORD")}
    environ["NXP_SOURCE_CMDB_PASSWORD_FILE"] = str(tmp_path / "password")
    connection = load_connections(stated(SERVICENOW), environ)["cmdb"]
    assert connection.password.get_secret_value() == SECRET
    environ["NXP_SOURCE_CMDB_PASSWORD_FILE"] = str(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="PASSWORD_FILE: cannot read"):
        load_connections(stated(SERVICENOW), environ)


def test_a_connection_shows_no_secret() -> None:
    for one in (SERVICENOW, SQL):
        for connection in load_connections(stated(one), ENVIRON).values():
            assert SECRET not in repr(connection)
            assert SECRET not in connection.model_dump_json()


@pytest.mark.parametrize(
    "changes",
    [
        {"delimiter": '"'},
        {"delimiter": "\n"},
        {"delimiter": "§"},
        {"encoding": "base64"},
        {"encoding": "idna"},
        {"path": "people.parquet.gz"},
        {"path": "people.gz"},
    ],
)
def test_files_that_could_not_be_read_are_refused_early(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        stated(FILE, **changes)


@pytest.mark.parametrize("path", ["a.csv.gz", "A.CSV.ZST", "*.csv*", "*.csv.gz"])
def test_the_format_is_named_before_the_compression(path: str) -> None:
    assert stated(FILE, path=path).root["here"].model_dump()["format"] == "csv"


@pytest.mark.parametrize(
    "query",
    ["-- all\nSELECT 1", "/* a */ (SELECT 1)", "with x as (select 1) table x", "SELECT\n1;"],
)
def test_a_query_may_begin_with_a_comment_or_a_bracket(query: str) -> None:
    Sources.model_validate({"people": {**SQL, "query": query}})
