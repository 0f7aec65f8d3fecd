"""Requests that act: how often each is sent, and what is known after every possible end."""

import json
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors.errors import (
    AccessError,
    ActionRefusedError,
    CredentialRefusedError,
    LimitReachedError,
    NotSentError,
    PipelineError,
    UnknownOutcomeError,
    UsageError,
)
from connectors.http.policy import MAX_ATTEMPTS
from connectors.http.proxies import SystemProxies
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    DeviceIds,
    RemoteActionRequest,
    UserIds,
    WorkflowIdsRequest,
    WorkflowRequest,
)
from connectors.nexthink.client import NexthinkClient
from tests.sampling import crossed
from tests.unit.connectors.servers import (
    SECRET,
    TOKEN,
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Server,
    json_reply,
    token_reply,
)

DEVICE = "11111111-2222-3333-4444-555555555555"
EXECUTION = "99999999-2222-3333-4444-555555555555"
SID = "S-1-5-21-111-222-333-4444"
UPN = "MARK-jane@example.com"
VALUE = "MARK-value"
MARKS = (SID, UPN, VALUE, SECRET, TOKEN, "MARK")
PARAMETERS = {"Name": VALUE}


@dataclass(frozen=True)
class Operation:
    """One operation that acts: its path, its call, a good answer and the result."""

    name: str
    path: str
    permission: str
    call: Callable[[NexthinkClient], Any]
    good: Any
    error: Callable[[str], Any]

    def __str__(self) -> str:
        return self.name


def act_error(code: str) -> Any:
    return {"code": code, "message": f"{UPN} is not welcome"}


def workflow_error(code: str) -> Any:
    return {"code": code, "details": f"{UPN} is not welcome"}


WORKFLOW_ANSWER = {"requestUuid": "r-1", "executionsUuids": ["e-1"]}
OPERATIONS = [
    Operation(
        "execute",
        "/api/v1/act/execute",
        "Remote Actions",
        lambda client: client.remote_actions.execute(
            RemoteActionRequest("#a", [DEVICE], PARAMETERS)
        ),
        {"requestId": "r-1", "expiresInMinutes": 60},
        act_error,
    ),
    Operation(
        "trigger",
        "/api/v1/workflows/execute",
        "Workflows",
        lambda client: client.workflows.trigger(WorkflowRequest("#w", [DEVICE], [SID], PARAMETERS)),
        WORKFLOW_ANSWER,
        workflow_error,
    ),
    Operation(
        "trigger_by_ids",
        "/api/v2/workflows/execute",
        "Workflows",
        lambda client: client.workflows.trigger_by_ids(
            WorkflowIdsRequest("#w", [DeviceIds(name="MARK-pc")], [UserIds(upn=UPN)], PARAMETERS)
        ),
        WORKFLOW_ANSWER,
        workflow_error,
    ),
    Operation(
        "resume",
        f"/api/v1/workflows/workflows/{DEVICE}/execution/{EXECUTION}/trigger",
        "Workflows",
        lambda client: client.workflows.resume(DEVICE, EXECUTION, PARAMETERS),
        [{"requestUuid": "r-1"}],
        workflow_error,
    ),
    Operation(
        "campaign",
        "/api/v1/euf/campaign/trigger",
        "Campaigns",
        lambda client: client.campaigns.trigger(CampaignRequest("#c", [SID], 60, PARAMETERS)),
        {"requests": [{"userSid": SID, "requestId": "r-1"}]},
        act_error,
    ),
]


@pytest.fixture(params=OPERATIONS, ids=str)
def operation(request: pytest.FixtureRequest) -> Operation:
    found: Operation = request.param
    return found


