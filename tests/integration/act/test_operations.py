"""The client's operations as Prefect tasks: one each, on the sandbox, never sent twice."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import Task
from prefect.cache_policies import NO_CACHE

from connectors.errors import (
    HeldError,
    LimitReachedError,
    PartlyDoneError,
    PipelineError,
    UnknownOutcomeError,
    UsageError,
)
from connectors.ledger import Ledger, open_ledger
from connectors.ledger.action_requests import RequestState
from connectors.nexthink import ExportState, Taken
from connectors.nexthink.acting.answers import Accepted
from connectors.nexthink.acting.devices import DeviceDeletionRequest, DeviceEntry
from connectors.nexthink.acting.models import Dependency
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    DeviceIds,
    EventRequest,
    RemoteActionRequest,
    UserIds,
    WorkflowIdsRequest,
    WorkflowRequest,
)
from connectors.nexthink.acting.spark import HandoffRequest, TextPart
from connectors.nexthink.client import NexthinkClient
from nxp.answers.operations import OPERATIONS
from sandbox.actions.workflows import WORKFLOWS
from tasks import operations
from tasks.act.awaited import await_sent
from tasks.act.raw import RawReport, opened, send_raw
from tasks.act.raw_requests import Request
from tests.acting import Client, enrichment
from tests.commands import environment
from tests.landing import CATALOG, Place, place
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Server,
    json_reply,
    token_reply,
)

DEVICE = "11111111-2222-3333-4444-{:012x}"
ACT = "/api/v1/act/execute"


def found() -> dict[str, Task[..., Any]]:
    return {name: value for name, value in vars(operations).items() if isinstance(value, Task)}


def test_every_operation_of_the_client_has_one_task() -> None:
    client = NexthinkClient(FakeTenant("http://127.0.0.1:1", "http://127.0.0.1:1"))
    names = [name for name in dir(client) if not name.startswith("_")]
    groups = {
        name: value
        for name in names
        if type(value := getattr(client, name)).__name__.endswith("Api")
    }
    client.close()
    assert sorted(groups) == [
        "campaigns",
        "devices",
        "enrichment",
        "nql",
        "remote_actions",
        "spark",
        "workflows",
    ]
    methods = {
        f"{name}_{method}"
        for name, group in groups.items()
        for method, _ in inspect.getmembers(group, inspect.ismethod)
        if not method.startswith("_")
    }
    # A download to a reader in the same process, which no task run can pass on.
    methods.remove("nql_stream")
    read_backs = {task.fn.__name__ for task in operations.READ_BACKS}
    assert methods | read_backs == found().keys()
    assert not methods & read_backs
    # docs/connector.md and the schemas are made from this list.
    listed = [each for each in OPERATIONS.values() if each.requests]
    assert {each.task for each in listed} <= found().keys()
    assert {each.client.replace(".", "_") for each in listed if each.client} <= methods


def test_nothing_of_a_task_is_tried_again_or_kept() -> None:
    for task in found().values():
        assert (task.retries, task.persist_result, task.cache_policy) == (0, False, NO_CACHE)
        # No argument may be part of a name, since it may be personal data.
        assert task.task_run_name == task.name
        assert "{" not in task.name
        assert list(inspect.signature(task.fn).parameters)[-1] == "tenant"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with place(tmp_path) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def test_every_operation_works_on_the_sandbox(here: Place, tmp_path: Path) -> None:
    """The tasks are called as plain functions; what Prefect adds is not tested here."""
    call = {name: task.fn for name, task in found().items()}
    with Client(here.tenant) as client:
        device = next(each for each in client.devices() if each["device.name"])
        user = next(each for each in client.users() if "@" in (each["user.upn"] or ""))
    uid, sid = device["device.collector.uid"], user["user.sid"]

    assert call["nql_execute"]("#users").rows > 0
    assert call["nql_execute_csv"]("#users").startswith("user.")
    export_id = call["nql_start_export"]("#users")
    while call["nql_export_status"](export_id).state is not ExportState.COMPLETED:
        pass
    result = call["nql_download"](export_id, tmp_path / "users.csv")
    assert result.csv_bytes == (tmp_path / "users.csv").stat().st_size

    body = {"enrichments": [enrichment("device/device/name", "nobody", {"device/device/#x": "a"})]}
    pushed = call["enrichment_push"](str(body | {"domain": "t"}).replace("'", '"').encode())
    assert pushed.taken is not Taken.ALL

    assert len(call["remote_actions_list"]()) >= 13
    assert call["remote_actions_details"]("get_disk_usage").id == "#get_disk_usage"
    taken = call["remote_actions_execute"](RemoteActionRequest("#get_disk_usage", [uid]))
    assert taken.request_id == here.tenant.actions.requests[-1].id

    assert call["workflows_list"](only_active=True)
    assert call["workflows_details"]("#vpn_repair").trigger_methods.api
    both = WorkflowRequest("#vpn_repair", [uid], [sid])
    assert call["workflows_trigger"](both).request_id == here.tenant.actions.requests[-1].id
    named = WorkflowIdsRequest(
        "#vpn_repair", [DeviceIds(collector_uid=uid)], [UserIds(upn=user["user.upn"])]
    )
    assert len(call["workflows_trigger_by_ids"](named).execution_ids) == 1
    waiting = WorkflowRequest("#device_replacement", [uid], parameters={"ticket": "INC-1"})
    (execution,) = call["workflows_trigger"](waiting).execution_ids
    workflow = call["workflows_details"]("#device_replacement", source="desk").uuid
    by_uuid = WorkflowRequest(workflow, [uid], parameters={"ticket": "INC-2"})
    assert len(call["workflows_trigger"](by_uuid).execution_ids) == 1
    assert here.tenant.actions.requests[-1].nql_id == "#device_replacement"
    assert call["workflows_resume"](workflow, execution) == (here.tenant.actions.requests[-1].id,)

    (answer,) = call["campaigns_trigger"](CampaignRequest("#device_feedback", [sid]))
    assert answer.request_id == here.tenant.actions.requests[-1].id

    message = HandoffRequest(user["user.upn"], [TextPart("It does not print.")], {"queue": "it"})
    assert call["spark_handoff"](message) == Accepted()
    assert here.tenant.handoffs[-1].metadata == {"queue": "it"}

    for name, action in (
        ("remote_actions_executions", "#get_disk_usage"),
        ("workflows_executions", "#vpn_repair"),
        ("campaigns_responses", "#device_feedback"),
    ):
        assert len(call[name](action).columns) >= 7

    asked = DeviceDeletionRequest([DeviceEntry(uid, device["device.name"])])
    assert [each.status for each in call["devices_delete"](asked).devices] == ["SCHEDULED"]
    assert here.tenant.deletions.accepted[-1].devices[0][:2] == (uid, device["device.name"])


@pytest.mark.slow
def test_waiting_ten_minutes_takes_six_exports(here: Place) -> None:
    with Client(here.tenant) as client:
        device = client.devices()[0]["device.collector.uid"]
    request = WorkflowRequest("#device_replacement", [device], parameters={"ticket": "INC-1"})
    clock = Clock()
    with opened(None) as (client, ledger):
        report = send_raw(client, ledger, [request])
        limit = timedelta(minutes=10)
        awaited = await_sent(client, ledger, report, limit, clock=clock, sleep=clock.sleep)
    # It waits for an event, so it does not end.
    assert (awaited.exports, awaited.waiting, awaited.problem) == (6, 1, None)
    assert clock.sleeps == [15, 30, 60, 120, 240, 135]
    with pytest.raises(PartlyDoneError, match="0 of 1 done, 0 failed, 1 not yet done"):
        awaited.raise_unless_done()


def test_a_tenant_that_keeps_to_the_specification_is_served_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a tenant requires both filters of the list, and both lists of targets."""
    with place(tmp_path, strict_workflows=True) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        call = {name: task.fn for name, task in found().items()}
        everything = {each.id for each in call["workflows_list"]()}
        about_users = [each.id for each in call["workflows_list"](Dependency.USER)]
        call["workflows_trigger"](WorkflowRequest("#leaver_checks", users=["S-1-5-21-1"]))
        call["workflows_trigger"](WorkflowRequest("#nightly_report"))
        assert len(made.tenant.actions.requests) == 2
    assert everything == set(WORKFLOWS)
    assert set(about_users) == {each.id for each in WORKFLOWS.values() if each.dependency == "USER"}


