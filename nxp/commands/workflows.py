"""`nxp workflows`: the raw operations on workflows, one client call each."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, TypeVar

from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.nexthink import MOST_TARGETS, UUID
from connectors.nexthink.acting.models import Dependency, TriggerMethod
from connectors.nexthink.acting.requests import (
    DeviceIds,
    EventRequest,
    UserIds,
    WorkflowIdsRequest,
    WorkflowRequest,
    nql_id,
)
from nxp.answers import acting as answers
from nxp.client import open_client
from nxp.options import Json, Parameters, Tenant, Wait, WorkflowId, parse_parameters, read_wait
from nxp.output import print_json, print_table, say
from nxp.shown import Read, show_rows
from nxp.targets import TargetObjects, as_ids, read_devices, read_users

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
DeviceFile = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True,
        help="One a line; or CSV or JSON with collectorUid, name or uid; - reads stdin.",
    ),
]
UserFile = Annotated[
    str | None,
    Parameter(
        allow_leading_hyphen=True,
        help="One a line; or CSV or JSON with sid, upn or uid; - reads stdin.",
    ),
]
Device = TypeVar("Device")
User = TypeVar("User")


def list_(
    *,
    dependency: Annotated[Dependency | None, Parameter(help="What it acts on.")] = None,
    trigger_method: Annotated[
        TriggerMethod | None, Parameter(help="How it can be triggered.")
    ] = None,
    active: Annotated[bool, Parameter(negative="", help="Only active ones.")] = False,
    source: Source = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the workflows of the tenant."""
    with open_client(tenant) as client:
        listed = client.workflows.list(
            dependency, trigger_method, only_active=active, source=source
        )
    found = [each.with_nql_id() for each in listed]
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


def show(
    workflow_id: WorkflowId, *, source: Source = None, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Describe the workflow WORKFLOW_ID, an NQL id or a UUID."""
    with open_client(tenant) as client:
        found = client.workflows.details(workflow_id, source=source).with_nql_id()
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
    workflow_id: WorkflowId,
    *,
    device: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", help="A device's collector id; with --by-id name=, uid= or collector=."
        ),
    ] = (),
    devices: DeviceFile = None,
    user: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A user's SID; with --by-id sid=, upn= or uid=."),
    ] = (),
    users: UserFile = None,
    by_id: Annotated[
        bool, Parameter(negative="", help="Name devices and users by any of their ids (v2).")
    ] = False,
    parameter: Parameters = (),
    source: Source = None,
    wait: Wait = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Trigger the workflow WORKFLOW_ID (NQL id or UUID) and journal it; for many, use nxp act.

    More than 10,000 targets are split into several requests if they are all devices or all users.
    """
    from nxp.raw import SendOptions, send  # noqa: PLC0415 - polars, not for --help

    if devices == users == "-":
        raise UsageError("--devices - and --users -: only one of them can read stdin")
    values, limit = parse_parameters(parameter), read_wait(wait)
    wanted = read_devices(device, devices, by_id=by_id)
    people = read_users(user, users, by_id=by_id)
    named = _nql_id(workflow_id, tenant)
    if max(wanted.count, people.count) > MOST_TARGETS:
        _refuse_to_split(named, tenant, both=bool(wanted.count and people.count))
    make = _by_ids if by_id or wanted.ids or people.ids else _by_keys
    how = SendOptions(
        read_back=f"nxp workflows executions '{named}'",
        duplicates=wanted.duplicates + people.duplicates,
        wait=limit,
    )
    send(make(named, wanted, people, values, source), tenant, how, as_json=as_json)


def resume(
    workflow: WorkflowId,
    execution: Annotated[str, Parameter(help="The UUID of an execution.")],
    *,
    parameter: Parameters = (),
    source: Source = None,
    wait: Wait = None,
    no_status: Annotated[
        bool,
        Parameter(name="--no-status", negative="", help="Do not read back the execution's status."),
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Resume EXECUTION (a UUID) of WORKFLOW, which waits for an event, and show its status.

    The status is read back once at once, by an export; with --wait until it has ended.
    """
    from nxp.raw import SendOptions, send  # noqa: PLC0415 - polars, not for --help

    values, limit = parse_parameters(parameter), read_wait(wait)
    if no_status and limit is not None:
        raise UsageError("--wait and --no-status: use one of them")
    uuid = workflow
    if not UUID.fullmatch(workflow):
        with open_client(tenant) as client:
            uuid = client.workflows.details(workflow).uuid
    request = EventRequest(uuid, execution, values, source=source)
    how = SendOptions(
        read_back=f"nxp workflows executions {workflow}",
        wait=None if no_status else limit or timedelta(0),
        is_awaited=limit is not None,
    )
    send([request], tenant, how, as_json=as_json)


def executions(
    workflow_id: Annotated[str | None, Parameter(help="The NQL id of a workflow.")] = None,
    *,
    read: Read = None,
) -> None:
    """Print the executions of the workflow WORKFLOW_ID (its NQL id or UUID), newest first."""
    show_rows("workflow", workflow_id, read)


def _shown(value: object) -> object:
    if value is None:
        return answers.NOT_PROVIDED
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _nql_id(workflow_id: str, tenant: str | None) -> str:
    """Return the NQL id of a workflow, under which it is journalled."""
    if not UUID.fullmatch(workflow_id):
        return nql_id(workflow_id)
    with open_client(tenant) as client:
        return client.workflows.details(workflow_id).nql_id


def _by_keys(
    workflow_id: str,
    devices: TargetObjects[DeviceIds],
    users: TargetObjects[UserIds],
    parameters: Mapping[str, str],
    source: str | None,
) -> list[WorkflowRequest]:
    return [
        WorkflowRequest(workflow_id, some, others, parameters, source)
        for some, others in _parts(devices.names, users.names)
    ]


def _by_ids(
    workflow_id: str,
    devices: TargetObjects[DeviceIds],
    users: TargetObjects[UserIds],
    parameters: Mapping[str, str],
    source: str | None,
) -> list[WorkflowIdsRequest]:
    named = as_ids(devices, lambda name: DeviceIds(collector_uid=name))
    people = as_ids(users, lambda name: UserIds(sid=name))
    return [
        WorkflowIdsRequest(workflow_id, some, others, parameters, source)
        for some, others in _parts(named, people)
    ]


def _parts(
    devices: Sequence[Device], users: Sequence[User]
) -> list[tuple[Sequence[Device], Sequence[User]]]:
    from tasks.act.raw import split  # noqa: PLC0415 - polars, not for --help

    if devices and users:
        return [(devices, users)]
    if users:
        return [([], part) for part in split(users, MOST_TARGETS)]
    return [(part, []) for part in split(devices, MOST_TARGETS)]


def _refuse_to_split(workflow_id: str, tenant: str | None, *, both: bool) -> None:
    """Raise unless several requests do the same as one."""
    with open_client(tenant) as client:
        about = None if both else client.workflows.details(workflow_id).dependency
    if about not in (Dependency.DEVICE, Dependency.USER):
        raise UsageError(
            f"{workflow_id}: more than {MOST_TARGETS:,} targets, and a workflow about devices and "
            "users together may not be split into several requests; nothing was sent"
        )
