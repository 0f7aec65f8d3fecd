"""Every status that the vendor documents for an operation, and how to provoke it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.actions.workflows import WORKFLOWS
from sandbox.options import Credential, SandboxOptions
from sandbox.server import running
from tests import vendor
from tests.acting import Client

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOBODY = Credential("nobody", "s3cret", frozenset())

EXECUTE = "/api/v1/nql/execute"
EXECUTE_V2 = "/api/v2/nql/execute"
EXPORT = "/api/v1/nql/export"
STATUS = "/api/v1/nql/status/{exportId}"
ENRICH = "/api/v1/enrichment/data/fields"
ACT = "/api/v1/act/execute"
ACTIONS = "/api/v1/act/remote-action"
ACTION = "/api/v1/act/remote-action/details"
WORKFLOW_LIST = "/api/v1/workflows"
WORKFLOW = "/api/v1/workflows/details"
RUN = "/api/v1/workflows/execute"
RUN_V2 = "/api/v2/workflows/execute"
RESUME = "/api/v1/workflows/workflows/{workflowUuid}/execution/{executionUuid}/trigger"
CAMPAIGN = "/api/v1/euf/campaign/trigger"
DELETE = "/api/v1/data-management/device/deletions"
HANDOFF = "/api/v1/spark/handoff"

FEW = {"queryId": "#few"}
DEVICE = "11111111-2222-3333-4444-555555555555"
HELLO = {"message": {"parts": [{"type": "TEXT", "text": "It does not print."}]}}
SEND = {"campaignNqlId": "#device_feedback", "expiresInMinutes": 60}


def region(uid: str) -> dict[str, Any]:
    return {
        "identification": [{"name": "device/device/uid", "value": uid}],
        "fields": [{"name": "device/device/virtualization/region", "value": "here"}],
    }


@dataclass(frozen=True)
class How:
    """A request that provokes a status; `{uid}` in texts is a known device's."""

    json: Any = None
    query: str = ""
    accept: str = "*/*"
    fault: str = ""
    # The actual path, if it is not the documented one: an export or an execution.
    path: str = ""
    # Whom a request speaks for, in a header.
    upn: str = ""


