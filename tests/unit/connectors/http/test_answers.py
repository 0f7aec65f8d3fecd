"""Answers beyond a ceiling: refused piece by piece, with the setting in the message."""

import gzip
import ssl
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from connectors.errors import UnavailableError, UnknownOutcomeError
from connectors.http.answers import AnswerRefusedError, read_answer_body
from connectors.http.proxies import SystemProxies
from connectors.limits import Limits
from connectors.nexthink.acting.requests import RemoteActionRequest
from connectors.nexthink.client import NexthinkClient
from connectors.settings.blocks import BLOCK_TYPE, read_block
from connectors.sources.connection import Connection
from connectors.sources.servicenow.table import ServiceNowTable
from tests.unit.connectors.results import STATUS
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Server,
    json_reply,
    token_reply,
)

SMALL = {"NXP_MAX_ANSWER_MB": "0.01", "NXP_MAX_ANSWER_VALUES": "50"}
PADDED = b'{"status":"SUBMITTED","x":"' + b" " * 20_000 + b'"}'


class Endless(httpx.SyncByteStream):
    """A body that never ends; it notes how much was read."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.read = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.read += 1
            yield self.piece


@pytest.fixture
def small(
    server: Server, clock: Clock, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[NexthinkClient]:
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    tenant = FakeTenant(server.url, server.url)
    with NexthinkClient(tenant, SystemProxies(tls), clock, clock.sleep) as client:
        yield client


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        (Reply(200, PADDED), "NXP_MAX_ANSWER_MB"),
        (Reply(200, PADDED, framing="chunked"), "NXP_MAX_ANSWER_MB"),
        (Reply(500, PADDED), "NXP_MAX_ANSWER_MB"),
        (Reply(200, gzip.compress(PADDED), {"content-encoding": "gzip"}), "NXP_MAX_ANSWER_MB"),
        (
            Reply(200, gzip.compress(b" ") * 500, {"content-encoding": "gzip"}),
            "NXP_MAX_ANSWER_MB",
        ),
        (json_reply({"status": "SUBMITTED", "x": [[]] * 60}), "NXP_MAX_ANSWER_VALUES"),
        (Reply(200, b"x", {"content-encoding": "br"}), "encoding that was not asked for"),
        (Reply(200, b"x", {"content-encoding": "zstd"}), "encoding that was not asked for"),
        (Reply(200, b"x", {"content-encoding": "gzip, gzip"}), "encoding that was not asked for"),
    ],
)
def test_an_answer_beyond_a_ceiling_is_one_error(
    server: Server, small: NexthinkClient, reply: Reply, name: str
) -> None:
    server.on("GET", STATUS, reply)
    with pytest.raises(UnavailableError, match=name):
        small.nql.export_status("e1")
    # Sending it again would bring the same answer.
    assert len(server.requests(STATUS)) == 1
    assert server.requests(STATUS)[0].headers["accept-encoding"] == "gzip"


def test_a_token_beyond_a_ceiling_is_one_error(server: Server, small: NexthinkClient) -> None:
    server.on("POST", TOKEN_PATH, Reply(200, PADDED))
    with pytest.raises(UnavailableError, match=r"NXP_MAX_ANSWER_MB.*NEXTHINK_LOGIN_URL"):
        small.authenticate()


def test_after_such_an_answer_to_an_action_its_outcome_is_unknown(
    server: Server, small: NexthinkClient
) -> None:
    server.on("POST", "/api/v1/act/execute", Reply(200, PADDED))
    request = RemoteActionRequest("#restart", ("12345678-1234-1234-1234-123456789012",), {})
    with pytest.raises(UnknownOutcomeError, match="NXP_MAX_ANSWER_MB"):
        small.remote_actions.execute(request)


def test_a_small_packed_answer_is_read(server: Server, small: NexthinkClient) -> None:
    body = gzip.compress(b'{"status":"SUB') + gzip.compress(b'MITTED"}')
    server.on("GET", STATUS, Reply(200, body, {"content-encoding": "gzip"}))
    assert small.nql.export_status("e1").state == "SUBMITTED"


def test_no_more_is_read_than_allowed() -> None:
    body = Endless(b"x" * 1000)
    with pytest.raises(AnswerRefusedError):
        read_answer_body(httpx.Response(200, stream=body), Limits(max_answer_mb=0.01))
    assert body.read < 20


def test_an_answer_may_take_only_so_long() -> None:
    seconds = count(step=10)
    body = Endless(b" ")
    with pytest.raises(AnswerRefusedError, match="NXP_MAX_ANSWER_SECONDS"):
        read_answer_body(httpx.Response(200, stream=body), Limits(), lambda: float(next(seconds)))
    assert body.read == 31


def test_the_body_of_a_redirect_is_not_read(
    server: Server, other_server: Server, small: NexthinkClient, target: Path
) -> None:
    server.on("GET", "/moved", Reply(302, PADDED, {"location": f"{other_server.url}/file"}, cut=9))
    other_server.on("GET", "/file", Reply(200, b"a\n1\n"))
    done = small.nql.download("e1", target, url=f"{server.url}/moved")
    assert done.csv_bytes == 4


@pytest.mark.parametrize("path", ["/oauth_token.do", "/api/now/v2/table/people"])
def test_servicenow_s_answers_have_the_same_ceilings(
    server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("NXP_MAX_ANSWER_MB", "0.01")
    server.on("POST", "/oauth_token.do", token_reply())
    server.on("POST" if "token" in path else "GET", path, Reply(200, PADDED))
    secret = SecretStr("x")
    account = Connection(
        name="cmdb", url=SecretStr(server.url), client_id="x", client_secret=secret
    )
    table = ServiceNowTable("people", "people", account, clock=clock, sleep=clock.sleep)
    with closing(table), pytest.raises(UnavailableError, match=r"NXP_MAX_ANSWER_MB.*CMDB_URL"):
        table.page("", ["name"], 10)


def test_the_block_of_a_prefect_server_has_the_same_ceilings(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NXP_MAX_ANSWER_MB", "0.01")
    path = f"/api/block_types/slug/{BLOCK_TYPE}/block_documents/name/acme"
    server.on("GET", path, Reply(200, PADDED))
    with pytest.raises(UnavailableError, match="no Prefect server answers"):
        read_block("acme", {"PREFECT_API_URL": f"{server.url}/api"})
