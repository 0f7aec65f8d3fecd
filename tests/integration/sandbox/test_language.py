"""The language over TCP: computed and nested values arrive as CSV and as JSON."""

import csv
import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from sandbox.options import SandboxOptions
from sandbox.server import running
from sandbox.tenant import Tenant

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
QUERIES = {
    "crashing": (
        "devices | include execution.crashes during past 7d | where binary.name = $binary"
        " | compute crashes = number_of_crashes.sum(), ratio = count() / 7, kinds = binary.count()"
        " | list device.name, crashes, ratio, kinds, device.disks, #cost_center, collector.local_ip"
    ),
    "by_day": (
        "execution.crashes during past 48h | summarize c = count() by 1d | sort start_time asc"
    ),
    "no_field": "devices\n| include execution.crashes\n| compute x = nothing.avg()",
    "misspelt": "devices | includes execution.crashes",
}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    folder = tmp_path_factory.mktemp("queries")
    for name, text in QUERIES.items():
        (folder / f"{name}.nql").write_text(text, encoding="utf-8")
    options = SandboxOptions(queries=folder, now=NOW, devices=120, time_zone="Europe/Zurich")
    with running(options) as made:
        yield made


@pytest.fixture(scope="module")
def http(tenant: Tenant) -> Iterator[httpx.Client]:
    token = httpx.post(
        f"{tenant.login_url}/oauth2/default/v1/token",
        auth=(tenant.client_id, tenant.client_secret),
        data={"grant_type": "client_credentials", "scope": "service:integration"},
    ).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=tenant.api_url, headers=headers) as client:
        yield client


def exported(http: httpx.Client, query_id: str, **parameters: str) -> list[list[str]]:
    body = {"queryId": query_id, "parameters": parameters, "compression": "NONE"}
    started = http.post("/api/v1/nql/export", json=body).json()["exportId"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = http.get(f"/api/v1/nql/status/{started}").json()
        if status["status"] == "COMPLETED":
            text = httpx.get(status["resultsFileUrl"]).text
            return list(csv.reader(io.StringIO(text, newline="")))
        assert status["status"] != "ERROR", status
        time.sleep(0.02)
    raise AssertionError("the export did not finish")


def test_what_is_computed_is_exported_beside_arrays_and_custom_fields(
    tenant: Tenant, http: httpx.Client
) -> None:
    header, *rows = exported(http, "#crashing", binary="OUTLOOK.EXE")
    assert header == [
        "device.name",
        "crashes",
        "ratio",
        "kinds",
        "device.disks",
        "device.#cost_center",
        "device.collector.local_ip",
    ]
    truth = tenant.frame("#crashing", {"binary": "outlook.exe"})
    assert [row[0] for row in rows] == truth["device.name"].to_list()
    assert [row[1] for row in rows] == ["" if n is None else str(n) for n in truth["crashes"]]
    assert any(int(row[3]) for row in rows)
    assert all(row[4].startswith("[") and row[4].endswith("]") for row in rows)
    assert {row[5] for row in rows} == {""}
    assert all(row[6].startswith("::ffff:10.") for row in rows)


def test_groups_of_time_are_written_in_the_zone_of_the_tenant(http: httpx.Client) -> None:
    header, *rows = exported(http, "#by_day")
    assert header == ["start_time", "end_time", "bucket_duration", "c"]
    assert [row[:3] for row in rows][1] == ["2026-11-19 00:00:00", "2026-11-20 00:00:00", "86400"]


def test_execute_gives_the_same_as_json(http: httpx.Client) -> None:
    body = {"queryId": "#crashing", "parameters": {"binary": "outlook.exe"}}
    answer = http.post("/api/v2/nql/execute", json=body).json()
    assert 'binary.name = "outlook.exe"' in answer["executedQuery"]
    assert {type(row["kinds"]) for row in answer["data"]} == {int}
    assert any(row["crashes"] is None for row in answer["data"])


@pytest.mark.parametrize(
    ("query", "place"), [("#no_field", "line 3, column 15"), ("#misspelt", "line 1, column 11")]
)
def test_a_mistake_is_answered_with_its_place(http: httpx.Client, query: str, place: str) -> None:
    answer = http.post("/api/v2/nql/execute", json={"queryId": query})
    assert answer.status_code == 404
    assert place in answer.json()["message"]


def test_a_malformed_request_answers_as_a_switch_says(tmp_path: Path) -> None:
    (tmp_path / "misspelt.nql").write_text(QUERIES["misspelt"], encoding="utf-8")
    with running(SandboxOptions(queries=tmp_path, devices=5, malformed_status=400)) as made:
        token = httpx.post(
            f"{made.login_url}/oauth2/default/v1/token",
            auth=(made.client_id, made.client_secret),
            data={"grant_type": "client_credentials", "scope": "service:integration"},
        ).json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        with httpx.Client(base_url=made.api_url, headers=headers) as client:
            for query_id, status in (("#misspelt", 400), ("no id", 400), ("#missing", 404)):
                answer = client.post("/api/v2/nql/execute", json={"queryId": query_id})
                assert answer.status_code == status
