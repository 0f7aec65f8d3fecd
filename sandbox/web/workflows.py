"""The workflows routes: list, details, execute in two versions, and resume."""

import re
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.actions.store import AcceptedRequest, Pair, paired
from sandbox.actions.workflows import DEPENDENCIES, TRIGGER_METHODS, WORKFLOWS, WorkflowDefinition
from sandbox.tenant import Tenant
from sandbox.web import envelopes
from sandbox.web.admission import Refused, admit, answering, body_of
from sandbox.web.remote_actions import listed
from sandbox.web.requests import (
    DeviceData,
    EventBody,
    ExternalIdsRequest,
    UserData,
    WorkflowBody,
)

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BOOLEANS = {"true": True, "false": False}


@answering(envelopes.workflows)
async def listing(request: Request) -> Response:
    """List workflows, filtered by those of dependency, trigger method and status that are given."""
    tenant = _admitted(request)
    dependency = _choice(request, "dependency", DEPENDENCIES)
    method = _choice(request, "triggerMethod", TRIGGER_METHODS)
    if tenant.options.strict_workflows and not (dependency and method):
        raise _bad("", "dependency and triggerMethod are both required.")
    active = _active_only(request)
    described = [
        workflow.describe()
        for workflow in WORKFLOWS.values()
        if dependency in (None, workflow.dependency)
        and (method is None or method in workflow.triggers)
        and (workflow.active or not active)
    ]
    return JSONResponse(listed(described, tenant.options))


@answering(envelopes.workflows)
async def details(request: Request) -> Response:
    """Describe one workflow, by its NQL id with or without the #, or by its UUID: a list of one."""
    _admitted(request)
    name = request.query_params.get("nqlId", "")
    found = _by_uuid(name) or WORKFLOWS.get(f"#{name.removeprefix('#')}")
    if found is None:
        raise _bad("WORKFLOW_NOT_FOUND", "There is no workflow of this NQL id.")
    return JSONResponse([found.describe()])


@answering(envelopes.workflows)
async def execute_v1(request: Request) -> Response:
    """Accept a request for collectors' ids and SIDs; unknown ones are accepted too."""
    tenant = _admitted(request)
    asked = await body_of(request, WorkflowBody, envelopes.workflows)
    workflow = _executable(tenant, asked)
    return await run_in_threadpool(
        _execute, tenant, request, workflow, asked, (asked.devices or [], asked.users or [])
    )


@answering(envelopes.workflows)
async def execute_v2(request: Request) -> Response:
    """Accept a request for devices and users by any name; of several, the last seen counts."""
    tenant = _admitted(request)
    asked = await body_of(request, ExternalIdsRequest, envelopes.workflows)
    workflow = _executable(tenant, asked)
    named: Sequence[DeviceData | UserData] = [*(asked.devices or []), *(asked.users or [])]
    if any(not each.model_dump(exclude_none=True) for each in named):
        raise _bad("", "A device or user comes without any identifier.")
    found = await run_in_threadpool(_resolved, tenant, asked)
    return await run_in_threadpool(_execute, tenant, request, workflow, asked, found)


@answering(envelopes.workflows)
async def trigger(request: Request) -> Response:
    """Resume a waiting execution."""
    tenant = _admitted(request)
    workflow_uuid, execution = (
        request.path_params[name] for name in ("workflow_uuid", "execution_uuid")
    )
    if not _UUID.fullmatch(workflow_uuid) or not _UUID.fullmatch(execution):
        raise _bad("", "The ids of workflow and execution are not UUIDs.")
    asked = await body_of(request, EventBody, envelopes.workflows)
    workflow = _by_uuid(workflow_uuid)
    if workflow is None:
        raise _bad("WORKFLOW_NOT_FOUND", "There is no workflow of this UUID.")
    identity = tenant.actions.resume(
        workflow.id, execution.lower(), asked.parameters, request.headers.get("source")
    )
    if identity is None:
        raise _bad("EXECUTION_NOT_WAITING", "No execution of this UUID waits for an event.")
    return JSONResponse([{"requestUuid": identity}])


def _admitted(request: Request) -> Tenant:
    return admit(request, "workflows", envelopes.workflows)


