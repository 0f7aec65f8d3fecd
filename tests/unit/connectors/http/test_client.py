"""The retry layer: what is sent again, after how long, and what errors and logs say about it."""

import logging
import socket
import ssl
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.clock import utc_now
from connectors.errors import ConfigurationError, LimitReachedError
from connectors.http.client import RetryTransport, build_client, unreachable
from connectors.http.policy import (
    LONGEST_PAUSE_SECONDS,
    MAX_ATTEMPTS,
    Retry,
    backoff,
    limit_reached,
    retry_after,
)
from connectors.http.proxies import SystemProxies
from tests.unit.connectors.servers import START, Clock, Reply, Server

GOOD = Reply(200, b"good")
RESET = Reply(reset=True)
CUT = Reply(200, b"0123456789", cut=4)


def send(client: httpx.Client, url: str, retry: Retry | None) -> httpx.Response:
    extensions = {} if retry is None else {"retry": retry}
    return client.post(url, content=b"body", extensions=extensions)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("failures", [1, MAX_ATTEMPTS - 1])
def test_a_read_survives_passing_failures(
    server: Server, retrying: httpx.Client, clock: Clock, status: int, failures: int
) -> None:
    server.on("POST", "/x", *[Reply(status, b"busy")] * failures, GOOD)
    assert send(retrying, server.url + "/x", Retry.READ).content == b"good"
    assert [seen.body for seen in server.seen] == [b"body"] * (failures + 1)
    assert len(clock.sleeps) == failures


@pytest.mark.parametrize("fault", [RESET, CUT])
def test_a_read_survives_a_lost_connection_even_inside_the_body(
    server: Server, retrying: httpx.Client, fault: Reply
) -> None:
    server.on("POST", "/x", fault, fault, GOOD)
    assert send(retrying, server.url + "/x", Retry.READ).content == b"good"


def test_a_read_survives_a_timeout(server: Server, clock: Clock) -> None:
    class Slow(httpx.HTTPTransport):
        calls = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.calls += 1
            if self.calls == 1:
                raise httpx.ReadTimeout("silent")
            return super().handle_request(request)

    server.on("POST", "/x", GOOD)
    with httpx.Client(transport=RetryTransport(Slow(), clock=clock, sleep=clock.sleep)) as client:
        assert send(client, server.url + "/x", Retry.READ).content == b"good"


@pytest.mark.parametrize(
    ("retry", "fault", "is_repeated"),
    [
        (Retry.START, Reply(429), True),
        (Retry.START, Reply(503), True),
        (Retry.START, Reply(500), False),
        (Retry.START, Reply(502), False),
        (Retry.START, Reply(504), False),
        (Retry.START, RESET, False),
        (Retry.START, CUT, False),
        (Retry.NEVER_SENT, Reply(429), False),
        (Retry.NEVER_SENT, Reply(503), False),
        (Retry.NEVER_SENT, RESET, False),
        (Retry.READ, Reply(404), False),
        (Retry.READ, Reply(400), False),
        (None, Reply(503), False),
        (None, RESET, False),
    ],
)
def test_a_policy_limits_what_is_sent_again(
    server: Server, retrying: httpx.Client, retry: Retry | None, fault: Reply, is_repeated: bool
) -> None:
    server.on("POST", "/x", fault, GOOD)
    try:
        send(retrying, server.url + "/x", retry)
    except httpx.TransportError:
        assert not is_repeated
    assert len(server.seen) == 1 + is_repeated


@pytest.mark.parametrize(
    ("retry", "attempts"),
    [(Retry.READ, MAX_ATTEMPTS), (Retry.START, MAX_ATTEMPTS), (Retry.NEVER_SENT, MAX_ATTEMPTS)],
)
def test_what_never_left_this_machine_may_always_be_sent_again(
    retrying: httpx.Client, clock: Clock, retry: Retry, attempts: int
) -> None:
    with pytest.raises(httpx.ConnectError):
        send(retrying, closed_url(), retry)
    assert len(clock.sleeps) == attempts - 1


def test_without_policy_a_refused_connection_is_final(retrying: httpx.Client, clock: Clock) -> None:
    with pytest.raises(httpx.ConnectError):
        send(retrying, closed_url(), None)
    assert clock.sleeps == []


