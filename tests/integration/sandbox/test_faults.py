"""Faults as a client sees them, over TCP."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from sandbox.options import SandboxOptions
from sandbox.server import running
from tests.acting import Client, enrichment

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
EXECUTE = "/api/v2/nql/execute"
RESTART = {
    "remoteActionId": "#restart_service",
    "devices": ["one"],
    "params": {"ServiceName": "Spooler"},
}


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    (tmp_path / "devices.nql").write_text("devices | list uid, name")
    return tmp_path


@pytest.fixture
def client(queries: Path) -> Iterator[Client]:
    options = SandboxOptions(queries=queries, now=NOW, devices=200)
    with running(options) as tenant, Client(tenant) as made:
        yield made


def download_url(client: Client) -> str:
    status = client.get(f"/api/v1/nql/status/{client.export('#devices')}")
    url: str = status.json()["resultsFileUrl"]
    return url


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_refusals_wear_the_form_of_their_api(client: Client, status: int) -> None:
    client.tenant.faults.add(*(f"{status}@{route}" for route in ("execute", "enrich", "act")))
    bodies = []
    for path in (EXECUTE, "/api/v1/act/execute", "/api/v1/workflows/execute"):
        answer = client.post(path, {})
        assert answer.status_code == status
        bodies.append(set(answer.json()) if answer.content else set())
    if status in (403, 404, 500):
        assert bodies == [{"message", "code", "source"}, {"code", "message"}, {"code", "details"}]
    assert client.enrich(enrichment("device/device/name", "x")).status_code == status


def test_login_and_results_store_refuse_in_their_own_way(client: Client) -> None:
    url = download_url(client)
    client.tenant.faults.add("503@download:1", "500@token:1")
    refused = httpx.get(url)
    assert (refused.status_code, "<Code>SlowDown</Code>" in refused.text) == (503, True)
    refused = httpx.post(f"{client.tenant.login_url}/oauth2/default/v1/token")
    assert (refused.status_code, refused.json()["error"]) == (500, "server_error")
    assert httpx.get(url).status_code == 200


def test_retry_after_comes_in_three_forms(client: Client) -> None:
    def retry_after(form: str) -> str:
        client.tenant.faults.add(f"429-{form}@status:1")
        answer = client.get("/api/v1/nql/status/any")
        assert answer.status_code == 429
        value: str = answer.headers["retry-after"]
        return value

    assert retry_after("seconds") == "1"
    client.tenant.faults.retry_after = 90.0
    assert retry_after("seconds") == "90"
    moments = (
        parsedate_to_datetime(retry_after("date")),
        datetime.fromisoformat(retry_after("iso")),
    )
    for moment in moments:
        wait = moment - client.tenant.clock.now()
        assert timedelta(seconds=85) < wait < timedelta(seconds=91)


def test_a_reset_comes_before_anything_is_done(client: Client) -> None:
    client.tenant.faults.add("reset@act:1")
    with pytest.raises(httpx.ReadError):
        client.post("/api/v1/act/execute", RESTART)
    assert client.tenant.actions.requests == []
    assert client.post("/api/v1/act/execute", RESTART).status_code == 200


def test_a_cut_breaks_a_file_off_in_the_middle_and_the_rest_can_be_had(client: Client) -> None:
    url = download_url(client)
    whole = httpx.get(url).content
    client.tenant.faults.add("cut@download:1")
    chunks: list[bytes] = []
    with httpx.stream("GET", url) as answer:
        assert int(answer.headers["content-length"]) == len(whole)
        with pytest.raises(httpx.RemoteProtocolError):
            chunks.extend(answer.iter_raw())
    got = b"".join(chunks)
    assert got == whole[: len(whole) // 2]
    rest = httpx.get(url, headers={"range": f"bytes={len(got)}-"})
    assert got + rest.content == whole


def test_a_cut_answer_announces_more_than_it_gives(client: Client) -> None:
    client.tenant.faults.add("cut@execute:1", "cut@list:1")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(EXECUTE, {"queryId": "#devices"})
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/api/v1/act/remote-action")


def test_a_cut_answer_without_body_is_an_incomplete_one_too(client: Client) -> None:
    client.tenant.faults.add("cut@execute:1")
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(EXECUTE, {}, headers={"authorization": "Bearer none"})


def test_timeout_after_has_its_effect_and_no_answer(client: Client) -> None:
    tenant = client.tenant
    tenant.faults.add("timeout-after@act:1", "timeout-after@export:1", "timeout-after@enrich:1")
    device = client.devices()[0]["device.uid"]
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/api/v1/act/execute", RESTART)
    assert [request.nql_id for request in tenant.actions.requests] == ["#restart_service"]
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/api/v1/nql/export", {"queryId": "#devices"})
    assert len(tenant.exports._exports) == 1
    with pytest.raises(httpx.RemoteProtocolError):
        client.enrich(enrichment("device/device/uid", device, {"device/device/#asset_owner": "a"}))
    assert tenant.enrichment.values("device", "#asset_owner") == {device: "a"}


def test_timeout_after_can_take_its_time(client: Client) -> None:
    client.tenant.faults.add("timeout-after@act:1")
    client.tenant.faults.delay = 0.3
    started = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        client.post("/api/v1/act/execute", RESTART, timeout=0.1)
    assert time.monotonic() - started < 0.3


def test_faults_may_be_options_and_other_connections_live_on(queries: Path) -> None:
    options = SandboxOptions(queries=queries, now=NOW, devices=5, faults=("reset@execute:1",))
    with running(options) as tenant, Client(tenant) as one, Client(tenant) as other:
        assert other.get("/api/v1/act/remote-action").status_code == 200
        with pytest.raises(httpx.ReadError):
            one.post(EXECUTE, {"queryId": "#devices"})
        assert other.post(EXECUTE, {"queryId": "#devices"}).status_code == 200
        assert tenant.faults.struck == {"reset@execute:1": 1}


def test_daily_limits_count_24_hours_and_say_when_the_next_request_is_taken(queries: Path) -> None:
    options = SandboxOptions(
        queries=queries,
        now=NOW,
        devices=20,
        token_ttl=1e6,
        daily_exports=2,
        daily_executes=1,
        daily_calls=9,
    )
    with running(options) as tenant, Client(tenant) as client:
        export, query = "/api/v1/nql/export", {"queryId": "#devices"}
        # What starts nothing takes no export, but it is a call; one without a token is neither.
        assert client.post(export, {"queryId": "#nothing"}).status_code == 404
        assert httpx.post(f"{tenant.api_url}{export}", json=query).status_code == 401
        assert client.post(export, query).status_code == 200
        tenant.clock.advance(timedelta(hours=20))
        assert client.post(export, query).status_code == 200
        refused = client.post(export, query)
        assert refused.status_code == 429
        free_at = parsedate_to_datetime(refused.headers["retry-after"])
        assert timedelta(0) <= free_at - (NOW + timedelta(hours=24)) < timedelta(seconds=10)
        # Each kind has its own limit, and what was refused was not counted.
        assert client.post(EXECUTE, query).status_code == 200
        assert client.post(EXECUTE, query).status_code == 429
        tenant.clock.advance(free_at - tenant.clock.now())
        assert client.post(export, query).status_code == 200
        assert client.post(export, query).status_code == 429
        assert [tenant.quotas.taken(kind) for kind in ("export", "execute", "calls")] == [2, 1, 3]
        for _ in range(6):
            assert client.get("/api/v1/nql/status/any").status_code == 404
        assert client.get("/api/v1/nql/status/any").status_code == 429
        assert client.get("/api/v1/act/remote-action").status_code == 429
