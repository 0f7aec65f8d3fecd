"""Tokens: how they are requested, renewed and shared between threads, and who never sees them."""

import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from connectors.errors import (
    AccessError,
    DataRefusedError,
    LimitReachedError,
    PipelineError,
    UnavailableError,
)
from connectors.http.client import build_client
from connectors.http.policy import MAX_ATTEMPTS
from connectors.nexthink.auth import ClientCredentials
from connectors.nexthink.client import NexthinkClient
from tests.unit.connectors.servers import (
    SECRET,
    TOKEN,
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Seen,
    Server,
    json_reply,
    token_reply,
)

STATUS = "/api/v1/nql/status/e1"
SUBMITTED = json_reply({"status": "SUBMITTED"})


class Login:
    """Issues numbered tokens; the API accepts only the last."""

    def __init__(self, life: float = 900) -> None:
        self.given = 0
        self.life = life

    def __call__(self, _: Seen) -> Reply:
        self.given += 1
        return token_reply(f"token-{self.given}", self.life)

    def guard(self, seen: Seen) -> Reply:
        is_current = seen.headers["authorization"] == f"Bearer token-{self.given}"
        return SUBMITTED if is_current else Reply(401)


def test_a_token_is_asked_for_by_basic_authentication_and_a_form(
    server: Server, client: NexthinkClient
) -> None:
    client.authenticate()
    (seen,) = server.seen
    basic = b64encode(f"client-1:{SECRET}".encode()).decode()
    assert (seen.method, seen.path, seen.query) == ("POST", TOKEN_PATH, "")
    assert seen.headers["authorization"] == f"Basic {basic}"
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert seen.body == b"grant_type=client_credentials&scope=service%3Aintegration"


def test_a_token_serves_many_calls(server: Server, client: NexthinkClient) -> None:
    server.on("GET", STATUS, SUBMITTED)
    for _ in range(3):
        client.nql.export_status("e1")
    assert len(server.requests(TOKEN_PATH)) == 1
    bearers = {seen.headers["authorization"] for seen in server.requests(STATUS)}
    assert bearers == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("life", "fresh_for"), [(900, 840), (300, 240), (299, 239.2), (100, 80), (2, 1.6)]
)
def test_a_token_is_renewed_a_little_before_its_end(
    server: Server, client: NexthinkClient, clock: Clock, life: float, fresh_for: float
) -> None:
    login = Login(life)
    server.on("POST", TOKEN_PATH, login)
    server.on("GET", STATUS, login.guard)
    client.nql.export_status("e1")
    clock.now += timedelta(seconds=fresh_for - 0.1)
    client.nql.export_status("e1")
    assert login.given == 1
    clock.now += timedelta(seconds=0.2)
    client.nql.export_status("e1")
    assert login.given == 2
    assert all(seen.headers["authorization"] for seen in server.requests(STATUS))
    assert len(server.requests(STATUS)) == 3


def test_a_token_ages_from_when_it_was_asked_for(
    server: Server, client: NexthinkClient, clock: Clock
) -> None:
    def slow_login(_: Seen) -> Reply:
        clock.now += timedelta(seconds=100)
        return token_reply(expires_in=100)

    server.on("POST", TOKEN_PATH, slow_login, token_reply())
    server.on("GET", STATUS, SUBMITTED)
    client.authenticate()
    client.nql.export_status("e1")
    assert len(server.requests(TOKEN_PATH)) == 2


def test_a_refused_token_is_renewed_once_and_the_call_repeated(
    server: Server, client: NexthinkClient
) -> None:
    login = Login()
    server.on("POST", TOKEN_PATH, login)
    server.on("GET", STATUS, login.guard)
    client.nql.export_status("e1")
    login.given += 1  # the tenant forgets the token
    assert client.nql.export_status("e1").state == "SUBMITTED"
    assert login.given == 3
    assert len(server.requests(STATUS)) == 3


def test_two_refusals_are_final(server: Server, client: NexthinkClient) -> None:
    server.on("GET", STATUS, Reply(401, b"MARK-body"))
    with pytest.raises(AccessError, match="refuses the token") as caught:
        client.nql.export_status("e1")
    assert caught.value.exchange
    assert caught.value.exchange.status == 401
    assert len(server.requests(STATUS)) == 2
    assert len(server.requests(TOKEN_PATH)) == 2


def test_a_post_that_starts_something_is_repeated_after_a_refused_token(
    server: Server, client: NexthinkClient
) -> None:
    server.on("POST", "/api/v1/nql/export", Reply(401), json_reply({"exportId": "e1"}))
    assert client.nql.start_export("#devices") == "e1"
    first, second = server.requests("/api/v1/nql/export")
    assert first.body == second.body


def test_threads_share_one_token(server: Server, client: NexthinkClient) -> None:
    login = Login()
    server.on("POST", TOKEN_PATH, login)
    server.on("GET", STATUS, login.guard)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client.nql.export_status, ["e1"] * 32))
    assert login.given == 1


