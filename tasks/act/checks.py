"""Checking an action against the tenant's own description of it, before targets are planned."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connectors.actions import ActionKind, ActionSpecification
from connectors.errors import ConfigurationError
from connectors.nexthink.acting.models import ActionInput, Dependency, RemoteAction, Workflow
from tasks.act.run import ActionRun


@dataclass(frozen=True, slots=True)
class ActionDescription:
    """The part of the tenant's description that planning needs.

    Attributes:
        devices, people: what the action is about.
        windows, mac: the systems it has a script for; both if it has no script.
        is_whole: its request may not be split.
        run_as: the account a remote action runs as; None for other kinds.
        title: the tenant's name of it, "" if it has none.
        description: the tenant's.
    """

    devices: bool
    people: bool
    windows: bool = True
    mac: bool = True
    is_whole: bool = False
    run_as: str | None = None
    title: str = ""
    description: str = ""


def describe_action(run: ActionRun, parameters: Mapping[str, str]) -> ActionDescription:
    """Read the tenant's description of an action; raise unless the action fits it.

    The API does not describe campaigns: whether one fits shows in the answer to its request.

    Raises:
        ConfigurationError: the action does not fit; the message lists every reason.
        PipelineError: the tenant does not know it, or cannot be asked.
    """
    specification, client = run.specification, run.tools.client
    match specification.kind:
        case ActionKind.REMOTE_ACTION:
            action = client.remote_actions.details(specification.id)
            _refuse(specification, list(remote_action_problems(specification, action, parameters)))
            return ActionDescription(
                devices=True,
                people=False,
                windows=action.script.has_windows,
                mac=action.script.has_mac,
                run_as=action.script.run_as or None,
                title=action.name,
                description=action.description,
            )
        case ActionKind.WORKFLOW:
            workflow = client.workflows.details(specification.id)
            _refuse(specification, list(workflow_problems(workflow, parameters)))
            about = workflow.dependency
            both = about is Dependency.USER_AND_DEVICE
            return ActionDescription(
                # If the tenant does not say, the targets are taken as devices.
                devices=both or about in (Dependency.DEVICE, None),
                people=both or about is Dependency.USER,
                is_whole=both,
                title=workflow.name,
                description=workflow.description,
            )
        case ActionKind.CAMPAIGN:
            return ActionDescription(devices=False, people=True)


def remote_action_problems(
    specification: ActionSpecification, action: RemoteAction, parameters: Mapping[str, str]
) -> Iterator[str]:
    """Yield why a remote action would be refused, or would not do what its YAML says."""
    if not action.targeting.api_enabled:
        yield "it may not be triggered by the API: enable that in Nexthink"
    if specification.run_as is not None and specification.run_as != action.script.run_as:
        yield (
            f"run_as: the YAML says {specification.run_as}, the tenant {action.script.run_as}: it "
            "would run with different rights"
        )
    inputs = {each.id: each for each in action.script.inputs}
    known = ", ".join(inputs) or "none"
    for name in parameters:
        if name not in inputs:
            yield f"parameter {name}: its inputs are {known}"
        elif problem := _input_problem(inputs[name], parameters[name]):
            yield f"parameter {name}: {problem}"
    if missing := missing_inputs(action, parameters):
        yield f"parameters are missing: {', '.join(missing)}"


def missing_inputs(action: RemoteAction, parameters: Mapping[str, str]) -> list[str]:
    """Return the inputs of a remote action that have no value.

    People's devices are not the place to find out what a script does without an input.
    """
    return [each.id for each in action.script.inputs if each.id not in parameters]


def workflow_problems(workflow: Workflow, parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield why a workflow would be refused."""
    if not workflow.is_active:
        yield "it is not active: activate it in Nexthink"
    if not workflow.trigger_methods.api:
        yield "it may not be triggered by the API: enable that in Nexthink"
    version = workflow.current
    # No parameters may only mean that the tenant does not describe them.
    known = version.parameters if version else ()
    for name in parameters:
        if known and name not in known:
            yield f"parameter {name}: its parameters are {', '.join(known)}"


def _input_problem(known: ActionInput, value: str) -> str | None:
    if known.options and not known.allow_custom_value and value not in known.options:
        return f"takes one of {', '.join(known.options)}"
    return None


def _refuse(specification: ActionSpecification, problems: list[str]) -> None:
    if problems:
        name = f"action {specification.action} ({specification.id})"
        raise ConfigurationError(name, problems=tuple(problems))
