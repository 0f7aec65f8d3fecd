"""`nxp workflows`: the raw operations on workflows, one client call each."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.nexthink import MOST_TARGETS, UUID
from connectors.nexthink.acting.models import Dependency, TriggerMethod
from connectors.nexthink.acting.requests import (
    EventRequest,
    WorkflowIdsRequest,
    WorkflowRequest,
    nql_id,
)
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from nxp.answers import acting as answers
from nxp.options import Json, Parameters, Since, Tenant, parse_parameters
from nxp.output import print_json, print_table, say
from nxp.shown import show_rows
from nxp.targets import TargetFile, read_device_ids, read_targets, read_user_ids

_SHOWN: Final = (
    "id",
    "uuid",
    "name",
    "description",
    "status",
    "about",
    "triggers",
    "version",
    "versions",
    "last_update_time",
)
_INPUT_SHOWN: Final = ("name", "type", "required", "options", "description")
Source = Annotated[str | None, Parameter(help="The tool that makes the request.")]


def list_(
    *,
    dependency: Annotated[Dependency | None, Parameter(help="What it acts on.")] = None,
    trigger_method: Annotated[
        TriggerMethod | None, Parameter(help="How it can be triggered.")
    ] = None,
    active: Annotated[bool, Parameter(negative="", help="Only active ones.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the workflows of the tenant."""
    with _client(tenant) as client:
        found = client.workflows.list(dependency, trigger_method, only_active=active)
    if as_json:
        print_json([answers.workflow(each) for each in found])
        return
    names = ["id", "name", "status", "about", "triggers", "uuid"]
    rows = [
        [each.id, each.name, each.status, each.dependency, ", ".join(each.triggers), each.uuid]
        for each in found
    ]
    print_table(names, rows)
    say(f"{len(found)} workflows")


def show(workflow_id: str, *, tenant: Tenant = None, as_json: Json = False) -> None:
    """Describe the workflow WORKFLOW_ID, an NQL id or a UUID."""
    with _client(tenant) as client:
        found = client.workflows.details(workflow_id)
    described = answers.workflow(found)
    if as_json:
        print_json(described)
        return
    print_table(["what", "is"], [[name, _shown(getattr(described, name))] for name in _SHOWN])
    if described.inputs:
        print()
        print_table(
            ["input", "type", "required", "options", "description"],
            [[_shown(getattr(each, name)) for name in _INPUT_SHOWN] for each in described.inputs],
        )


def trigger(
    workflow_id: str,
    *,
    device: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", help="A device's collector id; with --by-id name=, uid= or collector=."
        ),
    ] = (),
    devices: TargetFile = None,
    user: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A user's SID; with --by-id sid=, upn= or uid=."),
    ] = (),
    users: TargetFile = None,
    by_id: Annotated[
        bool, Parameter(negative="", help="Name devices and users by any of their ids (v2).")
    ] = False,
    parameter: Parameters = (),
    source: Source = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Trigger the workflow WORKFLOW_ID and journal it; for many targets, use nxp act.

    More than 10,000 targets are split into several requests if they are all devices or all users.
    """
    from nxp.raw import send  # noqa: PLC0415 - polars, not for --help

    if devices == users == "-":
        raise UsageError("--devices - and --users -: only one of them can read stdin")
    named = nql_id(workflow_id)
    wanted = read_targets(device, devices, "--device or --devices")
    people = read_targets(user, users, "--user or --users")
    if max(len(wanted.names), len(people.names)) > MOST_TARGETS:
        _refuse_to_split(named, tenant, both=bool(wanted.names and people.names))
    make = _by_ids if by_id else _by_keys
    requests = [
        make(
            named,
            devices=some,
            users=others,
            parameters=parse_parameters(parameter),
            source=source,
        )
        for some, others in _parts(wanted.names, people.names)
    ]
    send(
        requests,
        tenant,
        duplicates=wanted.duplicates + people.duplicates,
        as_json=as_json,
        read_back=f"nxp workflows executions '{named}'",
    )


def resume(
    workflow: str,
    execution: str,
    *,
    parameter: Parameters = (),
    source: Source = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Resume EXECUTION (a UUID) of WORKFLOW, which waits for an event."""
    from nxp.raw import send  # noqa: PLC0415 - polars, not for --help

    uuid = workflow
    if not UUID.fullmatch(workflow):
        with _client(tenant) as client:
            uuid = client.workflows.details(workflow).uuid
    request = EventRequest(uuid, execution, parse_parameters(parameter), source=source)
    read_back = f"nxp workflows executions {workflow}"
    send([request], tenant, as_json=as_json, read_back=read_back)


def executions(
    workflow_id: str, *, since: Since = None, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Print the executions of the workflow WORKFLOW_ID (its NQL id or UUID), newest first."""
    show_rows("workflow", workflow_id, since=since, tenant=tenant, as_json=as_json)


def _shown(value: object) -> object:
    if value is None:
        return answers.NOT_PROVIDED
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _by_keys(
    workflow_id: str,
    *,
    devices: Sequence[str],
    users: Sequence[str],
    parameters: Mapping[str, str],
    source: str | None,
) -> WorkflowRequest:
    return WorkflowRequest(
        workflow_id, devices=devices, users=users, parameters=parameters, source=source
    )


def _by_ids(
    workflow_id: str,
    *,
    devices: Sequence[str],
    users: Sequence[str],
    parameters: Mapping[str, str],
    source: str | None,
) -> WorkflowIdsRequest:
    return WorkflowIdsRequest(
        workflow_id,
        devices=read_device_ids(devices),
        users=read_user_ids(users),
        parameters=parameters,
        source=source,
    )


def _parts(
    devices: Sequence[str], users: Sequence[str]
) -> list[tuple[Sequence[str], Sequence[str]]]:
    from tasks.act.raw import split  # noqa: PLC0415 - polars, not for --help

    if devices and users:
        return [(devices, users)]
    if users:
        return [([], part) for part in split(users, MOST_TARGETS)]
    return [(part, []) for part in split(devices, MOST_TARGETS)]


def _refuse_to_split(workflow_id: str, tenant: str | None, *, both: bool) -> None:
    """Raise unless several requests do the same as one."""
    with _client(tenant) as client:
        about = None if both else client.workflows.details(workflow_id).dependency
    if about not in (Dependency.DEVICE, Dependency.USER):
        raise UsageError(
            f"{workflow_id}: more than {MOST_TARGETS:,} targets, and a workflow about devices and "
            "users together may not be split into several requests; nothing was sent"
        )


def _client(tenant: str | None) -> NexthinkClient:
    return NexthinkClient(load_tenant(load_settings(), tenant))
