"""Remote actions, workflows and campaigns over TCP: what is listed, accepted and refused."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.options import SandboxOptions
from sandbox.server import running
from tests.acting import Client

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ACT = "/api/v1/act/execute"
RUN = "/api/v1/workflows/execute"
RUN_V2 = "/api/v2/workflows/execute"
SEND = "/api/v1/euf/campaign/trigger"
DEVICE = "11111111-2222-3333-4444-555555555555"
OTHER = "11111111-2222-3333-4444-666666666666"
SID = "S-1-5-21-1-2-3-1234"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    options = SandboxOptions(queries=tmp_path_factory.mktemp("queries"), now=NOW, devices=200)
    with running(options) as tenant, Client(tenant) as made:
        yield made


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Client]:
    options = SandboxOptions(queries=tmp_path, now=NOW, devices=5, strict_workflows=True)
    with running(options) as tenant, Client(tenant) as made:
        yield made


def act(action: str = "#get_disk_usage", **more: Any) -> dict[str, Any]:
    return {"remoteActionId": action, "devices": [DEVICE], **more}


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_remote_actions_are_listed_and_described_with_and_without_the_hash(client: Client) -> None:
    listed = client.get("/api/v1/act/remote-action").json()
    assert len(listed) >= 12
    assert {action["targeting"]["apiEnabled"] for action in listed} == {True, False}
    assert all("sparkEnabled" in action["targeting"] for action in listed)
    details = "/api/v1/act/remote-action/details"
    for action in listed:
        assert client.get(details, **{"nql-id": action["id"]}).json() == action
    assert client.get(details, **{"nql-id": "restart_device"}).json()["name"] == "Restart device"
    assert client.get(details).status_code == 404


def test_a_remote_action_is_taken_and_remembered(client: Client) -> None:
    info = {"externalSource": "tests", "reason": "r" * 500, "externalReference": "INC-1"}
    body = act(devices=[DEVICE, OTHER, DEVICE], expiresInMinutes=60, triggerInfo=info)
    answer = client.post(ACT, body)
    assert answer.status_code == 200
    assert answer.json()["expiresInMinutes"] == 60
    taken = client.tenant.actions.requests[-1]
    assert taken.id == answer.json()["requestId"]
    assert [execution.device for execution in taken.executions] == [DEVICE, OTHER]
    assert (taken.source, taken.reason, taken.reference) == ("tests", "r" * 500, "INC-1")
    assert taken.created_at >= NOW


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (act(devices=[]), "INVALID_REQUEST"),
        (act(devices=[DEVICE] * 10_001), "INVALID_REQUEST"),
        (act(devices=DEVICE), "INVALID_REQUEST"),
        (act(expiresInMinutes=59), "INVALID_REQUEST"),
        (act(expiresInMinutes=10_081), "INVALID_REQUEST"),
        (act(expiresInMinutes="60"), "INVALID_REQUEST"),
        (act(expiresInMinutes=None), "INVALID_REQUEST"),
        (act(triggerInfo={"reason": "r" * 501}), "INVALID_REQUEST"),
        (act(params={"ServiceName": 7}), "INVALID_REQUEST"),
        (act(""), "INVALID_REQUEST"),
        ([], "INVALID_REQUEST"),
        (act("#no_such_action"), "REMOTE_ACTION_NOT_FOUND"),
        (act("#restart_device"), "REMOTE_ACTION_NOT_API_ENABLED"),
        (act(params={"Colour": "blue"}), "INVALID_PARAMETERS"),
        (act("#set_service_start_type", params={"StatusChange": "Maybe"}), "INVALID_PARAMETERS"),
    ],
)
def test_a_remote_action_is_refused(client: Client, body: Any, code: str) -> None:
    before = len(client.tenant.actions.requests)
    answer = client.post(ACT, body)
    assert refusal(answer) == (400, code)
    assert DEVICE not in answer.text
    assert len(client.tenant.actions.requests) == before


def test_own_values_are_taken_where_an_input_allows_them(client: Client) -> None:
    own = act("#clean_up_disk", params={"MinimumAgeDays": "12", "EmptyRecycleBin": "true"})
    assert client.post(ACT, own).status_code == 200


def names(client: Client, **filters: str) -> set[str]:
    answer = client.get("/api/v1/workflows", **filters)
    assert answer.status_code == 200, answer.text
    return {workflow["id"] for workflow in answer.json()}


def test_workflows_are_filtered_by_dependency_trigger_and_status(client: Client) -> None:
    everything = names(client)
    assert len(everything) >= 8
    by_dependency = [
        names(client, dependency=each) for each in ("USER", "DEVICE", "USER_AND_DEVICE", "NONE")
    ]
    assert all(by_dependency)
    assert set.union(*by_dependency) == everything
    assert "#certificate_watch" not in names(client, dependency="DEVICE", triggerMethod="API")
    assert "#certificate_watch" in names(client, triggerMethod="SCHEDULER")
    for true in ("true", "True"):
        assert everything - names(client, fetchOnlyActiveWorkflows=true) == {"#old_onboarding"}
    for wrong in ({"dependency": "user"}, {"fetchOnlyActiveWorkflows": "yes"}):
        assert refusal(client.get("/api/v1/workflows", **wrong)) == (400, "INVALID_REQUEST")


def test_a_workflow_is_described_as_a_list_of_one(client: Client) -> None:
    details = "/api/v1/workflows/details"
    (described,) = client.get(details, nqlId="#vpn_repair").json()
    assert client.get(details, nqlId="vpn_repair").json() == [described]
    assert client.get(details, nqlId=described["uuid"]).json() == [described]
    assert described["versions"][0]["hasDevice"] is True
    assert refusal(client.get(details, nqlId="#no_such")) == (400, "WORKFLOW_NOT_FOUND")


def run(workflow: str, **more: Any) -> dict[str, Any]:
    return {"workflowId": workflow, "devices": [], "users": [], **more}


def test_a_workflow_gives_each_target_an_execution(client: Client) -> None:
    body = run("#disk_space_relief", devices=[DEVICE, OTHER, DEVICE], params={"threshold_gb": "5"})
    answer = client.post(RUN, body, headers={"source": "tests"})
    assert answer.status_code == 200
    taken = client.tenant.actions.requests[-1]
    assert taken.id == answer.json()["requestUuid"]
    assert [each.id for each in taken.executions] == answer.json()["executionsUuids"]
    assert [each.device for each in taken.executions] == [DEVICE, OTHER]
    assert taken.source == "tests"
    pair = client.post(RUN, run("#vpn_repair", devices=[DEVICE], users=[SID])).json()
    assert len(pair["executionsUuids"]) == 1
    assert len(client.post(RUN, run("#nightly_report")).json()["executionsUuids"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (run("#disk_space_relief", devices=["not-a-uuid"]), "INVALID_REQUEST"),
        (run("#disk_space_relief", devices=[f"{DEVICE}\n"]), "INVALID_REQUEST"),
        (run("#disk_space_relief", devices=[DEVICE] * 10_001), "INVALID_REQUEST"),
        (run("#leaver_checks", users=["jane@example.com"]), "INVALID_REQUEST"),
        (run("#leaver_checks", users=[SID], params=None), "INVALID_REQUEST"),
        (run("#no_such_workflow", devices=[DEVICE]), "WORKFLOW_NOT_FOUND"),
        (run("#old_onboarding", users=[SID]), "WORKFLOW_NOT_ACTIVE"),
        (run("#certificate_watch", devices=[DEVICE]), "WORKFLOW_NOT_API_ENABLED"),
        (run("#disk_space_relief"), "NO_TARGETS"),
        (run("#disk_space_relief", users=[SID]), "INVALID_TARGETS"),
        (run("#nightly_report", devices=[DEVICE]), "INVALID_TARGETS"),
        (run("#leaver_checks", users=[SID], params={"x": "y"}), "INVALID_PARAMETERS"),
    ],
)
def test_a_workflow_is_refused(client: Client, body: Any, code: str) -> None:
    assert refusal(client.post(RUN, body)) == (400, code)


def test_version_two_finds_devices_and_users_by_any_name(client: Client) -> None:
    device, user = client.devices()[0], next(u for u in client.users() if u["user.upn"])
    devices = [
        {"name": device["device.name"]},
        {"uid": device["device.uid"]},
        {"collectorUid": device["device.collector.uid"]},
        {"name": "no such device"},
    ]
    assert client.post(RUN_V2, run("#disk_space_relief", devices=devices)).status_code == 200
    (execution,) = client.tenant.actions.requests[-1].executions
    assert execution.device == device["device.collector.uid"]
    users = [{name: user[f"user.{name}"]} for name in ("sid", "uid", "upn")]
    assert client.post(RUN_V2, run("#leaver_checks", users=users)).status_code == 200
    (execution,) = client.tenant.actions.requests[-1].executions
    assert execution.user == user["user.sid"]


def test_of_devices_of_one_name_the_one_seen_last_is_meant(client: Client) -> None:
    devices = client.devices()
    held: dict[str, list[dict[str, Any]]] = {}
    for device in devices:
        held.setdefault(device["device.name"], []).append(device)
    several = next(each for each in held.values() if len(each) > 1)
    name = several[0]["device.name"]
    client.post(RUN_V2, run("#disk_space_relief", devices=[{"name": name}]))
    (execution,) = client.tenant.actions.requests[-1].executions
    latest = max(device["device.last_seen"] for device in several)
    meant = {d["device.collector.uid"] for d in several if d["device.last_seen"] == latest}
    assert execution.device in meant


def test_version_two_needs_a_name_for_each_and_one_that_is_known(client: Client) -> None:
    for devices, code in (([{}], "INVALID_REQUEST"), ([{"name": "no such device"}], "NO_TARGETS")):
        answer = client.post(RUN_V2, run("#disk_space_relief", devices=devices))
        assert refusal(answer) == (400, code)


def test_a_waiting_execution_goes_on_once(client: Client) -> None:
    started = client.post(RUN, run("#access_approval", users=[SID])).json()
    (described,) = client.get("/api/v1/workflows/details", nqlId="#access_approval").json()
    path = (
        f"/api/v1/workflows/workflows/{described['uuid']}/execution"
        f"/{started['executionsUuids'][0]}/trigger"
    )
    assert refusal(client.post(path, {"parameters": {"a": ""}})) == (400, "INVALID_REQUEST")
    answer = client.post(path, {"parameters": {"approved": "yes"}})
    assert answer.json() == [{"requestUuid": client.tenant.actions.requests[-1].id}]
    assert refusal(client.post(path, {"parameters": {}})) == (400, "EXECUTION_NOT_WAITING")


def test_absent_arrays_and_filters_pass_unless_the_tenant_is_strict(
    client: Client, strict: Client
) -> None:
    body = {"workflowId": "#disk_space_relief", "devices": [DEVICE]}
    assert client.post(RUN, body).status_code == 200
    assert strict.post(RUN, body).status_code == 400
    assert strict.post(RUN, {**body, "users": []}).status_code == 200
    for filters, status in (
        ({}, 400),
        ({"dependency": "USER"}, 400),
        ({"dependency": "USER", "triggerMethod": "API"}, 200),
    ):
        assert strict.get("/api/v1/workflows", **filters).status_code == status


def send(campaign: str = "#device_feedback", **more: Any) -> dict[str, Any]:
    return {"campaignNqlId": campaign, "userSid": [SID], "expiresInMinutes": 60, **more}


def test_a_campaign_is_sent_to_known_users_and_repeated_ones_are_dropped(client: Client) -> None:
    known = client.users()[0]["user.sid"]
    answer = client.post(SEND, send(userSid=[known, SID, known])).json()["requests"]
    assert [each["userSid"] for each in answer] == [known, SID]
    assert answer[0]["requestId"] == client.tenant.actions.requests[-1].id
    assert "requestId" not in answer[1]
    assert answer[1]["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (send(userSid=[]), "INVALID_REQUEST"),
        (send(userSid=[SID] * 10_001), "INVALID_REQUEST"),
        (send(expiresInMinutes=0), "INVALID_REQUEST"),
        (send(expiresInMinutes=525_601), "INVALID_REQUEST"),
        (send(parameters={str(n): "x" for n in range(31)}), "INVALID_REQUEST"),
        ({"campaignNqlId": "#device_feedback", "userSid": [SID]}, "INVALID_REQUEST"),
        (send("#no_such_campaign"), "CAMPAIGN_NOT_FOUND"),
        (send("#yearly_survey"), "INVALID_CAMPAIGN_TRIGGER_TYPE"),
        (send("#draft_survey"), "CAMPAIGN_NOT_PUBLISHED"),
        (send(parameters={"surplus": "x"}), "INVALID_PARAMETERS"),
        (send("#restart_reminder", parameters={"deadline": "x"}), "INVALID_PARAMETERS"),
    ],
)
def test_a_campaign_is_refused(client: Client, body: Any, code: str) -> None:
    assert refusal(client.post(SEND, body)) == (400, code)


def test_acting_and_listing_are_counted_apart(client: Client) -> None:
    before = client.tenant.requests.copy()
    client.get("/api/v1/workflows")
    client.post(SEND, send())
    counted = client.tenant.requests - before
    assert counted == {"list": 1, "act": 1}
