"""The sandbox over TCP: the NQL API, validated with the vendor's own OpenAPI file."""

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from sandbox.options import Credential, SandboxOptions
from sandbox.server import running
from sandbox.tenant import Tenant
from tests import vendor

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
QUERIES = {
    "devices": "devices | list uid, name, configuration_tag, first_seen, operating_system.build,"
    " hardware.memory, boot.last_full_boot_duration",
    "by_name": "devices | where name == $name | list name, last_seen",
    "window": "execution.events during past 192h\n| where event.start_time >= $from"
    " and event.start_time <= $to\n| list event.start_time, device.name, user.ad.full_name,"
    " user.ad.job_title, cpu_time, incoming_traffic\n| sort event.start_time asc",
    "crashes": "execution.crashes during past 240h | list time, crash_on_start, binary.name",
    "nothing": "devices | where name = 'no such device' | list uid, name",
    "too_far": "execution.events during past 300h | list event.start_time",
    "broken": "devices\n| whre name = 1",
    "broken_type": "devices | where last_seen < 2026-01-01",
}
UNPRIVILEGED = Credential("enricher", "s3cret", frozenset({"enrichment"}))


class Client:
    """A plain HTTP client of one tenant; every NQL answer is validated."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.http = httpx.Client(
            base_url=tenant.api_url,
            trust_env=False,
            verify=False,  # noqa: S501 - the sandbox has no TLS, and certificates take long to read
        )
        self.login(tenant.client_id, tenant.client_secret)

    def login(self, client_id: str, client_secret: str) -> None:
        answer = self.http.post(
            f"{self.tenant.login_url}/oauth2/default/v1/token",
            auth=(client_id, client_secret),
            data={"grant_type": "client_credentials", "scope": "service:integration"},
        )
        self.http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        template = "/api/v1/nql/status/{exportId}" if "/status/" in path else path
        answer = self.http.request(method, path, **kwargs)
        vendor.judge("nql", method.lower(), template, answer)
        return answer

    def execute(
        self, version: int, query: str, *, headers: Any = None, **names: str
    ) -> httpx.Response:
        body = {"queryId": query, "parameters": names}
        return self.call("POST", f"/api/v{version}/nql/execute", json=body, headers=headers)

    def export(self, query: str, compression: str | None = None, **names: str) -> httpx.Response:
        body = {"queryId": query, "parameters": names, "compression": compression}
        started = self.call("POST", "/api/v1/nql/export", json=body)
        assert started.status_code == 200
        return self.finished(started.json()["exportId"])

    def finished(self, export_id: str) -> httpx.Response:
        for _ in range(500):
            answer = self.call("GET", f"/api/v1/nql/status/{export_id}")
            if answer.json()["status"] not in ("SUBMITTED", "IN_PROGRESS"):
                return answer
            time.sleep(0.02)
        raise AssertionError("the export did not finish")


@contextmanager
def client_of(tenant: Tenant) -> Iterator[Client]:
    client = Client(tenant)
    try:
        yield client
    finally:
        client.http.close()


@pytest.fixture(scope="module")
def specification() -> None:
    """Skip visibly if answers could not be validated."""
    if not vendor.is_here():
        pytest.skip(vendor.ABSENT)


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("queries")
    for name, text in QUERIES.items():
        (directory / f"{name}.nql").write_text(text, encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def client(specification: None, queries: Path) -> Iterator[Client]:  # noqa: ARG001 - it skips
    options = SandboxOptions(
        queries=queries,
        now=NOW,
        devices=300,
        time_zone="Europe/Zurich",
        execute_row_limit=50,
        credentials=(UNPRIVILEGED,),
    )
    with running(options) as tenant, client_of(tenant) as made:
        yield made


def test_execute_v1_answers_with_headers_and_rows_of_scalars(client: Client) -> None:
    answer = client.execute(1, "#devices").json()
    truth = client.tenant.frame("#devices")
    assert answer["headers"] == truth.columns
    assert answer["rows"] == len(answer["data"]) == 50
    assert [row[0] for row in answer["data"]] == truth["device.uid"][:50].to_list()
    assert answer["executionDateTime"]["hour"] == 13


def test_execute_v2_answers_with_one_object_per_row_and_json_types(client: Client) -> None:
    answer = client.execute(2, "#devices").json()
    row = answer["data"][0]
    assert isinstance(row["device.hardware.memory"], int)
    assert isinstance(row["device.boot.last_full_boot_duration"], float)
    assert row["device.operating_system.build"].startswith("[")
    assert any(r["device.configuration_tag"] is None for r in answer["data"])
    assert answer["executionDateTime"].startswith("2026-11-20T13:0")


def test_utc_times_are_given_when_asked_for(client: Client) -> None:
    plain = client.execute(2, "#devices").json()
    utc = client.execute(2, "#devices", headers={"x-utc-times": "true"}).json()
    local, zulu = (a["data"][0]["device.first_seen"] for a in (plain, utc))
    assert datetime.fromisoformat(local) != datetime.fromisoformat(zulu)
    assert utc["executionDateTime"].startswith("2026-11-20T12:0")


def test_execute_gives_csv_when_that_is_accepted(client: Client) -> None:
    answer = client.execute(1, "#devices", headers={"accept": "text/csv"})
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == client.tenant.frame("#devices").columns
    assert len(rows) == 51


def test_any_other_accept_header_is_406(client: Client) -> None:
    assert client.execute(2, "#devices", headers={"accept": "text/html"}).status_code == 406


def test_parameters_are_put_into_the_executed_query(client: Client) -> None:
    name = client.tenant.frame("#devices")["device.name"][3]
    answer = client.execute(2, "#by_name", name=name.lower()).json()
    assert f'name == "{name.lower()}"' in answer["executedQuery"]
    assert {row["device.name"] for row in answer["data"]} == {name}


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"queryId": "devices"}',
        b'{"queryId": "#Devices"}',
        b'{"queryId": "#devices", "parameters": {"a": 1}}',
        b'{"queryId": "#by_name"}',
        b'{"queryId": "#no_such_query"}',
    ],
)
@pytest.mark.parametrize("path", ["/api/v2/nql/execute", "/api/v1/nql/export"])
def test_a_malformed_request_is_404_with_a_numeric_code(
    client: Client, path: str, body: bytes
) -> None:
    answer = client.call("POST", path, content=body)
    assert answer.status_code == 404
    assert isinstance(answer.json()["code"], int)
    assert (answer.json()["code"] == 100) == (b"no_such_query" in body)


def test_an_unknown_compression_is_malformed(client: Client) -> None:
    body = {"queryId": "#devices", "compression": "BROTLI"}
    assert client.call("POST", "/api/v1/nql/export", json=body).status_code == 404


@pytest.mark.parametrize("query", ["#broken", "#broken_type", "#too_far"])
def test_a_query_that_cannot_run_fails_the_export_and_the_execution(
    client: Client, query: str
) -> None:
    answer = client.export(query)
    assert (answer.status_code, answer.json()["status"]) == (200, "ERROR")
    assert answer.json()["resultsFileUrl"] is None
    assert answer.json()["errorDescription"]
    assert client.execute(1, query).status_code == 404


def test_an_export_returns_what_the_tenant_knows(client: Client) -> None:
    window = {"from": "2026-11-18 09:00:00", "to": "2026-11-18 12:00:00"}
    answer = client.export("#window", **window).json()
    url = answer["resultsFileUrl"]
    assert httpx.URL(url).path.endswith(".csv")
    truth = client.tenant.frame("#window", window)
    got = pl.read_csv(httpx.get(url).content, infer_schema=False)
    assert got.columns == truth.columns
    local = pl.col("execution.event.start_time").dt.convert_time_zone("Europe/Zurich")
    texts = truth.with_columns(local.dt.to_string("%Y-%m-%d %H:%M:%S")).cast(pl.String)
    assert truth.height > 1000
    assert got.equals(texts)
    starts = got["execution.event.start_time"]
    assert (starts.min(), starts.max()) == tuple(window.values())


@pytest.mark.parametrize("parameters", [True, False])
def test_export_can_be_asked_for_by_get(client: Client, parameters: bool) -> None:
    named = {"name": "*"}
    query = {"parameters": json.dumps(named)} if parameters else named
    answer = client.call("GET", "/api/v1/nql/export", params={"queryId": "#by_name"} | query)
    assert client.finished(answer.json()["exportId"]).json()["status"] == "COMPLETED"


def test_an_export_without_rows_has_its_header_alone(client: Client) -> None:
    answer = client.export("#nothing").json()
    assert httpx.get(answer["resultsFileUrl"]).content == b"device.uid,device.name\n"


def test_an_unknown_export_is_404(client: Client) -> None:
    assert client.call("GET", "/api/v1/nql/status/nonsense").status_code == 404


@pytest.mark.usefixtures("specification")
def test_results_beyond_the_licence_are_cut_and_answered_with_206(queries: Path) -> None:
    options = SandboxOptions(queries=queries, now=NOW, devices=50, row_limit=7)
    with running(options) as tenant, client_of(tenant) as client:
        answer = client.export("#devices")
        assert (answer.status_code, answer.json()["status"]) == (206, "COMPLETED")
        assert len(httpx.get(answer.json()["resultsFileUrl"]).text.splitlines()) == 8
        exact = client.export("#nothing")
        assert exact.status_code == 200


@pytest.mark.usefixtures("specification")
def test_an_export_takes_the_time_it_was_told_to_take(queries: Path) -> None:
    options = SandboxOptions(queries=queries, now=NOW, devices=5, export_time=0.6)
    with running(options) as tenant, client_of(tenant) as client:
        body = {"queryId": "#devices"}
        export_id = client.call("POST", "/api/v1/nql/export", json=body).json()["exportId"]
        seen: list[str] = []
        while not seen or seen[-1] != "COMPLETED":
            seen.append(client.call("GET", f"/api/v1/nql/status/{export_id}").json()["status"])
            time.sleep(0.05)
        assert list(dict.fromkeys(seen)) == ["SUBMITTED", "IN_PROGRESS", "COMPLETED"]


def test_a_credential_without_the_permission_gets_403(client: Client) -> None:
    with client_of(client.tenant) as other:
        other.login(UNPRIVILEGED.client_id, UNPRIVILEGED.client_secret)
        assert other.execute(1, "#devices").status_code == 403
        body = {"queryId": "#devices"}
        assert other.call("POST", "/api/v1/nql/export", json=body).status_code == 403
        assert other.call("GET", "/api/v1/nql/status/x").json()["source"] == "nql"


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic abc"])
def test_without_a_good_token_the_answer_is_an_empty_401(client: Client, header: str) -> None:
    answer = client.call(
        "POST",
        "/api/v2/nql/execute",
        json={"queryId": "#devices"},
        headers={"authorization": header},
    )
    assert (answer.status_code, answer.content) == (401, b"")


def test_a_saved_query_can_be_changed_while_the_tenant_runs(client: Client, queries: Path) -> None:
    path = queries / "changing.nql"
    path.write_text("devices | list name | limit 1")
    assert client.execute(2, "#changing").json()["rows"] == 1
    path.write_text("devices | list name | limit 12")
    assert client.execute(2, "#changing").json()["rows"] == 12