BY_HAND: dict[tuple[str, str, int], How] = {
    ("post", EXECUTE, 200): How(FEW),
    ("post", EXECUTE, 404): How({"queryId": "#no_such_query"}),
    ("post", EXECUTE, 406): How(FEW, accept="application/xml"),
    ("post", EXECUTE_V2, 200): How(FEW, accept="text/csv"),
    ("post", EXECUTE_V2, 404): How(["not a request"]),
    ("post", EXECUTE_V2, 406): How(FEW, accept="image/png"),
    ("get", EXPORT, 200): How(query="queryId=%23few&compression=GZIP"),
    ("get", EXPORT, 404): How(query="queryId=few"),
    ("post", EXPORT, 200): How({**FEW, "compression": None}),
    ("post", EXPORT, 404): How({**FEW, "compression": "ZIP"}),
    ("get", STATUS, 200): How(path="/api/v1/nql/status/{few}"),
    ("get", STATUS, 206): How(path="/api/v1/nql/status/{many}"),
    ("get", STATUS, 404): How(path="/api/v1/nql/status/unknown"),
    ("get", STATUS, 429): How(path="/api/v1/nql/status/{few}", fault="429-date@status:1"),
    ("post", ENRICH, 200): How({"enrichments": [region("{uid}")], "domain": "test"}),
    ("post", ENRICH, 207): How(
        {"enrichments": [region("{uid}"), region("unknown")], "domain": "test"}
    ),
    ("post", ENRICH, 400): How({"enrichments": [region("unknown")], "domain": "test"}),
    ("post", ACT, 200): How({"remoteActionId": "#get_disk_usage", "devices": [DEVICE]}),
    ("post", ACT, 400): How({"remoteActionId": "#get_disk_usage", "devices": []}),
    ("get", ACTIONS, 200): How(),
    ("get", ACTIONS, 400): How(query="%zz"),
    ("get", ACTION, 200): How(query="nql-id=%23restart_device"),
    ("get", ACTION, 404): How(query="nql-id=%23no_such_action"),
    ("get", WORKFLOW_LIST, 200): How(query="dependency=USER&triggerMethod=API"),
    ("get", WORKFLOW_LIST, 400): How(query="dependency=PRINTER&triggerMethod=API"),
    ("get", WORKFLOW, 200): How(query="nqlId=%23vpn_repair"),
    ("get", WORKFLOW, 400): How(query="nql-id=%23vpn_repair"),
    ("post", RUN, 200): How({"workflowId": "#disk_space_relief", "devices": [DEVICE], "users": []}),
    ("post", RUN, 400): How({"workflowId": "#disk_space_relief", "devices": ["x"], "users": []}),
    ("post", RUN_V2, 200): How(
        {"workflowId": "#disk_space_relief", "devices": [{"uid": "{uid}"}], "users": []}
    ),
    ("post", RUN_V2, 400): How({"workflowId": "#disk_space_relief", "devices": [{}], "users": []}),
    ("post", RESUME, 200): How({"parameters": {}}, path="{waiting}"),
    ("post", RESUME, 400): How(
        {"parameters": {}}, path=RESUME.format(workflowUuid=DEVICE, executionUuid=DEVICE)
    ),
    ("post", CAMPAIGN, 200): How({**SEND, "userSid": ["S-1-5-18", "unknown"]}),
    ("post", CAMPAIGN, 400): How({**SEND, "userSid": []}),
    ("post", DELETE, 202): How(
        {"devices": [{"uid": DEVICE, "name": "PC"}, {"uid": "nothing", "name": "PC"}]}
    ),
    ("post", DELETE, 400): How({"devices": []}),
    ("post", HANDOFF, 204): How(HELLO, upn="{upn}"),
    ("post", HANDOFF, 400): How(HELLO),
    ("post", HANDOFF, 404): How(HELLO, upn="nobody@example.com"),
}
ROUTES = {
    EXECUTE: "execute",
    EXECUTE_V2: "execute",
    EXPORT: "export",
    STATUS: "status",
    DELETE: "act",
    HANDOFF: "act",
}


@dataclass(frozen=True)
class Scene:
    """A tenant, two credentials, and the ids that requests can use."""

    able: Client
    unable: Client
    names: dict[str, str]

    def answer(self, method: str, path: str, status: int) -> httpx.Response:
        """Send the request that provokes a status."""
        how = BY_HAND.get((method, path, status)) or _otherwise(path, status)
        client = self.unable if status == 403 else self.able
        headers = {"accept": how.accept}
        if how.upn:
            headers["user-principal-name"] = self._named(how.upn)
        if status == 401:
            headers["authorization"] = "Bearer expired"
        if how.fault:
            self.able.tenant.faults.add(how.fault)
        address = self._named(how.path or path)
        if how.query:
            address += f"?{how.query}"
        return client.http.request(method, address, json=self._named(how.json), headers=headers)

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._named(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._named(each) for each in value]
        for name, text in self.names.items() if isinstance(value, str) else ():
            value = value.replace(f"{{{name}}}", text)
        return value


def _otherwise(path: str, status: int) -> How:
    """Return how to provoke what every operation has: no token, no permission, an outage."""
    if status in (401, 403):
        return How({})
    return How({}, fault=f"{status}@{ROUTES[path]}:1")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    queries: Path = tmp_path_factory.mktemp("queries")
    (queries / "few.nql").write_text("devices | list uid, name, hardware.memory | limit 2")
    (queries / "many.nql").write_text("devices | list uid")
    options = SandboxOptions(
        queries=queries, now=NOW, devices=30, row_limit=5, credentials=(NOBODY,)
    )
    with (
        running(options) as tenant,
        Client(tenant) as able,
        Client(tenant, "nobody", "s3cret") as unable,
    ):
        run = {"workflowId": "#device_replacement", "devices": [DEVICE], "users": []}
        execution = able.post(RUN, run).json()["executionsUuids"][0]
        workflow = WORKFLOWS["#device_replacement"].uuid
        names = {
            "uid": able.devices()[0]["device.uid"],
            "upn": next(each["user.upn"] for each in able.users() if each["user.upn"]),
            "few": able.export("#few"),
            "many": able.export("#many"),
            "waiting": RESUME.format(workflowUuid=workflow, executionUuid=execution),
        }
        yield Scene(able, unable, names)


