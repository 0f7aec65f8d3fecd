"""Listing and describing actions: filters, all forms of ids, and the shapes of live tenants."""

from typing import Any

import pytest

from connectors.errors import (
    AccessError,
    DataRefusedError,
    LimitReachedError,
    PipelineError,
    UnavailableError,
    UsageError,
)
from connectors.http.policy import MAX_ATTEMPTS
from connectors.nexthink.acting.models import Dependency, RemoteAction, TriggerMethod, Workflow
from connectors.nexthink.acting.remote_actions import choose_remote_actions
from connectors.nexthink.client import NexthinkClient
from nxp.answers import acting as answers
from tests.unit.connectors.servers import Reply, Seen, Server, json_reply

ACTIONS = "/api/v1/act/remote-action"
ACTION = "/api/v1/act/remote-action/details"
WORKFLOWS = "/api/v1/workflows"
WORKFLOW = "/api/v1/workflows/details"
UUID = "11111111-2222-3333-4444-555555555555"

# As a live tenant answered: with more fields than are documented.
LIVE_ACTION = {
    "id": "#a",
    "uuid": UUID,
    "name": "A",
    "description": "",
    "origin": "CUSTOM",
    "builtInContentVersion": None,
    "purpose": ["REMEDIATION", "SOMETHING_NEW"],
    "targeting": {"apiEnabled": True, "sparkEnabled": False},
    "targetingEntity": {"deviceEnabled": True},
    "scriptInfo": {
        "runAs": "INTERACTIVE_USER",
        "timeoutSeconds": 120,
        "hasScriptWindows": True,
        "hasScriptMacOs": False,
        "executionServiceDelegate": None,
        "inputs": [{"id": "Name", "options": ["a"], "allowCustomValue": True}],
        "outputs": [{"id": "Size", "type": "Size"}],
    },
}


def workflow(name: str, *, active: bool = True, **version: Any) -> dict[str, Any]:
    """Return a workflow as a live tenant described it."""
    return {
        "id": f"#{name}",
        "uuid": f"uuid-{name}",
        "name": name,
        "status": "ACTIVE" if active else "INACTIVE",
        "lastUpdateTime": "2026-09-14T08:30:00Z",
        "triggerMethods": {
            "apiEnabled": True,
            "manualEnabled": False,
            "manualAllowMultipleInstances": False,
            "schedulingEnabled": True,
        },
        "versions": [
            {"version": 1, "status": "INACTIVE", "hasDevice": False, "hasUser": False},
            {"version": 2, "status": "ACTIVE", "valid": True, "definition": {}, **version},
            {"version": 3, "status": "DRAFT", "hasDevice": False, "hasUser": False},
        ],
    }


def test_a_live_tenants_remote_action_is_read(server: Server, client: NexthinkClient) -> None:
    server.on("GET", ACTIONS, json_reply([LIVE_ACTION]))
    (action,) = client.remote_actions.list()
    assert (action.id, action.uuid, action.version) == ("#a", UUID, "")
    assert action.purpose == ("REMEDIATION", "SOMETHING_NEW")
    assert action.targeting.api_enabled
    assert not action.targeting.manual_enabled
    assert action.script.run_as == "INTERACTIVE_USER"
    assert action.script.inputs[0].options == ("a",)
    assert action.script.outputs[0].type == "Size"


def test_an_id_is_all_that_has_to_be_there() -> None:
    assert RemoteAction.model_validate({"id": "#a"}).script.inputs == ()
    bare = Workflow.model_validate({"id": "#w", "versions": None, "triggerMethods": None})
    assert (bare.dependency, bare.triggers, bare.is_active) == (None, (), False)


def test_remote_actions_are_chosen_by_what_matters() -> None:
    windows = RemoteAction.model_validate(LIVE_ACTION)
    mac = RemoteAction.model_validate(
        {"id": "#m", "scriptInfo": {"hasScriptMacOs": True}, "purpose": ["DATA_COLLECTION"]}
    )
    both = [windows, mac]
    assert choose_remote_actions(both) == both
    assert choose_remote_actions(both, has_windows=True) == [windows]
    assert choose_remote_actions(both, has_windows=False) == [mac]
    assert choose_remote_actions(both, has_mac=True) == [mac]
    assert choose_remote_actions(both, api_enabled=True) == [windows]
    assert choose_remote_actions(both, api_enabled=False) == [mac]
    assert choose_remote_actions(both, purpose="DATA_COLLECTION") == [mac]
    assert choose_remote_actions(both, has_windows=True, purpose="DATA_COLLECTION") == []