def test_writing_values_is_repeated_like_reading() -> None:
    assert Retry["ALL"] is Retry.READ


def test_the_last_failure_is_what_the_caller_gets(server: Server, retrying: httpx.Client) -> None:
    server.on("POST", "/x", Reply(503, b"first"), Reply(500, b"later"))
    response = send(retrying, server.url + "/x", Retry.READ)
    assert (response.status_code, response.content) == (500, b"later")
    assert len(server.seen) == MAX_ATTEMPTS


def test_failed_answers_give_their_connection_back(server: Server, clock: Clock) -> None:
    server.on("POST", "/x", *[Reply(503, b"x" * 200_000)] * 3, GOOD)
    one = httpx.HTTPTransport(limits=httpx.Limits(max_connections=1))
    transport = RetryTransport(one, clock=clock, sleep=clock.sleep)
    with httpx.Client(transport=transport, timeout=2) as client:
        assert send(client, server.url + "/x", Retry.READ).content == b"good"


def test_pauses_double_with_jitter_up_to_a_cap() -> None:
    for attempt in range(1, 40):
        assert 0 < backoff(attempt) <= LONGEST_PAUSE_SECONDS
    longest = [max(backoff(attempt) for _ in range(200)) for attempt in range(1, 5)]
    assert all(later > earlier for earlier, later in pairwise(longest))
    assert len({backoff(3) for _ in range(20)}) > 1


IN_90_S = START + timedelta(seconds=90)


@pytest.mark.parametrize(
    "value",
    [
        "90",
        " 90 ",
        "Sun, 22 Nov 2026 12:01:30 GMT",
        "Sun, 22 Nov 2026 13:01:30 +0100",
        "2026-11-22T12:01:30Z",
        "2026-11-22T12:01:30",
        "2026-11-22 12:01:30",
        "2026-11-22T13:01:30+01:00",
        "2026-11-22T12:01:30.000Z",
    ],
)
def test_every_form_of_retry_after_is_waited_for(
    server: Server, retrying: httpx.Client, clock: Clock, value: str
) -> None:
    assert retry_after(httpx.Headers({"retry-after": value}), START) == IN_90_S
    server.on("POST", "/x", Reply(429, headers={"retry-after": value}), GOOD)
    assert send(retrying, server.url + "/x", Retry.READ).content == b"good"
    assert clock.sleeps == [90]


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e3", "12345678901", "9" * 400, "2026-99-99"])
def test_garbage_in_retry_after_is_ignored(
    server: Server, retrying: httpx.Client, clock: Clock, value: str
) -> None:
    server.on("POST", "/x", Reply(503, headers={"retry-after": value}), GOOD)
    assert send(retrying, server.url + "/x", Retry.READ).content == b"good"
    assert clock.sleeps[0] <= LONGEST_PAUSE_SECONDS


@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_no_retry_after_is_too_odd(value: str) -> None:
    moment = retry_after(httpx.Headers({b"retry-after": value.encode("latin-1")}), START)
    assert moment is None or moment.tzinfo is UTC


def test_a_retry_after_of_the_past_pauses_as_usual(
    server: Server, retrying: httpx.Client, clock: Clock
) -> None:
    server.on("POST", "/x", Reply(503, headers={"retry-after": "2020-01-01T00:00:00Z"}), GOOD)
    send(retrying, server.url + "/x", Retry.READ)
    assert 0 < clock.sleeps[0] <= LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["301", "2026-11-22T12:05:01Z", "Mon, 23 Nov 2026 00:00:00 GMT"])
def test_a_longer_wait_than_five_minutes_is_the_caller_s(
    server: Server, retrying: httpx.Client, clock: Clock, status: int, value: str
) -> None:
    server.on("POST", "/x", Reply(status, headers={"retry-after": value}), GOOD)
    response = send(retrying, server.url + "/x", Retry.READ)
    assert clock.sleeps == []
    error = limit_reached(response.request, response, START)
    assert isinstance(error, LimitReachedError)
    assert error.not_before == retry_after(response.headers, START)
    assert error.not_before
    assert error.not_before > START + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("asked", "hours"),
    [("86400", 24), ("9999999", 25), ("Wed, 01 Jan 2098 00:00:00 GMT", 25), ("9999-12-31", 25)],
)
def test_a_limit_of_more_than_a_day_is_taken_as_one(asked: str, hours: int) -> None:
    request = httpx.Request("GET", "https://acme.api.eu.nexthink.cloud/x")
    response = httpx.Response(429, headers={"retry-after": asked}, request=request)
    error = limit_reached(request, response, START)
    assert error is not None
    assert error.not_before == START + timedelta(hours=hours)