if vendor.is_here():
    DOCUMENTED = [
        (name, *each) for name in vendor.NAMES for each in sorted(vendor.documented(name))
    ]
else:
    DOCUMENTED = [("", *each) for each in BY_HAND]


@pytest.mark.parametrize(("name", "method", "path", "status"), DOCUMENTED)
def test_every_documented_status_can_be_had_and_has_its_documented_body(
    scene: Scene, name: str, method: str, path: str, status: int
) -> None:
    answer = scene.answer(method, path, status)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"]
    if name:
        vendor.judge(name, method, path, answer)


def test_the_table_names_no_status_that_is_not_documented() -> None:
    if not vendor.is_here():
        pytest.skip(vendor.ABSENT)
    known = {each for name in vendor.NAMES for each in vendor.documented(name)}
    assert set(BY_HAND) <= known


def test_the_four_envelopes_are_told_apart(scene: Scene) -> None:
    def keys(method: str, path: str, status: int) -> set[str]:
        return set(scene.answer(method, path, status).json())

    assert keys("post", EXECUTE, 403) == {"message", "code", "source"}
    assert keys("post", ACT, 403) == {"code", "message"}
    assert keys("post", RUN, 403) == {"code", "details"}
    assert keys("post", ENRICH, 403) == {"message"}
    assert keys("post", ENRICH, 400) == {"status", "errors"}
    assert keys("post", CAMPAIGN, 401) == {"code", "message"}
    for path in (EXECUTE, ENRICH, ACT, RUN):
        assert scene.answer("post", path, 401).content == b""
    assert scene.answer("post", CAMPAIGN, 403).content == b""


def test_a_deletion_is_refused_with_a_code_or_answered_device_by_device(scene: Scene) -> None:
    def asked(*devices: tuple[str, str]) -> dict[str, Any]:
        return {"devices": [{"uid": uid, "name": name} for uid, name in devices]}

    for body, code in (
        ({}, "EMPTY_REQUEST"),
        (asked(*[(DEVICE, "PC")] * 101), "BATCH_SIZE_EXCEEDED"),
        (asked((DEVICE, " ")), "INVALID_REQUEST"),
        (asked((DEVICE, "")), "INVALID_REQUEST"),
        ({"devices": [{"uid": DEVICE}]}, "INVALID_REQUEST"),
    ):
        refused = scene.able.post(DELETE, body)
        assert (refused.status_code, refused.json()["code"]) == (400, code)
    tenant = scene.able.tenant
    known, other, third = scene.able.devices()[:3]
    ids = [each["device.collector.uid"] for each in (known, other, third)]
    answer = scene.able.post(DELETE, asked((ids[0].upper(), "A"), ("x", "B"), (DEVICE, "C")))
    assert answer.json()["scheduledCount"] == 2
    assert [each["status"] for each in answer.json()["devices"]] == [
        "SCHEDULED",
        "INVALID",
        "SCHEDULED",
    ]
    # It happens in the background, and only to those that were named.
    assert known in scene.able.devices()
    before = len(scene.able.devices())
    tenant.clock.advance(timedelta(seconds=tenant.deletions.seconds))
    left = [each["device.collector.uid"] for each in scene.able.devices()]
    assert (ids[0] in left, ids[1] in left, len(left)) == (False, True, before - 1)
    tenant.presence.wake(known["device.uid"], tenant.clock.now())
    assert ids[0] in [each["device.collector.uid"] for each in scene.able.devices()]
    tenant.deletions.failure_share = 1
    failed = scene.able.post(DELETE, asked((ids[2], "A")))
    assert [each["status"] for each in failed.json()["devices"]] == ["FAILED"]
