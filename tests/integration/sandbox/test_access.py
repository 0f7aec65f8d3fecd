"""The sandbox over TCP: tokens, the results store, and the process itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from sandbox.options import SandboxOptions
from sandbox.server import running
from sandbox.tenant import Tenant

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GRANT = {"grant_type": "client_credentials", "scope": "service:integration"}


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    (tmp_path / "devices.nql").write_text("devices | list uid, name")
    return tmp_path


@pytest.fixture
def tenant(queries: Path) -> Iterator[Tenant]:
    with running(SandboxOptions(queries=queries, now=NOW, devices=200)) as served:
        yield served


def ask_token(tenant: Tenant, **changed: object) -> httpx.Response:
    call = {"auth": (tenant.client_id, tenant.client_secret), "data": GRANT} | changed
    return httpx.post(f"{tenant.login_url}/oauth2/default/v1/token", **call)  # type: ignore[arg-type]


def bearer(tenant: Tenant) -> dict[str, str]:
    return {"authorization": f"Bearer {ask_token(tenant).json()['access_token']}"}


def results_url(tenant: Tenant, headers: dict[str, str] | None = None) -> str:
    headers = headers or bearer(tenant)
    body = {"queryId": "#devices", "compression": "GZIP"}
    export = httpx.post(f"{tenant.api_url}/api/v1/nql/export", json=body, headers=headers)
    return poll(tenant, export.json()["exportId"], headers)


def poll(tenant: Tenant, export_id: str, headers: dict[str, str]) -> str:
    address = f"{tenant.api_url}/api/v1/nql/status/{export_id}"
    for _ in range(200):
        if url := httpx.get(address, headers=headers).json()["resultsFileUrl"]:
            return str(url)
        time.sleep(0.02)
    raise AssertionError("the export did not finish")


def test_a_token_has_the_documented_shape_and_opens_the_api(tenant: Tenant) -> None:
    answer = ask_token(tenant).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 900)
    assert answer["scope"] == "service:integration"
    assert answer["access_token"].count(".") == 2
    assert results_url(tenant)
    assert tenant.requests["token"] == 2


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"auth": ("sandbox", "wrong")}, 401, "invalid_client"),
        ({"auth": None}, 401, "invalid_client"),
        ({"data": {}, "params": GRANT}, 400, "invalid_request"),
        ({"data": None, "json": GRANT}, 400, "invalid_request"),
        ({"data": GRANT | {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"data": GRANT | {"scope": "openid"}}, 400, "invalid_scope"),
    ],
)
def test_a_wrong_token_request_is_told_what_is_wrong(
    tenant: Tenant, changed: dict[str, object], status: int, error: str
) -> None:
    answer = ask_token(tenant, **changed)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_older_token_endpoint_needs_no_body(tenant: Tenant) -> None:
    address = f"{tenant.api_url}/api/v1/token"
    answer = httpx.post(address, auth=(tenant.client_id, tenant.client_secret))
    assert answer.json()["access_token"]
    assert httpx.post(address).status_code == 401
    assert tenant.leaks == []


def test_a_token_ends_with_an_empty_401(queries: Path) -> None:
    with running(SandboxOptions(queries=queries, devices=5, token_ttl=0.5)) as tenant:
        headers, body = bearer(tenant), {"queryId": "#devices"}
        address = f"{tenant.api_url}/api/v2/nql/execute"
        assert httpx.post(address, json=body, headers=headers).status_code == 200
        time.sleep(0.6)
        answer = httpx.post(address, json=body, headers=headers)
        assert (answer.status_code, answer.content) == (401, b"")


def test_request_ids_are_echoed_or_made(tenant: Tenant) -> None:
    echoed = ask_token(tenant, headers={"x-request-id": "abc"})
    assert echoed.headers["x-request-id"] == "abc"
    assert len(ask_token(tenant).headers["x-request-id"]) == 36


def test_the_results_store_is_an_origin_of_its_own_and_refuses_a_bearer_token(
    tenant: Tenant,
) -> None:
    headers = bearer(tenant)
    url = results_url(tenant, headers)
    assert url.startswith(tenant.results_url)
    assert len({tenant.api_url, tenant.login_url, tenant.results_url}) == 3
    assert httpx.get(url).status_code == 200
    assert tenant.leaks == []
    answer = httpx.get(url, headers=headers)
    assert answer.status_code == 400
    assert "Only one auth mechanism allowed" in answer.text
    assert [(leak.origin, leak.what) for leak in tenant.leaks] == [
        ("results", "bearer authorization")
    ]


def test_every_poll_signs_a_fresh_address(tenant: Tenant) -> None:
    headers = bearer(tenant)
    first = results_url(tenant, headers)
    export_id = httpx.URL(first).path.split("/")[2]
    second = poll(tenant, export_id, headers)
    assert first != second
    assert httpx.get(first).content == httpx.get(second).content


def test_an_address_expires_and_a_changed_one_is_refused(queries: Path) -> None:
    with running(SandboxOptions(queries=queries, devices=5, url_ttl=0.5)) as tenant:
        url = results_url(tenant)
        assert httpx.get(url).status_code == 200
        time.sleep(0.6)
        expired = httpx.get(url)
        assert (expired.status_code, expired.headers["content-type"]) == (403, "application/xml")
        assert "<Code>AccessDenied</Code>" in expired.text
        assert "Request has expired" in expired.text
        longer = str(httpx.URL(url).copy_set_param("X-Amz-Expires", "90000"))
        assert "<Code>SignatureDoesNotMatch</Code>" in httpx.get(longer).text
        assert httpx.get(url.partition("?")[0]).status_code == 403


def test_parts_of_a_file_are_served_as_asked_for(tenant: Tenant) -> None:
    url = results_url(tenant)
    whole = httpx.get(url)
    size, etag = len(whole.content), whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"
    assert int(whole.headers["content-length"]) == size

    def part(value: str, **more: str) -> httpx.Response:
        return httpx.get(url, headers={"range": value} | more)

    some = part("bytes=10-19")
    assert (some.status_code, some.content) == (206, whole.content[10:20])
    assert some.headers["content-range"] == f"bytes 10-19/{size}"
    assert part("bytes=100-").content == whole.content[100:]
    assert part("bytes=-7").content == whole.content[-7:]
    assert part(f"bytes=5-{size + 50}").content == whole.content[5:]
    beyond = part(f"bytes={size}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert part("bytes=10-19", **{"if-range": etag}).status_code == 206
    assert part("bytes=10-19", **{"if-range": '"old"'}).status_code == 200
    assert httpx.get(url, headers={"if-none-match": etag}).status_code == 304
    # Signed for GET, so HEAD is refused, as in S3.
    assert httpx.head(url).status_code == 403


def test_files_are_gone_when_the_tenant_is(queries: Path) -> None:
    with running(SandboxOptions(queries=queries, devices=5)) as tenant:
        results_url(tenant)
        directory = Path(tenant.exports._directory.name)
        assert any(directory.iterdir())
    assert not directory.exists()


PROGRAM = """
import json, sys
from pathlib import Path
from sandbox.options import SandboxOptions
from sandbox.server import serve
serve(SandboxOptions(queries=Path(sys.argv[1]), devices=20),
      lambda tenant: print(json.dumps(tenant.describe()), flush=True))
