"""No secrets and no people's data in errors, their causes, or any library's log lines."""

import logging
import ssl
import traceback
from pathlib import Path

import httpx
import pytest

from connectors.errors import PipelineError
from connectors.http.proxies import SystemProxies
from connectors.http.redact import redacted_path, redacted_url, request_id
from connectors.nexthink.client import NexthinkClient
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Seen,
    Server,
    Storage,
    json_reply,
)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://h/api/v1/nql/status/e-1?sig=MARK", "/api/v1/nql/status/e-1"),
        ("https://u:MARK@h:1/a/b#MARK", "/a/b"),
        ("https://h/users/MARK@corp.test/x", "/users/.../x"),
        ("https://h/" + "MARK" * 30, "/..."),
        ("https://h/a%2FMARK%20b/c", "/a/.../c"),
        ("https://h", "/"),
    ],
)
def test_a_path_is_told_without_what_may_be_secret(url: str, path: str) -> None:
    assert redacted_path(httpx.URL(url)) == path
    assert redacted_url(httpx.URL(url)).endswith(path)
    assert "MARK" not in redacted_url(httpx.URL(url))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "a-1", "x-trace-id": "b"}, "a-1"),
        ({"x-trace-id": "b"}, "b"),
        ({"x-amz-request-id": "C/+="}, "C/+="),
        ({"x-request-id": "Jane Doe", "x-trace-id": "b"}, "b"),
        ({"x-request-id": "x" * 129}, None),
        ({}, None),
    ],
)
def test_a_request_id_is_told_if_it_looks_like_one(
    headers: dict[str, str], expected: str | None
) -> None:
    assert request_id(httpx.Headers(headers)) == expected


def echo(seen: Seen) -> Reply:
    """Answer with everything that must stay hidden, and fail."""
    return Reply(400, b"MARK-body " + seen.body, {"x-request-id": "MARK header"})


def signed_redirect(_: Seen) -> Reply:
    return Reply(307, headers={"location": "/file?X-Amz-Signature=MARK-signature&n=2"})


FAULTS = [
    echo,
    signed_redirect,
    Reply(reset=True),
    Reply(500, b"MARK-body"),
    Reply(200, b"MARK-body"),
    Reply(200, b'{"status": "MARK-body"}'),
    Reply(200, b'{"a": 1}', {"content-encoding": "gzip"}),
    Reply(302, headers={"location": "http://127.0.0.1:MARK/"}),
    json_reply({"status": "COMPLETED", "resultsFileUrl": "http://MARK:MARK/x"}),
    json_reply({"status": "COMPLETED", "resultsFileUrl": "http://127.0.0.1:1/MARK@x?MARK"}),
    json_reply({"status": "ERROR", "errorDescription": "MARK-body"}),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_no_secret_is_told_whatever_fails(
    server: Server,
    clock: Clock,
    tls: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    fault: Reply,
) -> None:
    caplog.set_level(logging.DEBUG)
    status, file = "/api/v1/nql/status/e1", "/file"
    signed = f"{server.url}/file?X-Amz-Signature=MARK-signature"
    parameters = {"user": "MARK-person"}
    told: list[str] = []
    for broken in (TOKEN_PATH, "/api/v2/nql/execute", "/api/v1/nql/export", status, file):
        server.on("GET", status, json_reply({"status": "COMPLETED", "resultsFileUrl": signed}))
        server.on("GET", file, Storage(b"a\nMARK-body\n", cuts=[3]))
        server.on("POST" if "nql/e" in broken or broken == TOKEN_PATH else "GET", broken, fault)
        tenant = FakeTenant(server.url, server.url)
        with NexthinkClient(tenant, SystemProxies(tls), clock, clock.sleep) as client:
            for call in (
                lambda: client.nql.execute("#devices", parameters),
                lambda: client.nql.execute_csv("#devices", parameters),
                lambda: client.nql.start_export("#devices", parameters),
                lambda: client.nql.download("e1", tmp_path / "x.csv"),
            ):
                try:
                    told.append(repr(call()))
                except PipelineError as error:
                    told.append("".join(traceback.format_exception(error)) + repr(error))
        server.on(
            "POST",
            TOKEN_PATH,
            json_reply({"token_type": "bearer", "expires_in": 900, "access_token": "MARK-token"}),
        )
    told += [record.getMessage() for record in caplog.records]
    assert any(record.name == "httpx" for record in caplog.records)
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert not [text for text in told if "MARK" in text]
