"""URLs of databases: the driver that is installed is chosen, another one is asked for by name."""

from contextlib import closing

import pytest

from connectors.errors import ConfigurationError
from connectors.ledger import open_ledger
from connectors.ledger.engine import HEAD, ledger_version
from connectors.sources import Sources, open_sources
from connectors.sql import SqlLanding
from tests.databases import TENANT, Server, specify
from tests.integration.databases.conftest import OpenDatabase


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_needs_no_driver_in_its_url(hostile: OpenDatabase, scheme: str) -> None:
    url = hostile().replace("postgresql://", f"{scheme}://")
    with closing(open_ledger(url, "acme.eu")) as ledger:
        assert ledger.runs() == []
    assert ledger_version(url) == HEAD
    SqlLanding(url, TENANT, specify()).check()
    sources = Sources.model_validate(
        {"hr": {"kind": "sql", "connection": "hr", "query": "SELECT 1 AS n"}}
    )
    with open_sources(sources, {"NXP_SOURCE_HR_URL": url})["hr"] as source:
        assert source.check() == ("n",)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg2://u:pw@h/x", r"pip install psycopg2-binary, or write postgresql://"),
        ("postgresql+pg8000://u:pw@h/x", "pip install pg8000"),
        ("mysql+pymysql://u:pw@h/x", "SQLite file or a PostgreSQL database"),
        ("postgresql://u:pw@h:port/x", "not a database URL"),
        ("postgresql+asyncpg://u:pw@h/x", "asyncpg"),
    ],
)
def test_a_ledger_url_that_cannot_work_is_one_clear_line(url: str, message: str) -> None:
    for call in (lambda: open_ledger(url, "acme.eu"), lambda: ledger_version(url)):
        with pytest.raises(ConfigurationError, match=f"NXP_LEDGER_URL.*{message}") as caught:
            call()
        assert "pw" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("mysql://h/x", "mysqlclient"),
        ("mysql+mysqlconnector://h/x", "mysql-connector-python"),
        ("mssql+pyodbc://h/x", "pyodbc"),
        ("oracle+oracledb://h/x", "oracledb"),
    ],
)
def test_a_missing_driver_of_a_source_is_named(url: str, package: str) -> None:
    sources = Sources.model_validate(
        {"hr": {"kind": "sql", "connection": "hr", "query": "SELECT 1 AS n"}}
    )
    with pytest.raises(ConfigurationError, match=f"NXP_SOURCE_HR_URL.*pip install {package}"):
        open_sources(sources, {"NXP_SOURCE_HR_URL": url})


def test_an_option_of_the_url_stays(postgres: Server) -> None:
    schema = postgres.schema()
    url = f"{postgres.url}&options=-csearch_path%3D{schema}"
    open_ledger(url, "acme.eu").close()
    tables = f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'"  # noqa: S608
    assert postgres.run(tables)[0][0] > 5


def test_a_password_among_the_options_is_not_shown() -> None:
    url = "postgresql://u@127.0.0.1:1/x?password=pw"
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:1/x: .*NXP_LEDGER_URL") as caught:
        open_ledger(url, "acme.eu")
    assert "pw" not in str(caught.value)
