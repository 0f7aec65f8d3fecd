"""The result of a query that is no dataset: held in memory, up to a ceiling."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from connectors.errors import DataRefusedError
from connectors.http.proxies import SystemProxies
from connectors.ledger import open_ledger
from connectors.nexthink.client import NexthinkClient
from tasks.exports.saved_query import query_rows
from tasks.runs.tools import Tools
from tests.unit.connectors.results import FILE, STATUS, completed, url_of
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Server,
    Storage,
    json_reply,
    token_reply,
)

TEXT = b"Device.Name,uid\n" + b"laptop,1\n" * 20_000


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@pytest.fixture
def tools(tls: ssl.SSLContext, tmp_path: Path) -> Iterator[Tools]:
    clock = Clock()
    with Server() as server:
        server.on("POST", TOKEN_PATH, token_reply())
        server.on("POST", "/api/v1/nql/export", json_reply({"exportId": "e1"}))
        server.on("GET", STATUS, completed(url_of(server)))
        server.on("GET", FILE, Storage(TEXT))
        tenant = FakeTenant(server.url, server.url)
        with (
            open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "acme.eu", clock) as ledger,
            NexthinkClient(tenant, SystemProxies(tls), clock, clock.sleep) as client,
        ):
            yield Tools(client, ledger, clock, clock.sleep)


def test_a_result_is_read_as_a_whole(tools: Tools, tmp_path: Path) -> None:
    rows = query_rows(tools, "targets", "u", "#devices", tmp_path)
    assert rows.columns == ["device.name", "uid"]
    assert len(rows) == 20_000


def test_a_result_larger_than_allowed_is_refused(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NXP_MAX_QUERY_MB", "0.1")
    with pytest.raises(DataRefusedError, match="NXP_MAX_QUERY_MB"):
        query_rows(tools, "targets", "u", "#devices", tmp_path)
    assert not list(tmp_path.glob("*.csv"))
