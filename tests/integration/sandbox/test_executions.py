"""From a request over TCP to its executions in an exported file, as a caller reads them back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.actions.options import ActingOptions
from sandbox.options import SandboxOptions
from sandbox.server import running
from tests.acting import Client

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
# Earlier than all requests; parameters are in the tenant's zone.
FROM = "2026-11-20 11:00:00"
UNKNOWN = "11111111-2222-3333-4444-555555555555"
ACT = "/api/v1/act/execute"
SURE = ActingOptions(
    execution_time=60,
    visibility_delay=5,
    offline_share=0,
    failure_share=0,
    answer_share=1,
    decline_share=0,
)
QUERIES = {
    "actions": """remote_action.executions during past 720h
        | where remote_action.nql_id == $nql_id and request_time >= $from
        | list request_id, device.collector.uid, status, status_details, outputs, time,
          trigger_method, reason, external_source, external_reference, remote_action.name""",
    "workflows": """workflow.executions during past 720h
        | where workflow.nql_id == $nql_id and request_time >= $from
        | list request_id, execution_id, device.collector.uid, user.sid, status, outcome,
          external_source""",
    "responses": """campaign.responses during past 720h
        | where campaign.nql_id == $nql_id and first_targeted >= $from
        | list request_id, user.sid, state, answers, first_targeted, time""",
    "disk": """remote_action.#get_disk_usage.executions during past 720h
        | where status == success | list device.collector.uid, outputs.FreeSpace""",
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    for name, text in QUERIES.items():
        (tmp_path / f"{name}.nql").write_text(text)
    return tmp_path


@pytest.fixture
def client(saved: Path) -> Iterator[Client]:
    # The clock is moved forward by days, and tokens age with it.
    options = SandboxOptions(queries=saved, now=NOW, devices=100, token_ttl=1_000_000, acting=SURE)
    with running(options) as tenant, Client(tenant) as made:
        yield made


def later(client: Client, **by: float) -> None:
    client.tenant.clock.advance(timedelta(**by))


def read(client: Client, query: str, nql_id: str) -> list[dict[str, str]]:
    """Return the rows with the last part of each column's name."""
    rows = client.exported(f"#{query}", **{"nql_id": nql_id, "from": FROM})
    return [{name.rpartition(".")[2]: value for name, value in row.items()} for row in rows]


def windows(client: Client) -> list[str]:
    query = "devices | where operating_system.platform == Windows | list collector.uid"
    prepared = client.tenant.engine.prepare(query, {}, client.tenant.clock.now())
    return [uid for piece in client.tenant.engine.rows(prepared) for uid in piece.to_series()]


def test_a_remote_action_is_read_back_by_its_request_id(client: Client) -> None:
    devices = windows(client)[:20]
    info = {"externalSource": "tests", "reason": "nxp:1 why", "externalReference": "INC-1"}
    body: dict[str, Any] = {"remoteActionId": "#get_disk_usage", "devices": [*devices, UNKNOWN]}
    request = client.post(ACT, {**body, "triggerInfo": info}).json()["requestId"]
    assert read(client, "actions", "#get_disk_usage") == []
    later(client, seconds=5)
    begun = read(client, "actions", "#get_disk_usage")
    assert len(begun) == len(devices)
    assert {row["status"] for row in begun} <= {"waiting_on_device", "in_progress", "success"}
    later(client, seconds=60)
    ended = read(client, "actions", "#get_disk_usage")
    assert {row["uid"] for row in ended} == set(devices)
    assert {row["request_id"] for row in ended} == {request}
    told = {(r["external_source"], r["reason"], r["external_reference"]) for r in ended}
    assert told == {("tests", "nxp:1 why", "INC-1")}
    assert {(row["status"], row["trigger_method"]) for row in ended} == {("success", "api")}
    outputs = {row["uid"]: json.loads(row["outputs"]) for row in ended}
    assert all(0 <= each["UsedShare"] <= 1 for each in outputs.values())
    # The action's own table shows the same.
    own = client.exported("#disk")
    assert {
        r["device.collector.uid"]: r["remote_action.execution.outputs.FreeSpace"] for r in own
    } == {uid: str(each["FreeSpace"]) for uid, each in outputs.items()}


def test_the_executions_of_a_workflow_bear_the_ids_that_were_answered(client: Client) -> None:
    devices = windows(client)[:5]
    body = {"workflowId": "#disk_space_relief", "devices": [*devices, UNKNOWN], "users": []}
    run = "/api/v1/workflows/execute"
    answer = client.post(run, body, headers={"source": "tests"}).json()
    assert len(answer["executionsUuids"]) == len(devices) + 1
    later(client, minutes=2)
    rows = read(client, "workflows", "#disk_space_relief")
    assert {row["execution_id"] for row in rows} == set(answer["executionsUuids"][:-1])
    assert {(row["request_id"], row["status"]) for row in rows} == {
        (answer["requestUuid"], "success")
    }
    assert {row["outcome"] for row in rows} <= {"action_taken", "no_action_taken"}
    assert {row["external_source"] for row in rows} == {"tests"}


def test_a_workflow_waits_until_an_event_comes(client: Client) -> None:
    sid = client.users()[0]["user.sid"]
    body = {"workflowId": "#access_approval", "devices": [], "users": [sid]}
    started = client.post("/api/v1/workflows/execute", body).json()
    later(client, days=1)
    assert [r["status"] for r in read(client, "workflows", "#access_approval")] == ["in_progress"]
    (workflow,) = client.get("/api/v1/workflows/details", nqlId="#access_approval").json()
    execution = started["executionsUuids"][0]
    path = f"/api/v1/workflows/workflows/{workflow['uuid']}/execution/{execution}/trigger"
    answer = client.post(path, {"parameters": {"approved": "yes"}}, headers={"source": "tests"})
    assert answer.status_code == 200
    assert client.tenant.actions.requests[-1].source == "tests"
    later(client, minutes=1)
    (row,) = read(client, "workflows", "#access_approval")
    assert (row["execution_id"], row["status"]) == (execution, "success")


def test_each_person_has_a_response_of_their_own_request(client: Client) -> None:
    sids = [user["user.sid"] for user in client.users()][:30]
    body = {
        "campaignNqlId": "#restart_reminder",
        "userSid": [*sids, "S-1-5-21-1-2-3-4", sids[0]],
        "expiresInMinutes": 60,
        "parameters": {"days_since_restart": "20", "deadline": "Friday"},
    }
    answer = client.post("/api/v1/euf/campaign/trigger", body).json()["requests"]
    requests = {each["requestId"]: each["userSid"] for each in answer if "requestId" in each}
    assert len(requests) == len(sids)
    later(client, minutes=1)
    rows = read(client, "responses", "#restart_reminder")
    assert {row["request_id"]: row["sid"] for row in rows} == requests
    assert {row["state"] for row in rows} == {"answered"}
    assert {json.loads(row["answers"])["agreement"] for row in rows} == {"Yes", "No"}


def test_ten_thousand_devices_of_a_request_are_read_back(saved: Path) -> None:
    options = SandboxOptions(queries=saved, now=NOW, devices=12_000, acting=SURE)
    with running(options) as tenant, Client(tenant) as large:
        devices = windows(large)[:10_000]
        body = {"remoteActionId": "#clean_up_disk", "devices": devices}
        assert large.post(ACT, body).status_code == 200
        later(large, minutes=2)
        rows = read(large, "actions", "#clean_up_disk")
    assert {row["uid"] for row in rows} == set(devices)
    assert len(rows) == len(devices)