@pytest.mark.parametrize("given", ["a", "#a"])
def test_a_remote_action_is_described_by_its_id(
    server: Server, client: NexthinkClient, given: str
) -> None:
    server.on("GET", ACTION, json_reply(LIVE_ACTION))
    assert client.remote_actions.details(given).id == "#a"
    assert server.requests(ACTION)[0].query == "nql-id=%23a"


def test_an_unknown_remote_action_is_named(server: Server, client: NexthinkClient) -> None:
    server.on("GET", ACTION, json_reply({"code": "X_Y", "message": "MARK"}, 404))
    with pytest.raises(UsageError, match="no remote action #nowhere: nxp remote-actions list"):
        client.remote_actions.details("nowhere")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reply(403), AccessError),
        (Reply(401), AccessError),
        (Reply(429, b"", {"retry-after": "86400"}), LimitReachedError),
        (Reply(500), UnavailableError),
        (Reply(200, b"<html>"), UnavailableError),
        (json_reply({"a": 1}), DataRefusedError),
        (json_reply([{"name": "without id"}]), DataRefusedError),
        (json_reply([7]), DataRefusedError),
    ],
)
def test_a_list_that_fails_says_what_to_do(
    server: Server, client: NexthinkClient, answer: Reply, kind: type[PipelineError]
) -> None:
    for path, call in ((ACTIONS, client.remote_actions.list), (WORKFLOWS, client.workflows.list)):
        server.on("GET", path, answer)
        with pytest.raises(kind):
            call()


def test_a_list_is_read_again_after_a_fault(server: Server, client: NexthinkClient) -> None:
    for path, call in ((ACTIONS, client.remote_actions.list), (WORKFLOWS, client.workflows.list)):
        server.on("GET", path, Reply(reset=True), Reply(503), json_reply([]))
        assert call() == []
        assert len(server.requests(path)) == 3 < MAX_ATTEMPTS


def test_workflows_are_listed_without_filters_at_first(
    server: Server, client: NexthinkClient
) -> None:
    listed = [workflow("a"), workflow("b", active=False)]
    server.on("GET", WORKFLOWS, json_reply(listed))
    assert [each.id for each in client.workflows.list()] == ["#a", "#b"]
    # If a tenant ignores the filter, the client filters.
    assert [each.id for each in client.workflows.list(only_active=True)] == ["#a"]
    client.workflows.list(Dependency.USER, TriggerMethod.API, only_active=True)
    assert [each.query for each in server.requests(WORKFLOWS)] == [
        "",
        "fetchOnlyActiveWorkflows=true",
        "dependency=USER&triggerMethod=API&fetchOnlyActiveWorkflows=true",
    ]


def strict(seen: Seen) -> Reply:
    """Answer as the specification requires: only with both filters."""
    if "dependency=" not in seen.query or "triggerMethod=" not in seen.query:
        return json_reply({"code": "BAD_REQUEST", "details": "MARK"}, 400)
    about = seen.query.partition("dependency=")[2].partition("&")[0]
    return json_reply([workflow("common"), workflow(about)])


def test_where_filters_are_required_every_combination_is_asked_and_merged(
    server: Server, client: NexthinkClient
) -> None:
    server.on("GET", WORKFLOWS, strict)
    found = [each.name for each in client.workflows.list()]
    assert found == ["common", "USER", "DEVICE", "USER_AND_DEVICE", "NONE"]
    assert len({each.query for each in server.requests(WORKFLOWS)}) == 1 + 16
    server.seen.clear()
    found = [each.name for each in client.workflows.list(Dependency.USER, only_active=True)]
    assert found == ["common", "USER"]
    queries = [each.query for each in server.requests(WORKFLOWS)]
    assert len(queries) == 1 + 4
    assert all("dependency=USER" in each and "Workflows=true" in each for each in queries)


def test_a_refusal_of_both_filters_is_one(server: Server, client: NexthinkClient) -> None:
    server.on("GET", WORKFLOWS, json_reply({"code": "BAD_REQUEST", "details": "MARK"}, 400))
    for filters in ((), (Dependency.USER, TriggerMethod.API)):
        with pytest.raises(DataRefusedError, match="code BAD_REQUEST") as caught:
            client.workflows.list(*filters)
        assert "MARK" not in str(caught.value)
    assert len(server.requests(WORKFLOWS)) == 2 + 1


