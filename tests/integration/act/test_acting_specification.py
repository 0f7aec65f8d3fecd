"""The client against everything that the vendor's OpenAPI files allow of the acting APIs."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json import dumps, loads
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.errors import (
    AccessError,
    ActionRefusedError,
    DataRefusedError,
    PipelineError,
    UnknownOutcomeError,
    UsageError,
)
from connectors.http.proxies import SystemProxies
from connectors.nexthink.acting.devices import DeviceDeletionRequest, DeviceEntry
from connectors.nexthink.acting.models import Dependency, TriggerMethod
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    DeviceIds,
    RemoteActionRequest,
    UserIds,
    WorkflowIdsRequest,
    WorkflowRequest,
)
from connectors.nexthink.acting.spark import FilePart, HandoffRequest, TextPart
from connectors.nexthink.client import NexthinkClient
from tests import vendor, vendor_values
from tests.sampling import sampled
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Server,
    json_reply,
    token_reply,
)

pytestmark = pytest.mark.skipif(not vendor.is_here(), reason=vendor.ABSENT)

EXAMPLES = 30
UUID = "11111111-2222-3333-4444-555555555555"
UPN = "ann.o'neill@example.com"
RESUME = "/api/v1/workflows/workflows/{workflowUuid}/execution/{executionUuid}/trigger"

examples = settings(
    max_examples=sampled(EXAMPLES),
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Where both ways of a test have to be met.
all_examples = settings(examples, max_examples=EXAMPLES)


@dataclass(frozen=True)
class Operation:
    """An operation of the vendor's API: how the client calls it, and with what by default."""

    file: str
    method: str
    path: str
    call: Callable[[NexthinkClient], Any]
    # Makes the call that sends a generated body.
    asked: Callable[[NexthinkClient, dict[str, Any]], Any] | None = None
    accepted: int = 200

    @property
    def address(self) -> str:
        return self.path.format(workflowUuid=UUID, executionUuid=UUID)


def execute(client: NexthinkClient, body: dict[str, Any]) -> Any:
    info = body.get("triggerInfo", {})
    return client.remote_actions.execute(
        RemoteActionRequest(
            body["remoteActionId"],
            body["devices"],
            body.get("params", {}),
            body.get("expiresInMinutes"),
            info.get("externalSource"),
            info.get("reason"),
            info.get("externalReference"),
        )
    )


def trigger(client: NexthinkClient, body: dict[str, Any]) -> Any:
    return client.workflows.trigger(
        WorkflowRequest(body["workflowId"], body["devices"], body["users"], body.get("params", {}))
    )


def trigger_by_ids(client: NexthinkClient, body: dict[str, Any]) -> Any:
    devices = [
        DeviceIds(each.get("name"), each.get("uid"), each.get("collectorUid"))
        for each in body["devices"]
    ]
    users = [UserIds(each.get("sid"), each.get("upn"), each.get("uid")) for each in body["users"]]
    return client.workflows.trigger_by_ids(
        WorkflowIdsRequest(body["workflowId"], devices, users, body.get("params", {}))
    )


def resume(client: NexthinkClient, body: dict[str, Any]) -> Any:
    return client.workflows.resume(UUID, UUID, body.get("parameters"))


def campaign(client: NexthinkClient, body: dict[str, Any]) -> Any:
    return client.campaigns.trigger(
        CampaignRequest(
            body["campaignNqlId"],
            body["userSid"],
            body["expiresInMinutes"],
            body.get("parameters", {}),
        )
    )


def delete(client: NexthinkClient, body: dict[str, Any]) -> Any:
    entries = [DeviceEntry(each["uid"], each["name"]) for each in body["devices"]]
    return client.devices.delete(DeviceDeletionRequest(entries))


def handoff(client: NexthinkClient, body: dict[str, Any]) -> Any:
    parts = [
        TextPart(each["text"])
        if each["type"] == "TEXT"
        else FilePart(each["mimeType"], each["fileContent"])
        for each in body["message"]["parts"]
    ]
    return client.spark.handoff(HandoffRequest(UPN, parts, body.get("metadata"), "Europe/Zurich"))