def _choice(request: Request, name: str, known: tuple[str, ...]) -> str | None:
    value = request.query_params.get(name)
    if value is not None and value not in known:
        raise _bad("", f"{name} is not one of {', '.join(known)}.")
    return value


def _active_only(request: Request) -> bool:
    # Python clients write True, and the frameworks of real services accept any case.
    value = request.query_params.get("fetchOnlyActiveWorkflows", "false").lower()
    if value not in _BOOLEANS:
        raise _bad("", "fetchOnlyActiveWorkflows is neither true nor false.")
    return _BOOLEANS[value]


def _by_uuid(uuid: str) -> WorkflowDefinition | None:
    return next((each for each in WORKFLOWS.values() if each.uuid == uuid.lower()), None)


def _executable(tenant: Tenant, asked: WorkflowBody | ExternalIdsRequest) -> WorkflowDefinition:
    # The specification says only "the ID": an NQL id or a UUID.
    workflow = WORKFLOWS.get(asked.workflow_id) or _by_uuid(asked.workflow_id)
    if workflow is None:
        raise _bad("WORKFLOW_NOT_FOUND", "There is no workflow of this id.")
    if not workflow.active:
        raise _bad("WORKFLOW_NOT_ACTIVE", "The workflow is not active.")
    if "API" not in workflow.triggers:
        message = "The workflow may not be triggered by the API."
        raise _bad("WORKFLOW_NOT_API_ENABLED", message)
    if tenant.options.strict_workflows and (asked.devices is None or asked.users is None):
        raise _bad("", "devices and users are both required.")
    unknown = set(asked.params) - set(workflow.parameters)
    if unknown:
        message = f"The parameters of the workflow are: {', '.join(workflow.parameters) or 'none'}."
        raise _bad("INVALID_PARAMETERS", message)
    return workflow


def _resolved(tenant: Tenant, asked: ExternalIdsRequest) -> tuple[list[str], list[str]]:
    """Return the matching collectors' ids and SIDs; names without a match are left out."""
    devices = [
        _meant(
            tenant,
            "device",
            {"collector.uid": each.collector_uid, "uid": each.uid, "name": each.name},
        )
        for each in asked.devices or []
    ]
    users = [
        _meant(tenant, "user", {"sid": each.sid, "uid": each.uid, "upn": each.upn})
        for each in asked.users or []
    ]
    return [each for each in devices if each], [each for each in users if each]


def _meant(tenant: Tenant, entity: str, names: dict[str, str | None]) -> str | None:
    """Return the first kind of name of the object that any of the given names finds."""
    wanted = next(iter(names))
    for name, value in names.items():
        found = tenant.directory.find(entity, name, value) if value else []
        if found:
            return tenant.directory.value(entity, found[0], wanted)
    return None


def _execute(
    tenant: Tenant,
    request: Request,
    workflow: WorkflowDefinition,
    asked: WorkflowBody | ExternalIdsRequest,
    found: tuple[list[str], list[str]],
) -> Response:
    accepted = tenant.actions.accept(
        "workflow",
        workflow.id,
        _targets(workflow, *(list(dict.fromkeys(each)) for each in found)),
        parameters=asked.params,
        source=request.headers.get("source"),
    )
    return _accepted(accepted)


def _targets(workflow: WorkflowDefinition, devices: list[str], users: list[str]) -> list[Pair]:
    """Return one (device, user) for each execution."""
    if workflow.dependency == "NONE":
        if devices or users:
            raise _bad("INVALID_TARGETS", "The workflow takes neither devices nor users.")
        return paired((), ())
    if (devices and not workflow.has_device) or (users and not workflow.has_user):
        raise _bad("INVALID_TARGETS", f"The workflow is about {workflow.dependency} only.")
    if not devices and not users:
        raise _bad("NO_TARGETS", "The request names no device and no user of the tenant.")
    return paired(devices, users)


def _accepted(accepted: AcceptedRequest) -> Response:
    ids = [execution.id for execution in accepted.executions]
    return JSONResponse({"requestUuid": accepted.id, "executionsUuids": ids})


def _bad(code: str, message: str) -> Refused:
    return Refused(envelopes.workflows(400, code, message))