FLOW = """
import sys
from prefect import flow
from connectors.nexthink.acting.requests import CampaignRequest
from nxp.answers.operations import OPERATIONS
from sandbox.actions.workflows import WORKFLOWS
from tasks import operations

@flow
def own():
    assert len(operations.remote_actions_list()) > 10
    operations.campaigns_trigger(CampaignRequest("#device_feedback", [SID]))

SID = sys.stdin.read()
own()
"""


@pytest.mark.prefect
def test_a_flow_of_ones_own_acts_once_and_tells_the_server_of_nobody(
    here: Place, prefect_server: str
) -> None:
    with Client(here.tenant) as client:
        sid = client.users()[3]["user.sid"]
    # Even if the worker's settings make Prefect retry every task.
    env = environment(here, PREFECT_API_URL=prefect_server, PREFECT_TASKS_DEFAULT_RETRIES="3")
    env["PYTHONPATH"] = str(CATALOG.parent)
    here.tenant.faults.add("timeout-after@act:1")
    run = subprocess.run(
        [sys.executable, "-c", FLOW],
        env=env,
        input=sid,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "UnknownOutcomeError" in run.stdout
    assert "nxp act resolve" in run.stdout
    # A second try would have met the first in the journal.
    assert "HeldError" not in run.stdout
    assert sid not in run.stdout
    assert len(here.tenant.actions.requests) == 1
    for what in ("flow_runs", "task_runs", "logs", "artifacts"):
        answer = httpx.post(f"{prefect_server}/{what}/filter", json={"limit": 200})
        assert answer.status_code == 200
        assert sid not in answer.text


# Several requests -----------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.on("POST", TOKEN_PATH, token_reply())
        yield running


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = open_ledger(ledger_url, "acme.eu")
    yield opened
    opened.close()


def act(server: Server, ledger: Ledger, requests: Sequence[Request]) -> RawReport:
    clock = Clock()
    with NexthinkClient(FakeTenant(server.url, server.url), None, clock, clock.sleep) as client:
        return send_raw(client, ledger, requests)


def on_devices(*numbers: int) -> RemoteActionRequest:
    return RemoteActionRequest("#a", [DEVICE.format(each) for each in numbers])


THREE = [on_devices(1, 2), on_devices(3), on_devices(4)]
TAKEN = json_reply({"requestId": "r-1"})
ENDS: list[tuple[Reply, str, type[PipelineError], str]] = [
    (Reply(500), "unknown", UnknownOutcomeError, "nxp act resolve"),
    (Reply(reset=True), "unknown", UnknownOutcomeError, "nxp act resolve"),
    (Reply(429), "not_sent", LimitReachedError, "try again later"),
    (json_reply({"code": "NO_WAY", "message": ""}, 400), "refused", PipelineError, "NO_WAY"),
]


@pytest.mark.parametrize(("end", "state", "kind", "words"), ENDS)
def test_the_first_that_is_not_taken_is_the_last_that_is_sent(
    server: Server,
    ledger: Ledger,
    end: Reply,
    state: str,
    kind: type[PipelineError],
    words: str,
) -> None:
    server.on("POST", ACT, TAKEN, end, TAKEN)
    report = act(server, ledger, THREE)
    assert [each.record.state for each in report.sent] == ["requested", state, "not_sent"]
    assert isinstance(report.error, kind)
    assert len(server.requests(ACT)) == 2
    with pytest.raises(PartlyDoneError, match="1 of 3 requests were taken, for 2 of 4") as caught:
        report.raise_unless_complete()
    assert words in str(caught.value)
    # Targets of unsent requests are free; those of requests that may be done are not.
    server.on("POST", ACT, TAKEN)
    assert act(server, ledger, [on_devices(4)]).error is None
    if state == "unknown":
        with pytest.raises(HeldError, match="nothing was sent"):
            act(server, ledger, [on_devices(9), on_devices(3)])
        assert len(server.requests(ACT)) == 3
    else:
        assert act(server, ledger, [on_devices(3)]).error is None


def test_an_interrupted_command_sends_only_the_rest_when_it_is_repeated(
    server: Server, ledger: Ledger
) -> None:
    server.on("POST", ACT, TAKEN, Reply(429), TAKEN, Reply(429), TAKEN, TAKEN)
    assert [each.is_taken for each in act(server, ledger, THREE).sent] == [True, False, False]
    # Nothing of the rest is wanted: this is another command.
    again = act(server, ledger, [on_devices(3)])
    assert (again.already_sent, again.sent[0].is_taken) == (0, True)
    # In the second run only the last request is left, and that is turned away.
    second = act(server, ledger, THREE)
    assert [each.record.targets for each in second.sent] == [1]
    assert second.already_sent == 3
    third = act(server, ledger, THREE)
    assert (third.error, third.already_sent) == (None, 3)
    sent = [json.loads(each.body)["devices"] for each in server.requests(ACT)]
    assert sent[0] == list(THREE[0].devices)
    assert sent[2:] == [[DEVICE.format(3)], [DEVICE.format(4)], [DEVICE.format(4)]]
    # Now all of it is sent, so a repetition is meant.
    server.on("POST", ACT, TAKEN)
    assert act(server, ledger, THREE).already_sent == 0


def test_users_that_an_interrupted_campaign_reached_are_not_asked_again(
    server: Server, ledger: Ledger
) -> None:
    sids = [f"S-1-5-21-{number}" for number in range(3)]
    groups = [CampaignRequest("#c", [sid], parameters={"n": sid[-1]}) for sid in sids]
    replies = [json_reply({"requests": [{"userSid": sid, "requestId": sid}]}) for sid in sids]
    path = "/api/v1/euf/campaign/trigger"
    server.on("POST", path, replies[0], Reply(reset=True), replies[2])
    assert [each.record.state for each in act(server, ledger, groups).sent][1] == "unknown"
    with pytest.raises(HeldError):
        act(server, ledger, groups)
    (unknown,) = ledger.actions.requests(states=[RequestState.UNKNOWN])
    ledger.actions.resolve(unknown.intent_id, sent=True, why="it shows in Nexthink")
    report = act(server, ledger, groups)
    assert (report.already_sent, len(report.sent)) == (2, 1)
    bodies = [json.loads(each.body) for each in server.requests(path)]
    assert [body["userSid"] for body in bodies] == [[sid] for sid in sids]


class Stopped(httpx.BaseTransport):
    """The process is interrupted while it waits for the answer of a request that acts."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == ACT:
            raise KeyboardInterrupt
        reply = token_reply()
        return httpx.Response(200, content=reply.body, headers=reply.headers)


def test_a_signal_while_sending_leaves_it_in_doubt(ledger: Ledger) -> None:
    tenant = FakeTenant("http://127.0.0.1:1", "http://127.0.0.1:1")
    with NexthinkClient(tenant, Stopped()) as client, pytest.raises(KeyboardInterrupt):
        send_raw(client, ledger, THREE)
    states = [each.state for each in ledger.actions.requests()]
    assert states == ["unknown", "not_sent", "not_sent"]


def test_requests_are_of_one_action(server: Server, ledger: Ledger) -> None:
    others = RemoteActionRequest("#b", [DEVICE.format(1)])
    for wrong in ([], [on_devices(1), others]):
        with pytest.raises(UsageError, match="one action at a time"):
            act(server, ledger, wrong)
    assert ledger.actions.requests() == []


def test_targets_are_named_as_plans_name_them(server: Server, ledger: Ledger) -> None:
    upper = DEVICE.format(0xABC).upper()
    lower, sid, execution = upper.lower(), "S-1-5-21-1", DEVICE.format(2)
    uid = DEVICE.format(3)
    server.on("POST", ACT, TAKEN)
    triggered = json_reply({"requestUuid": "r", "executionsUuids": ["e"]})
    server.on("POST", "/api/v1/workflows/execute", triggered)
    server.on("POST", "/api/v2/workflows/execute", triggered)
    resumed = f"/api/v1/workflows/workflows/{uid}/execution/{execution}/trigger"
    server.on("POST", resumed, json_reply([]))
    users = {"requests": [{"userSid": sid, "requestId": "r"}]}
    server.on("POST", "/api/v1/euf/campaign/trigger", json_reply(users))
    named = [DeviceIds(collector_uid=upper), DeviceIds(name="PC"), DeviceIds("PC", uid.upper())]
    upn = UserIds(upn="Jane@example.com")
    cases: list[tuple[Request, list[str]]] = [
        (RemoteActionRequest("#a", [upper]), [lower]),
        (WorkflowRequest("#w1", [upper]), [f"{lower}|"]),
        (WorkflowRequest("#w2", [], [sid]), [f"|{sid}"]),
        (WorkflowRequest("#w3", [upper], [sid]), [f"{lower}|{sid}"]),
        (WorkflowRequest("#w4"), ["|"]),
        (WorkflowIdsRequest("#w5", named), [f"{lower}|", "pc|", f"{uid}|"]),
        (WorkflowIdsRequest("#w6", [], [upn, UserIds(sid)]), ["|jane@example.com", f"|{sid}"]),
        (EventRequest(uid, execution), [execution]),
        (CampaignRequest("#c", [sid]), [sid]),
    ]
    for request, expected in cases:
        report = act(server, ledger, [request])
        assert report.error is None
        intent_id = report.sent[0].record.intent_id
        assert sorted(ledger.actions.targets(intent_id=intent_id)["target"]) == sorted(expected)