def test_threads_whose_token_is_refused_renew_it_once(
    server: Server, client: NexthinkClient
) -> None:
    login = Login()
    everyone = threading.Barrier(8)
    server.on("POST", TOKEN_PATH, login)
    client.authenticate()

    def refuse_the_first_token(seen: Seen) -> Reply:
        if seen.headers["authorization"] == "Bearer token-1":
            return Reply(401)
        return SUBMITTED

    server.on("GET", STATUS, refuse_the_first_token)

    def ask(_: int) -> str:
        everyone.wait(10)
        return client.nql.export_status("e1").state

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["SUBMITTED"] * 8
    assert login.given == 2


def test_a_late_refusal_uses_the_token_another_thread_has_taken(
    server: Server, clock: Clock
) -> None:
    login = Login()
    server.on("POST", TOKEN_PATH, login)
    with build_client(httpx.HTTPTransport(), origin=server.url) as http:
        credentials = ClientCredentials(FakeTenant(server.url, server.url), http, clock)
        request = httpx.Request("GET", server.url + STATUS)
        flow = credentials.sync_auth_flow(request)
        assert next(flow).headers["authorization"] == "Bearer token-1"
        credentials.renew()
        repeated = flow.send(httpx.Response(401, request=request))
        assert repeated.headers["authorization"] == "Bearer token-2"
        with pytest.raises(StopIteration):
            flow.send(httpx.Response(401, request=request))
    assert login.given == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_credential_says_what_to_check(
    server: Server, client: NexthinkClient, status: int
) -> None:
    server.on("POST", TOKEN_PATH, json_reply({"error": "MARK-body"}, status))
    with pytest.raises(AccessError, match="NEXTHINK_CLIENT_ID and NEXTHINK_CLIENT_SECRET"):
        client.authenticate()
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(500), UnavailableError),
        (Reply(404), UnavailableError),
        (Reply(302, headers={"location": "/elsewhere"}), UnavailableError),
        (Reply(reset=True), UnavailableError),
        (Reply(429, headers={"retry-after": "3600"}), LimitReachedError),
        (Reply(200, b"<html>MARK-body</html>"), UnavailableError),
        (Reply(200, b""), UnavailableError),
        (Reply(200, b"\xff\xfe"), UnavailableError),
        (Reply(200, b"[" * 100_000), UnavailableError),
        (Reply(200, b"x", {"content-encoding": "gzip"}), UnavailableError),
        (json_reply([]), DataRefusedError),
        (json_reply({"access_token": "MARK-body"}), DataRefusedError),
        (token_reply(""), DataRefusedError),
        (token_reply("MARK-body\r\nx: y"), DataRefusedError),
        (token_reply("MARK-bödy"), DataRefusedError),
        (token_reply(expires_in=0), DataRefusedError),
        (token_reply(expires_in=-1), DataRefusedError),
        (token_reply(expires_in=1e300), DataRefusedError),
        (
            json_reply({"token_type": "mac", "access_token": "MARK-body", "expires_in": 9}),
            DataRefusedError,
        ),
    ],
)
def test_an_answer_without_a_usable_token_is_told_apart(
    server: Server, client: NexthinkClient, reply: Reply, kind: type[PipelineError]
) -> None:
    server.on("POST", TOKEN_PATH, reply)
    with pytest.raises(kind) as caught:
        client.authenticate()
    assert type(caught.value) is kind
    assert "127.0.0.1" in str(caught.value)
    assert "MARK" not in str(caught.value)


def test_a_lost_login_host_is_named(server: Server, clock: Clock) -> None:
    tenant = FakeTenant(server.url, "http://login.invalid")
    with (
        NexthinkClient(tenant, clock=clock, sleep=clock.sleep) as client,
        pytest.raises(UnavailableError, match=r"login\.invalid.*NEXTHINK_LOGIN_URL"),
    ):
        client.nql.export_status("e1")
    assert len(clock.sleeps) == MAX_ATTEMPTS - 1
    assert server.seen == []


def test_the_token_is_shown_to_the_api_only(
    server: Server, other_server: Server, clock: Clock
) -> None:
    with build_client(httpx.HTTPTransport(), origin=server.url) as login:
        tenant = FakeTenant(server.url, server.url)
        credentials = ClientCredentials(tenant, login, clock)
        with (
            build_client(httpx.HTTPTransport(), auth=credentials) as http,
            pytest.raises(AccessError, match="the token is not sent"),
        ):
            http.get(other_server.url + "/x")
    assert server.seen == other_server.seen == []


def test_an_api_call_follows_no_redirect(
    server: Server, other_server: Server, client: NexthinkClient
) -> None:
    server.on("GET", STATUS, Reply(307, headers={"location": other_server.url + "/MARK"}))
    with pytest.raises(UnavailableError, match="NEXTHINK_API_URL") as caught:
        client.nql.export_status("e1")
    assert "MARK" not in str(caught.value)
    assert other_server.seen == []


def test_authenticate_takes_a_new_token_each_time(server: Server, client: NexthinkClient) -> None:
    client.authenticate()
    client.authenticate()
    assert len(server.requests(TOKEN_PATH)) == 2