@pytest.mark.parametrize("shape", ["list", "object"])
def test_a_workflow_is_described_by_nql_id_and_by_uuid(
    server: Server, client: NexthinkClient, shape: str
) -> None:
    described = workflow("w", hasDevice=True, hasUser=True)
    server.on("GET", WORKFLOW, json_reply([described] if shape == "list" else described))
    for given in ("w", "#w", UUID.upper()):
        assert client.workflows.details(given).id == "#w"
    queries = [each.query for each in server.requests(WORKFLOW)]
    assert queries == ["nqlId=%23w", "nqlId=%23w", f"nqlId={UUID}"]


@pytest.mark.parametrize("refusal", [json_reply({"code": "A_B", "details": ""}, 400), Reply(404)])
def test_a_uuid_that_details_does_not_take_is_looked_up(
    server: Server, client: NexthinkClient, refusal: Reply
) -> None:
    server.on("GET", WORKFLOW, refusal)
    server.on("GET", WORKFLOWS, json_reply([workflow("a"), workflow("w") | {"uuid": UUID}]))
    assert client.workflows.details(UUID).id == "#w"
    with pytest.raises(UsageError, match=f"no workflow {UUID.replace('5', '6')}"):
        client.workflows.details(UUID.replace("5", "6"))
    server.seen.clear()
    with pytest.raises(UsageError, match="no workflow #nowhere: nxp workflows list"):
        client.workflows.details("nowhere")
    assert server.requests(WORKFLOWS) == []


def test_an_empty_list_describes_nothing(server: Server, client: NexthinkClient) -> None:
    server.on("GET", WORKFLOW, json_reply([]))
    with pytest.raises(UsageError, match="no workflow #w"):
        client.workflows.details("w")


@pytest.mark.parametrize(
    ("device", "user", "about"),
    [
        (True, True, Dependency.USER_AND_DEVICE),
        (True, False, Dependency.DEVICE),
        (False, True, Dependency.USER),
        (False, False, Dependency.NONE),
        (None, True, None),
    ],
)
def test_what_a_workflow_is_about_is_said_by_its_active_version(
    device: bool | None, user: bool | None, about: Dependency | None
) -> None:
    found = Workflow.model_validate(workflow("w", hasDevice=device, hasUser=user))
    assert found.dependency is about
    assert found.triggers == (TriggerMethod.API, TriggerMethod.SCHEDULER)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([{"name": "a"}, {"id": "b"}, {}, 7], ("a", "b")),
        (["a", "b"], ("a", "b")),
        ({"a": 1, "b": {}}, ("a", "b")),
        ("a", ()),
        (None, ()),
    ],
)
def test_a_workflows_parameters_are_read_as_far_as_they_are_understood(
    given: Any, names: tuple[str, ...]
) -> None:
    found = Workflow.model_validate(workflow("w", parameters=given))
    assert found.current is not None
    assert found.current.parameters == names


@pytest.mark.parametrize(
    ("sent", "inputs"),
    [
        (["a"], [("a", "", None, None, None)]),
        (
            [{"name": "a", "description": "d"}, {"id": "b"}],
            [("a", "d", None, None, None), ("b", "", None, None, None)],
        ),
        (
            [{"name": "a", "type": "STRING", "required": True, "options": ["x", "y"]}],
            [("a", "", "STRING", True, ("x", "y"))],
        ),
        (
            [{"name": "a", "description": 1, "type": {}, "required": "yes", "options": [1]}],
            [("a", "", None, None, None)],
        ),
        (
            {"a": {"type": "INT"}, "b": None},
            [("a", "", "INT", None, None), ("b", "", None, None, None)],
        ),
        ([{"name": 1}, {}, None, 7], []),
        ("a", []),
        (None, []),
    ],
)
def test_the_inputs_of_a_workflow_are_read_as_far_as_they_are_sent(
    sent: Any, inputs: list[tuple[Any, ...]]
) -> None:
    current = Workflow.model_validate(workflow("w", parameters=sent)).current
    assert current is not None
    assert [
        (i.name, i.description, i.type, i.required, i.options) for i in current.inputs
    ] == inputs
    assert current.parameters == tuple(each[0] for each in inputs)
    missing = {
        name
        for each in inputs
        for name, value in zip(("type", "required", "options"), each[2:], strict=True)
        if value is None
    }
    shown = answers.workflow(Workflow.model_validate(workflow("w", parameters=sent)))
    assert {name.removeprefix("inputs.") for name in shown.not_provided} == missing