OPERATIONS = [
    Operation(
        "remote-actions",
        "get",
        "/api/v1/act/remote-action",
        lambda client: client.remote_actions.list(),
    ),
    Operation(
        "remote-actions",
        "get",
        "/api/v1/act/remote-action/details",
        lambda client: client.remote_actions.details("#a"),
    ),
    Operation(
        "remote-actions",
        "post",
        "/api/v1/act/execute",
        lambda client: execute(client, {"remoteActionId": "#a", "devices": [UUID]}),
        execute,
    ),
    Operation(
        "workflows",
        "get",
        "/api/v1/workflows",
        lambda client: client.workflows.list(Dependency.USER, TriggerMethod.API),
    ),
    Operation(
        "workflows",
        "get",
        "/api/v1/workflows/details",
        lambda client: client.workflows.details("#w"),
    ),
    Operation(
        "workflows",
        "post",
        "/api/v1/workflows/execute",
        lambda client: trigger(client, {"workflowId": "#w", "devices": [UUID], "users": []}),
        trigger,
    ),
    Operation(
        "workflows",
        "post",
        "/api/v2/workflows/execute",
        lambda client: trigger_by_ids(client, {"workflowId": "#w", "devices": [], "users": []}),
        trigger_by_ids,
    ),
    Operation("workflows", "post", RESUME, lambda client: resume(client, {}), resume),
    Operation(
        "campaigns",
        "post",
        "/api/v1/euf/campaign/trigger",
        lambda client: campaign(
            client, {"campaignNqlId": "#c", "userSid": ["0"], "expiresInMinutes": 1}
        ),
        campaign,
    ),
    Operation(
        "data-management",
        "post",
        "/api/v1/data-management/device/deletions",
        lambda client: delete(client, {"devices": [{"uid": UUID, "name": "PC"}]}),
        delete,
        accepted=202,
    ),
    Operation(
        "spark",
        "post",
        "/api/v1/spark/handoff",
        lambda client: handoff(client, {"message": {"parts": [{"type": "TEXT", "text": "x"}]}}),
        handoff,
        accepted=204,
    ),
]
FILES = ("remote-actions", "workflows", "campaigns", "data-management", "spark")
# What we require beyond the schema of these does not show in texts that have to be there.
NEVER_REFUSED = {RESUME, "/api/v1/spark/handoff"}
ACTING = [operation for operation in OPERATIONS if operation.asked]


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[NexthinkClient]:
    server.on("POST", TOKEN_PATH, token_reply())
    clock = Clock()
    network = SystemProxies(ssl.create_default_context())
    with NexthinkClient(FakeTenant(server.url, server.url), network, clock, clock.sleep) as opened:
        yield opened


