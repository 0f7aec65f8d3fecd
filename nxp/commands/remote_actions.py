"""`nxp remote-actions`: the raw operations on remote actions, one client call each."""

from collections.abc import Mapping
from typing import Annotated, Literal

from cyclopts import Parameter

from connectors.errors import AccessError, UsageError
from connectors.nexthink import MOST_TARGETS
from connectors.nexthink.acting.models import RemoteAction
from connectors.nexthink.acting.remote_actions import choose_remote_actions
from connectors.nexthink.acting.requests import RemoteActionRequest, nql_id
from nxp.answers import acting as answers
from nxp.client import open_client
from nxp.options import (
    Json,
    Parameters,
    RemoteActionId,
    Tenant,
    Wait,
    Whole,
    parse_parameters,
    read_wait,
)
from nxp.output import print_json, print_table, say
from nxp.shown import Read, show_rows
from nxp.targets import TargetFile, read_targets


def list_(
    *,
    windows: Annotated[
        bool | None, Parameter(help="With a script for Windows, or without.")
    ] = None,
    macos: Annotated[bool | None, Parameter(help="With a script for macOS, or without.")] = None,
    api_enabled: Annotated[
        bool | None, Parameter(help="Can be triggered by the API, or cannot.")
    ] = None,
    purpose: Annotated[
        Literal["DATA_COLLECTION", "REMEDIATION"] | None, Parameter(help="Its purpose.")
    ] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the remote actions of the tenant."""
    with open_client(tenant) as client:
        found = choose_remote_actions(
            (each.with_nql_id() for each in client.remote_actions.list()),
            has_windows=windows,
            has_mac=macos,
            api_enabled=api_enabled,
            purpose=purpose,
        )
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    names = ["id", "name", "purpose", "windows", "macos", "api", "run_as"]
    print_table(names, [_row(each) for each in found])
    say(f"{len(found)} remote actions")


def show(action_id: RemoteActionId, *, tenant: Tenant = None, as_json: Json = False) -> None:
    """Describe the remote action ACTION_ID: where it runs, its inputs and outputs."""
    with open_client(tenant) as client:
        found = client.remote_actions.details(action_id).with_nql_id()
    if as_json:
        print_json(answers.remote_action(found).model_dump(mode="json"))
        return
    script = found.script
    print_table(
        ["what", "is"],
        [
            ["id", found.id],
            ["name", found.name],
            ["description", found.description],
            ["purpose", ", ".join(found.purpose)],
            ["category", answers.NOT_PROVIDED],
            ["windows", script.has_windows],
            ["macos", script.has_mac],
            ["api", found.targeting.api_enabled],
            ["run_as", script.run_as],
            ["timeout_seconds", script.timeout_seconds],
            ["default expiration", answers.NOT_PROVIDED],
        ],
    )
    if script.inputs:
        print()
        print_table(
            ["input", "options", "own values", "description"],
            [
                [each.id, ", ".join(each.options), each.allow_custom_value, each.description]
                for each in script.inputs
            ],
        )
    if script.outputs:
        print()
        print_table(["output", "type"], [[each.id, each.type] for each in script.outputs])


def execute(
    action_id: RemoteActionId,
    *,
    device: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A device's collector id (device.collector.uid); repeatable."),
    ] = (),
    devices: TargetFile = None,
    parameter: Parameters = (),
    expires: Annotated[
        Whole | None,
        Parameter(help="Minutes until it expires on a device that is offline, 60 to 10080."),
    ] = None,
    reason: Annotated[str | None, Parameter(help="The reason, up to 459 characters.")] = None,
    reference: Annotated[str | None, Parameter(help="A ticket, for instance.")] = None,
    source: Annotated[str | None, Parameter(help="The tool that makes the request.")] = None,
    allow_missing: Annotated[
        bool, Parameter(negative="", help="Send it even if inputs of its script have no value.")
    ] = False,
    wait: Wait = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Run the remote action ACTION_ID on devices and journal it; for many devices, use nxp act.

    More than 10,000 devices are split into several requests.
    """
    from nxp.raw import SendOptions, send  # noqa: PLC0415 - httpx
    from tasks.act.raw import split  # noqa: PLC0415 - polars, not for --help

    named = nql_id(action_id)
    targets = read_targets(device, devices, "--device or --devices")
    values = parse_parameters(parameter)
    requests = [
        RemoteActionRequest(
            named,
            part,
            values,
            expires_in_minutes=expires,
            source=source,
            reason=reason,
            reference=reference,
        )
        for part in split(targets.names, MOST_TARGETS)
    ]
    limit = read_wait(wait)
    if not allow_missing:
        _require_inputs(named, values, tenant)
    how = SendOptions(
        read_back=f"nxp remote-actions executions '{named}'",
        duplicates=targets.duplicates,
        wait=limit,
    )
    send(requests, tenant, how, as_json=as_json)


def _require_inputs(action_id: str, values: Mapping[str, str], tenant: str | None) -> None:
    """Raise if an input of the action's script has no value, as for actions of the catalogue."""
    from tasks.act.checks import missing_inputs  # noqa: PLC0415 - polars, not for --help

    try:
        with open_client(tenant) as client:
            found = client.remote_actions.details(action_id)
    except (UsageError, AccessError):
        # The tenant's answer to the request itself says what is wrong.
        return
    # The tenant refuses what the API may not trigger.
    if found.targeting.api_enabled and (missing := missing_inputs(found, values)):
        raise UsageError(
            f"{action_id}: parameters are missing: {', '.join(missing)}; give them by -p, or send "
            "it without them by --allow-missing; nothing was sent"
        )


def executions(
    action_id: Annotated[str | None, Parameter(help="The NQL id of a remote action.")] = None,
    *,
    read: Read = None,
) -> None:
    """Print the outcome of the remote action ACTION_ID on each device, newest first."""
    show_rows("remote_action", action_id, read)


def _row(action: RemoteAction) -> list[object]:
    script = action.script
    return [
        action.id,
        action.name,
        ", ".join(action.purpose),
        script.has_windows,
        script.has_mac,
        action.targeting.api_enabled,
        script.run_as,
    ]