def test_five_minutes_are_waited_for(server: Server, retrying: httpx.Client, clock: Clock) -> None:
    server.on("POST", "/x", Reply(429, headers={"retry-after": "300"}), GOOD)
    assert send(retrying, server.url + "/x", Retry.READ).content == b"good"
    assert clock.sleeps == [300]


def test_log_lines_hold_method_path_status_attempt_and_wait_only(
    server: Server, retrying: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("POST", "/a/b", Reply(503, b"MARK-body", {"x-request-id": "r-1"}), GOOD)
    url = server.url + "/a/b?signature=MARK-query"
    retrying.post(url, headers={"x-key": "MARK-header"}, extensions={"retry": Retry.READ})
    own = [
        record.getMessage() for record in caplog.records if record.name == "connectors.http.client"
    ]
    assert own[0] == "POST /a/b: HTTP 503, request id r-1"
    assert "attempt 1 of 6, next in" in own[1]
    assert "MARK" not in "".join(own)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://no-such-host.invalid/x", "DNS does not know the name"),
        ("refused", "connection refused"),
        ("ftp://example.test/x", "not http"),
    ],
)
def test_a_network_error_says_host_and_reason(url: str, reason: str) -> None:
    request = httpx.Request("GET", url if "://" in url else closed_url())
    with httpx.HTTPTransport() as transport, pytest.raises(httpx.TransportError) as caught:
        transport.handle_request(request)
    error = unreachable(caught.value, request)
    assert request.url.host in str(error)
    assert reason in str(error)


def test_an_untrusted_certificate_is_not_tried_again(server: Server, clock: Clock) -> None:
    class Distrusting(httpx.BaseTransport):
        def handle_request(self, _: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("MARK") from ssl.SSLCertVerificationError(1, "self-signed")

    transport = RetryTransport(Distrusting(), clock=clock, sleep=clock.sleep)
    request = httpx.Request("GET", server.url, extensions={"retry": Retry.READ})
    with pytest.raises(httpx.ConnectError) as caught:
        transport.handle_request(request)
    assert clock.sleeps == []
    assert "certificate is not trusted" in str(unreachable(caught.value, request))


def test_requests_go_through_the_proxy_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("GET", "http://api.example.test/x", Reply(200, b"by proxy"))
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "direct.test")
    with build_client(SystemProxies()) as client:
        assert client.get("http://api.example.test/x").content == b"by proxy"
        with pytest.raises(httpx.ConnectError):
            client.get("http://x.direct.test:1/x")


def test_loopback_needs_no_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("GET", "/x", GOOD)
    monkeypatch.setenv("http_proxy", closed_url())
    with build_client(SystemProxies()) as client:
        assert client.get(server.url + "/x").content == b"good"


@pytest.mark.parametrize("url", ["socks5://me:MARK@localhost:1", "gopher://me:MARK@h", "http://:x"])
def test_an_unusable_proxy_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        SystemProxies()
    assert "MARK" not in str(caught.value)


def test_a_client_names_itself_keeps_no_cookies_and_follows_no_redirect(server: Server) -> None:
    server.on("GET", "/x", Reply(302, headers={"location": "/y", "set-cookie": "a=b"}))
    with build_client(httpx.HTTPTransport(), origin=server.url) as client:
        assert client.get("/x").status_code == 302
        client.get("/x")
        assert client.timeout == httpx.Timeout(60, connect=10)
    assert server.seen[0].headers["user-agent"].startswith("nexthink-pipelines/")
    assert [seen.path for seen in server.seen] == ["/x", "/x"]
    assert "cookie" not in server.seen[1].headers


def test_an_origin_that_is_no_url_is_a_matter_of_settings() -> None:
    with pytest.raises(ConfigurationError, match="NEXTHINK_API_URL"):
        build_client(httpx.HTTPTransport(), origin="http://host:port")


def closed_url() -> str:
    """Return a URL that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/x"


def test_now_has_a_zone() -> None:
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(seconds=5)