@pytest.fixture(autouse=True)
def no_marks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Capture everything that is logged, at every level."""
    caplog.set_level(logging.DEBUG)
    yield
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert not [mark for mark in MARKS if mark in told]


def ends(
    operation: Operation,
    client: NexthinkClient,
    server: Server,
    *script: Any,
    sent: int = 1,
) -> PipelineError:
    """Call it against a script; return the error after checking that it shows no secrets."""
    server.on("POST", operation.path, *script)
    with pytest.raises(PipelineError) as caught:
        operation.call(client)
    assert len(server.requests(operation.path)) == sent
    told = f"{caught.value} {caught.value!r}"
    assert not [mark for mark in MARKS if mark in told]
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def test_a_taken_request_is_sent_once(
    operation: Operation, server: Server, client: NexthinkClient
) -> None:
    for status in (200, 202):
        server.on("POST", operation.path, json_reply(operation.good, status))
        assert "r-1" in repr(operation.call(client))
    first, second = server.requests(operation.path)
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert first.headers["content-type"] == "application/json"
    assert first.body == second.body


def test_a_401_takes_one_new_token_and_sends_once_more(
    operation: Operation, server: Server, client: NexthinkClient
) -> None:
    server.on("POST", TOKEN_PATH, token_reply("first"), token_reply("second"))
    server.on("POST", operation.path, Reply(401), json_reply(operation.good))
    operation.call(client)
    seen = [each.headers["authorization"] for each in server.requests(operation.path)]
    assert seen == ["Bearer first", "Bearer second"]


def test_a_second_401_is_an_access_error(
    operation: Operation, server: Server, client: NexthinkClient
) -> None:
    error = ends(operation, client, server, Reply(401), sent=2)
    assert type(error) is AccessError
    assert len(server.requests(TOKEN_PATH)) == 2


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (Reply(reset=True), UnknownOutcomeError),
        (Reply(502), UnknownOutcomeError),
        (json_reply({"code": "NOT_FOUND", "message": "MARK"}, 400), ActionRefusedError),
    ],
)
def test_after_a_401_it_is_the_second_answer_that_counts(
    operation: Operation,
    server: Server,
    client: NexthinkClient,
    second: Reply,
    kind: type[PipelineError],
) -> None:
    assert type(ends(operation, client, server, Reply(401), second, sent=2)) is kind


@pytest.mark.parametrize("cut", [None, 0, 5])
def test_a_lost_answer_is_of_unknown_outcome_and_never_sent_again(
    operation: Operation, server: Server, client: NexthinkClient, clock: Clock, cut: int | None
) -> None:
    body = json.dumps(operation.good).encode()
    lost = Reply(200, body, {"content-type": "application/json"}, cut=cut, reset=True)
    error = ends(operation, client, server, lost, json_reply(operation.good))
    assert type(error) is UnknownOutcomeError
    assert "it may have been done" in str(error)
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("operation", "status", "retry_after"),
    crossed(OPERATIONS, [301, 302, 408, 499, 500, 502, 503, 504, 520], [None, "1", "86400"]),
    indirect=["operation"],
)
def test_what_says_neither_yes_nor_no_is_of_unknown_outcome(
    operation: Operation,
    server: Server,
    client: NexthinkClient,
    clock: Clock,
    status: int,
    retry_after: str | None,
) -> None:
    headers = {"retry_after": retry_after} if retry_after else {}
    if status < 400:
        headers["location"] = "/elsewhere"
    answer = json_reply(operation.error("SOME_CODE"), status, **headers)
    error = ends(operation, client, server, answer, json_reply(operation.good))
    assert type(error) is UnknownOutcomeError
    assert error.exchange is not None
    assert error.exchange.status == status
    assert clock.sleeps == []


HTML = Reply(200, b"<html>MARK-jane</html>", {"content-type": "text/html"})


@pytest.mark.parametrize(
    ("operation", "answer"),
    crossed(
        OPERATIONS,
        [
            HTML,
            Reply(200),
            Reply(204),
            json_reply({}),
            json_reply([7]),
            json_reply(None),
            json_reply("r-1"),
            json_reply([{}]),
            json_reply({"requests": []}),
            json_reply({"requests": [{"requestId": "MARK"}]}),
            json_reply({"requestId": "", "requestUuid": ""}),
            Reply(200, b"\xff\xfe", {"content-type": "application/json"}),
            Reply(200, b"x", {"content-encoding": "gzip"}),
        ],
    ),
    indirect=["operation"],
)
def test_a_yes_that_is_not_understood_is_of_unknown_outcome(
    operation: Operation, server: Server, client: NexthinkClient, answer: Reply
) -> None:
    error = ends(operation, client, server, answer, json_reply(operation.good))
    assert type(error) is UnknownOutcomeError


@pytest.mark.parametrize(
    ("operation", "status"),
    crossed(OPERATIONS, [400, 404, 405, 409, 413, 415, 422]),
    indirect=["operation"],
)
def test_a_refusal_is_told_with_its_code_only(
    operation: Operation, server: Server, client: NexthinkClient, status: int
) -> None:
    answer = json_reply(operation.error("INVALID_CAMPAIGN_TRIGGER_TYPE"), status)
    error = ends(operation, client, server, answer)
    assert isinstance(error, ActionRefusedError)
    assert (error.code, error.exit_code) == ("INVALID_CAMPAIGN_TRIGGER_TYPE", 6)
    assert "INVALID_CAMPAIGN_TRIGGER_TYPE" in str(error)


@pytest.mark.parametrize(
    ("operation", "code"),
    crossed(OPERATIONS, [UPN, SID, "", None, 7.5, {"a": "MARK"}, "A_" * 30, "MARK"]),
    indirect=["operation"],
)
def test_a_code_that_does_not_look_like_one_is_not_told(
    operation: Operation, server: Server, client: NexthinkClient, code: Any
) -> None:
    error = ends(operation, client, server, json_reply({"code": code, "message": "MARK"}, 400))
    assert isinstance(error, ActionRefusedError)
    assert error.code is None


@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b'{"message": "Forbidden"}'])
def test_a_refusal_needs_no_code(
    operation: Operation, server: Server, client: NexthinkClient, body: bytes
) -> None:
    assert type(ends(operation, client, server, Reply(400, body))) is ActionRefusedError


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    crossed(
        OPERATIONS, [400, 403, 404], [b"<html>blocked</html>", b"[]", b"[" * 100_000, b"blocked"]
    ),
    indirect=["operation"],
)
def test_a_page_of_a_machine_between_is_no_refusal_of_the_tenant(
    operation: Operation, server: Server, client: NexthinkClient, status: int, body: bytes
) -> None:
    """A proxy that withholds the answer to a completed request would look the same."""
    assert type(ends(operation, client, server, Reply(status, body))) is UnknownOutcomeError


def test_too_large_is_said_before_it_is_done(
    operation: Operation, server: Server, client: NexthinkClient
) -> None:
    assert type(ends(operation, client, server, Reply(413, b"<html>"))) is ActionRefusedError


def test_a_403_names_the_permission_that_is_missing(
    operation: Operation, server: Server, client: NexthinkClient
) -> None:
    for answer in (Reply(403), json_reply(operation.error("ACCESS_DENIED"), 403)):
        server.seen.clear()
        error = ends(operation, client, server, answer)
        assert type(error) is AccessError
        assert f"{operation.permission} permission" in str(error)


@pytest.mark.parametrize(
    ("operation", "retry_after", "body"),
    crossed(OPERATIONS, ["1", "86400", "Sun, 22 Nov 2026 13:00:00 GMT", None], [b"", b"<html>"]),
    indirect=["operation"],
)
def test_a_429_was_not_done_and_is_not_waited_for(
    operation: Operation,
    server: Server,
    client: NexthinkClient,
    clock: Clock,
    retry_after: str | None,
    body: bytes,
) -> None:
    headers = {"retry-after": retry_after} if retry_after else {}
    error = ends(operation, client, server, Reply(429, body, headers), json_reply(operation.good))
    assert isinstance(error, LimitReachedError)
    if retry_after == "1":
        assert error.not_before == datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)
    assert clock.sleeps == []


@contextmanager
def closed_port() -> Iterator[str]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def test_a_connection_that_never_opened_is_tried_again_and_then_not_sent(
    operation: Operation, server: Server, clock: Clock, tls: ssl.SSLContext
) -> None:
    with (
        closed_port() as url,
        NexthinkClient(
            FakeTenant(url, server.url), SystemProxies(tls), clock, clock.sleep
        ) as client,
    ):
        error = ends(operation, client, server, sent=0)
    assert type(error) is NotSentError
    assert "nothing was sent" in str(error)
    assert len(clock.sleeps) == MAX_ATTEMPTS - 1


class Flaky(httpx.BaseTransport):
    """Raises the given faults for the first requests to a path."""

    def __init__(self, inner: httpx.BaseTransport, path: str, faults: list[Exception]) -> None:
        self.inner, self.path, self.faults = inner, path, faults

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == self.path and self.faults:
            raise self.faults.pop(0)
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]
)
def test_a_connection_that_opens_late_carries_the_request_once(
    operation: Operation,
    server: Server,
    clock: Clock,
    tls: ssl.SSLContext,
    fault: type[Exception],
) -> None:
    server.on("POST", operation.path, json_reply(operation.good))
    network = Flaky(SystemProxies(tls), operation.path, [fault("a"), fault("b")])
    with NexthinkClient(FakeTenant(server.url, server.url), network, clock, clock.sleep) as client:
        operation.call(client)
    assert len(server.requests(operation.path)) == 1
    assert len(clock.sleeps) == 2


@pytest.mark.parametrize(
    ("operation", "fault"),
    crossed(
        OPERATIONS,
        [
            httpx.ReadTimeout,
            httpx.WriteTimeout,
            httpx.ReadError,
            httpx.WriteError,
            httpx.CloseError,
            httpx.RemoteProtocolError,
            httpx.LocalProtocolError,
            httpx.DecodingError,
        ],
    ),
    indirect=["operation"],
)
def test_a_fault_with_an_open_connection_is_of_unknown_outcome(
    operation: Operation,
    server: Server,
    clock: Clock,
    tls: ssl.SSLContext,
    fault: type[Exception],
) -> None:
    network = Flaky(SystemProxies(tls), operation.path, [fault("MARK")])
    with NexthinkClient(FakeTenant(server.url, server.url), network, clock, clock.sleep) as client:
        error = ends(operation, client, server, json_reply(operation.good), sent=0)
    assert type(error) is UnknownOutcomeError
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reply(401), CredentialRefusedError),
        (Reply(500), NotSentError),
        (Reply(503, b"", {"retry-after": "86400"}), LimitReachedError),
        (Reply(429, b"", {"retry-after": "86400"}), LimitReachedError),
        (Reply(200, b"<html>"), NotSentError),
        (json_reply({"token_type": "mac"}), NotSentError),
        (Reply(reset=True), NotSentError),
    ],
)
def test_without_a_token_nothing_is_sent(
    operation: Operation,
    server: Server,
    client: NexthinkClient,
    answer: Reply,
    kind: type[PipelineError],
) -> None:
    server.on("POST", TOKEN_PATH, answer)
    assert type(ends(operation, client, server, sent=0)) is kind


def test_without_a_new_token_a_refused_one_is_not_done(
    operation: Operation, server: Server, client: NexthinkClient
) -> None:
    server.on("POST", TOKEN_PATH, token_reply(), Reply(500))
    assert type(ends(operation, client, server, Reply(401))) is NotSentError


def test_half_a_character_is_told_before_anything_is_sent(
    server: Server, client: NexthinkClient
) -> None:
    request = RemoteActionRequest("#a", [DEVICE], {"Name": "MARK-\ud800"})
    with pytest.raises(UsageError, match="half a character"):
        client.remote_actions.execute(request)
    assert server.seen == []