def test_every_operation_of_the_vendors_is_here() -> None:
    theirs = {(name, *operation) for name in FILES for operation in vendor.operations(name)}
    assert theirs == {(each.file, each.method, each.path) for each in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_every_valid_answer_is_read(
    server: Server, client: NexthinkClient, operation: Operation
) -> None:
    status = operation.accepted
    valid = vendor_values.answers(operation.file, operation.method, operation.path, status)

    @examples
    @given(body=valid)
    def read(body: Any) -> None:
        answer = Reply(status) if body is None else json_reply(body, status)
        vendor.judge(
            operation.file,
            operation.method,
            operation.path,
            httpx.Response(status, content=answer.body, headers=answer.headers),
        )
        server.on(operation.method.upper(), operation.address, answer)
        is_none = operation.path.endswith("/workflows/details") and body == []
        try:
            told = operation.call(client)
        except UsageError:
            assert is_none
            return
        assert not is_none
        if isinstance(body, list) and isinstance(told, list):
            # Workflows are merged by uuid.
            names = {each["uuid"] or each["id"] for each in body}
            assert {each.uuid or each.id for each in told} == names
        elif operation.file == "campaigns":
            assert [each.user_sid for each in told] == [
                each["userSid"] for each in body["requests"]
            ]
        elif operation.file == "data-management":
            assert [each.status for each in told.devices] == [
                each.get("status", "") for each in body.get("devices", ())
            ]
            assert told.scheduled == body.get("scheduledCount")

    read()


def documented_errors() -> list[tuple[tuple[str, str, str], int]]:
    if not vendor.is_here():
        return []
    return sorted(
        ((name, method, path), status)
        for name in FILES
        for method, path, status in vendor.documented(name)
        if status >= 400
    )


@pytest.mark.parametrize(("key", "status"), documented_errors())
def test_every_documented_error_is_told_as_what_it_is(
    server: Server, client: NexthinkClient, key: tuple[str, str, str], status: int
) -> None:
    (operation,) = [each for each in OPERATIONS if (each.file, each.method, each.path) == key]
    unknown = operation.path.endswith("details") and status in (400, 404)
    refused = ActionRefusedError if operation.asked else DataRefusedError
    kind: type[PipelineError] = UsageError if unknown else refused
    if status in (401, 403):
        kind = AccessError
    elif status >= 500:
        kind = UnknownOutcomeError

    @examples
    @given(body=vendor_values.answers(*key, status))
    def read(body: Any) -> None:
        content = b"" if body is None else dumps(body).encode()
        server.on(operation.method.upper(), operation.address, Reply(status, content))
        server.seen.clear()
        with pytest.raises(PipelineError) as caught:
            operation.call(client)
        assert type(caught.value) is kind
        assert len(server.requests(operation.address)) == (2 if status == 401 else 1)

    read()


@pytest.mark.parametrize("operation", ACTING, ids=name_of)
def test_every_request_that_we_make_is_valid_and_says_what_was_asked(
    server: Server, client: NexthinkClient, operation: Operation
) -> None:
    """We refuse some of what the vendor's schema allows, but all that we send matches it."""
    good = vendor_values.answers(
        operation.file, operation.method, operation.path, operation.accepted
    )
    ids = st.from_regex(r"#[a-z0-9_]{2,20}", fullmatch=True)
    sent = refused = 0

    @all_examples
    @given(
        asked=vendor_values.requests(operation.file, operation.method, operation.path),
        answer=good,
        identity=ids,
        data=st.data(),
    )
    def ask(asked: dict[str, Any], answer: Any, identity: str, data: st.DataObject) -> None:
        nonlocal sent, refused
        for field in ("remoteActionId", "workflowId", "campaignNqlId"):
            if field in asked:
                asked[field] = identity
        # The schema allows any text, but only these have a meaning.
        if "remoteActionId" in asked and data.draw(st.booleans()):
            asked["devices"] = [str(each) for each in data.draw(st.lists(st.uuids(), min_size=1))]
        if "userSid" in asked and data.draw(st.booleans()):
            sids = st.from_regex(r"S(-[0-9]{1,5}){3,9}", fullmatch=True)
            asked["userSid"] = data.draw(st.lists(sids, min_size=1))
        if operation.file == "data-management" and data.draw(st.booleans()):
            asked["devices"] += data.draw(st.lists(st.sampled_from(asked["devices"]), max_size=1))
        reply = Reply(204) if answer is None else json_reply(answer, operation.accepted)
        server.on("POST", operation.address, reply)
        server.seen.clear()
        assert operation.asked
        try:
            operation.asked(client, asked)
        except UsageError:
            refused += 1
            assert server.requests(operation.address) == []
            return
        sent += 1
        (seen,) = server.requests(operation.address)
        body = loads(seen.body)
        vendor.judge_request(operation.file, operation.method, operation.path, body)
        if operation.file == "spark":
            assert seen.headers["user-principal-name"] == UPN
            assert seen.headers["timezone"] == "Europe/Zurich"
        for field in body.keys() | asked.keys():
            assert (body.get(field) or {}) == (asked.get(field) or {})

    ask()
    # The test must have seen both cases, where an operation has both.
    assert sent > EXAMPLES // 10
    assert (refused > 0) == (operation.path not in NEVER_REFUSED)
