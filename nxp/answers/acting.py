"""Answers of `nxp remote-actions`, `nxp workflows` and `nxp campaigns`."""

from dataclasses import dataclass
from typing import Annotated, Any

from connectors.nexthink.acting.models import (
    Dependency,
    RemoteAction,
    TriggerMethod,
    Workflow,
    WorkflowInput,
)
from nxp.answers.sources import absent, api, derived, ours

NOT_PROVIDED = "not provided by the API"


class RemoteActionShown(RemoteAction):
    """A remote action as the tenant describes it, and what the API does not say about it."""

    category: Annotated[None, absent("`purpose` is all that the API has of it.")] = None
    default_expires_in_minutes: Annotated[
        None,
        absent("The answer to `nxp remote-actions execute` says which expiration was applied."),
    ] = None
    not_provided: Annotated[
        tuple[str, ...], ours("The fields above that are null because the API lacks them.")
    ] = ("category", "default_expires_in_minutes")


@dataclass(frozen=True, slots=True)
class WorkflowInputShown:
    """One parameter of a workflow."""

    name: Annotated[str, api("versions[].parameters[].name", "Its name, as `-p` takes it.")]
    description: Annotated[str, api("versions[].parameters[].description", "Empty if not sent.")]
    type: Annotated[str | None, absent("Null, unless a tenant sends a `type`.")]
    required: Annotated[bool | None, absent("Null, unless a tenant sends `required`.")]
    options: Annotated[tuple[str, ...] | None, absent("Null, unless a tenant sends `options`.")]


@dataclass(frozen=True, slots=True)
class WorkflowShown:
    """A workflow as the tenant describes it; parameters are those of the version that runs."""

    id: Annotated[str, api("id", "NQL id.")]
    uuid: Annotated[str, api("uuid")]
    name: Annotated[str, api("name")]
    description: Annotated[str, api("description")]
    status: Annotated[str, api("status", "ACTIVE or INACTIVE.")]
    about: Annotated[
        Dependency | None,
        derived("versions[].hasDevice and hasUser", "What it acts on; null if not sent."),
    ]
    triggers: Annotated[
        tuple[TriggerMethod, ...], derived("triggerMethods", "How it may be triggered.")
    ]
    parameters: Annotated[tuple[str, ...], api("versions[].parameters", "The names of its inputs.")]
    inputs: Annotated[tuple[WorkflowInputShown, ...], api("versions[].parameters", "Its inputs.")]
    version: Annotated[
        Any, derived("versions[].version", "The version that runs: the active one, or the last.")
    ]
    versions: Annotated[int, derived("versions", "How many versions there are.")]
    last_update_time: Annotated[str, api("lastUpdateTime")]
    not_provided: Annotated[
        tuple[str, ...], ours("What the API does not say about its inputs: these are null.")
    ]


def remote_action(found: RemoteAction) -> RemoteActionShown:
    """Return a remote action as `show` prints it."""
    return RemoteActionShown.model_validate(found.model_dump())


def workflow(found: Workflow) -> WorkflowShown:
    """Return a workflow as `list` and `show` print it."""
    current = found.current
    inputs = current.inputs if current else ()
    return WorkflowShown(
        id=found.id,
        uuid=found.uuid,
        name=found.name,
        description=found.description,
        status=found.status,
        about=found.dependency,
        triggers=found.triggers,
        parameters=tuple(each.name for each in inputs),
        inputs=tuple(_input(each) for each in inputs),
        version=current.version if current else None,
        versions=len(found.versions),
        last_update_time=found.last_update_time,
        not_provided=tuple(
            f"inputs.{name}"
            for name in ("type", "required", "options")
            if any(getattr(each, name) is None for each in inputs)
        ),
    )


def _input(given: WorkflowInput) -> WorkflowInputShown:
    return WorkflowInputShown(
        given.name, given.description, given.type, given.required, given.options
    )