"""


@contextmanager
def process(queries: Path) -> Iterator[subprocess.Popen[str]]:
    root = Path(__file__).resolve().parents[3]
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(queries)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_served_tenant_says_one_ready_line_and_stops_cleanly(
    queries: Path, number: signal.Signals
) -> None:
    with process(queries) as served:
        assert served.stdout is not None
        ready = json.loads(served.stdout.readline())
        answer = httpx.post(
            f"{ready['login_url']}/oauth2/default/v1/token",
            auth=(ready["client_id"], ready["client_secret"]),
            data=GRANT,
        )
        assert answer.status_code == 200
        os.kill(served.pid, number)
        out, logs = served.communicate(timeout=15)
        assert (served.returncode, out) == (0, "")
        assert "POST token 200" in logs
        assert ready["client_secret"] not in logs


def test_a_wrong_method_is_405_and_a_wrong_path_404(tenant: Tenant) -> None:
    wrong = httpx.get(f"{tenant.api_url}/api/v2/nql/execute")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert httpx.get(f"{tenant.api_url}/api/v9/nothing").status_code == 404
    assert tenant.requests["unknown"] == 2


def test_a_saved_query_that_is_no_text_is_as_good_as_none(
    tenant: Tenant, queries: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (queries / "devices.nql").write_bytes(b"\xff\xfe not text")
    address = f"{tenant.api_url}/api/v2/nql/execute"
    answer = httpx.post(address, json={"queryId": "#devices"}, headers=bearer(tenant))
    assert answer.status_code == 404
    assert "devices.nql" in caplog.text


def test_latency_is_added_to_every_answer(queries: Path) -> None:
    with running(SandboxOptions(queries=queries, devices=5, latency=0.2)) as tenant:
        started = time.monotonic()
        ask_token(tenant)
        assert time.monotonic() - started >= 0.2


def test_stopping_does_not_wait_for_an_export_under_way(queries: Path) -> None:
    (queries / "devices.nql").write_text("execution.events during past 720h | list device.uid")
    options = SandboxOptions(queries=queries, devices=20_000, days=30, reach_limit=None)
    with running(options) as tenant:
        body = {"queryId": "#devices"}
        address = f"{tenant.api_url}/api/v1/nql/export"
        assert httpx.post(address, json=body, headers=bearer(tenant)).status_code == 200
        time.sleep(0.2)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 5
