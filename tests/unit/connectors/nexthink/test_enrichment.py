"""The enrichment call: what each answer means, what is sent again, and that no value leaks."""

import logging
from json import dumps
from typing import Any

import pytest

from connectors.errors import (
    AccessError,
    DataRefusedError,
    LimitReachedError,
    PipelineError,
    UnavailableError,
)
from connectors.http.policy import MAX_ATTEMPTS
from connectors.nexthink import EnrichmentAnswer, Taken
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.enrichment import fields_named
from tests.unit.connectors.servers import TOKEN_PATH, Clock, Reply, Server, json_reply, token_reply

PATH = "/api/v1/enrichment/data/fields"
UPN = "user/user/upn"
PERSON = "MARK-jane@example.com"
BODY = dumps(
    {
        "enrichments": [
            {
                "identification": [{"name": UPN, "value": PERSON}],
                "fields": [{"name": "user/user/ad/city", "value": "MARK-Bern"}],
            }
        ],
        "domain": "hr",
    }
).encode()
OK = json_reply({"status": "success"})


def refused(value: Any = PERSON, code: Any = "ENRICH_011", name: Any = UPN) -> dict[str, Any]:
    return {
        "identification": [{"name": name, "value": value}],
        "errors": [{"message": f"{PERSON} has a bad user/user/ad/city", "code": code}],
    }


def push(server: Server, client: NexthinkClient, *script: Any) -> EnrichmentAnswer:
    server.on("POST", PATH, *script)
    return client.enrichment.push(BODY)


def test_the_body_is_sent_as_it_is(server: Server, client: NexthinkClient) -> None:
    assert push(server, client, OK) == EnrichmentAnswer(Taken.ALL)
    (sent,) = server.requests(PATH)
    assert (sent.body, sent.headers["content-type"]) == (BODY, "application/json")
    assert sent.headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    "body", [{}, {"status": "success", "errors": []}, {"status": "success", "more": 1}]
)
def test_a_200_without_errors_is_all(
    server: Server, client: NexthinkClient, body: dict[str, Any]
) -> None:
    assert push(server, client, json_reply(body)).taken is Taken.ALL


@pytest.mark.parametrize(
    ("status", "word", "taken"),
    [
        (200, "success", Taken.SOME),
        (207, "partial_success", Taken.SOME),
        (400, "error", Taken.NOTHING),
    ],
)
def test_errors_name_their_objects_whatever_the_status(
    server: Server, client: NexthinkClient, status: int, word: str, taken: Taken
) -> None:
    answer = push(server, client, json_reply({"status": word, "errors": [refused()]}, status))
    (error,) = answer.errors
    assert answer.taken is taken
    assert (error.name, error.value, error.code, answer.unread) == (UPN, PERSON, "ENRICH_011", 0)


@pytest.mark.parametrize(
    "entry",
    [None, "text", {}, {"identification": []}, {"identification": [{"name": UPN}]}, refused(7)],
)
def test_an_error_that_names_no_object_is_counted(
    server: Server, client: NexthinkClient, entry: Any
) -> None:
    body = {"status": "partial_success", "errors": [refused(), entry]}
    answer = push(server, client, json_reply(body, 207))
    assert (len(answer.errors), answer.unread) == (1, 1)


@pytest.mark.parametrize("body", [{"status": "partial_success"}, {"status": "error"}])
def test_a_200_that_is_not_all_is_not_taken_for_it(
    server: Server, client: NexthinkClient, body: Any
) -> None:
    assert push(server, client, json_reply(body)) == EnrichmentAnswer(Taken.SOME)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (json_reply({"message": f"no {PERSON}", "code": "ENRICH_042"}, 400), "ENRICH_042"),
        (json_reply({"message": "no", "code": 42}, 400), "42"),
        (json_reply({"message": "no", "code": PERSON}, 400), "HTTP_400"),
        (json_reply([1], 400), "HTTP_400"),
        (Reply(400, b"<html>"), "HTTP_400"),
        (Reply(413, b"<html>"), "HTTP_413"),
    ],
)
def test_a_request_refused_as_a_whole_is_an_answer(
    server: Server, client: NexthinkClient, reply: Reply, code: str
) -> None:
    answer = push(server, client, reply)
    assert (answer.taken, answer.code, answer.errors) == (Taken.NOTHING, code, ())
    assert len(server.requests(PATH)) == 1


def test_a_refused_token_is_renewed_once(server: Server, client: NexthinkClient) -> None:
    server.on("POST", TOKEN_PATH, token_reply("first"), token_reply("second"))
    assert push(server, client, Reply(401), OK).taken is Taken.ALL
    tokens = [sent.headers["authorization"] for sent in server.requests(PATH)]
    assert tokens == ["Bearer first", "Bearer second"]
    assert [sent.body for sent in server.requests(PATH)] == [BODY, BODY]


@pytest.mark.parametrize(
    ("reply", "kind", "sendings"),
    [
        (Reply(401), AccessError, 2),
        (json_reply({"message": f"{PERSON} may not"}, 403), AccessError, 1),
        (json_reply({"message": PERSON, "code": 7}, 404), DataRefusedError, 1),
        (Reply(200, b"<html>MARK</html>"), UnavailableError, 1),
        (Reply(200, b""), UnavailableError, 1),
        (json_reply([PERSON], 207), DataRefusedError, 1),
        (Reply(204), UnavailableError, 1),
        (Reply(500, b"MARK"), UnavailableError, MAX_ATTEMPTS),
        (Reply(503, b"MARK"), UnavailableError, MAX_ATTEMPTS),
        (Reply(429, b"MARK"), LimitReachedError, MAX_ATTEMPTS),
        (Reply(429, b"", {"retry-after": "3600"}), LimitReachedError, 1),
        (Reply(reset=True), UnavailableError, MAX_ATTEMPTS),
    ],
)
def test_what_is_no_answer_is_an_error_that_quotes_nothing(
    server: Server,
    client: NexthinkClient,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
    kind: type[PipelineError],
    sendings: int,
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(kind) as caught:
        push(server, client, reply)
    assert len(server.requests(PATH)) == sendings
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    for text in (str(caught.value), repr(caught.value), caplog.text):
        assert "MARK" not in text


@pytest.mark.parametrize(
    "fault",
    [
        *(Reply(status) for status in (429, 500, 502, 503, 504)),
        Reply(reset=True),
        Reply(200, OK.body, cut=5),
        Reply(200, OK.body, cut=5, reset=True),
    ],
)
def test_passing_faults_are_tried_again(
    server: Server, client: NexthinkClient, clock: Clock, fault: Reply
) -> None:
    assert push(server, client, fault, fault, OK).taken is Taken.ALL
    assert len(server.requests(PATH)) == 3
    assert len(clock.sleeps) == 2


def test_the_wait_that_is_asked_for_is_kept(
    server: Server, client: NexthinkClient, clock: Clock
) -> None:
    push(server, client, Reply(429, b"", {"retry-after": "120"}), OK)
    assert clock.sleeps == [120.0]


def test_no_value_is_logged_or_shown(
    server: Server, client: NexthinkClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"status": "partial_success", "errors": [refused(), refused(code=PERSON)]}
    answer = push(server, client, Reply(503), json_reply(body, 207))
    assert [error.code for error in answer.errors] == ["ENRICH_011", "unspecified"]
    assert "MARK" not in caplog.text + repr(answer)


def test_of_a_message_only_the_fields_are_told() -> None:
    message = (
        "jane@example.com: user/user/ad/city and device/device/#cost_center, user/user/ad/city"
    )
    assert fields_named(message) == ("user/user/ad/city", "device/device/#cost_center")
