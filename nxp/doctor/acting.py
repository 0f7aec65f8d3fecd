"""The list of what acts on devices and people, or writes to a tenant, without a person's start."""

from collections.abc import Iterator, Mapping
from typing import Any

from prefect.events.actions import RunDeployment

from connectors.actions import ActionSpecification
from nxp.deployment.comparison import active_schedules
from nxp.deployment.files import acts
from nxp.deployment.server import ServerInventory
from nxp.doctor.finding import Finding, ok

CHECK = "acting"


def look_at_acting(
    found: ServerInventory, actions: Mapping[str, ActionSpecification]
) -> Iterator[Finding]:
    """Yield a finding for each deployment that acts by its schedule or by an automation."""
    starts = _starts(found)
    for name, when in sorted(starts.items()):
        known = found.deployments[name]
        does = _does(known.parameters, actions)
        yield ok(CHECK, f"{name} acts by itself ({'; '.join(when)}): {does}")
    if not starts:
        yield ok(CHECK, "nothing acts on devices or people, or writes to a tenant, by itself")


def _starts(found: ServerInventory) -> dict[str, list[str]]:
    """Return what starts each acting deployment: its schedules, and automations that are on."""
    acting = {name: each for name, each in found.deployments.items() if acts(each.entrypoint)}
    starts = {name: list(active_schedules(each).values()) for name, each in acting.items()}
    for automation in found.automations.values():
        for action in automation.actions if automation.enabled else ():
            if not isinstance(action, RunDeployment):
                continue
            for name, each in acting.items():
                if each.id == action.deployment_id:
                    starts[name].append(f"automation {automation.name}")
    return {name: when for name, when in starts.items() if when}


def _does(parameters: Mapping[str, Any], actions: Mapping[str, ActionSpecification]) -> str:
    """Return in words what a deployment's run sends, as the files on this machine say."""
    asks = ", asks a person first" if parameters.get("approve") else ""
    if "sync" in parameters:
        return f"sends sync {parameters['sync']} to the tenant, under its guards{asks}"
    name = str(parameters.get("action", ""))
    action = actions.get(name)
    if action is None:
        return f"action {name or 'not named'}, not in this catalogue{asks}"
    listed = [_described(action)]
    chosen = {choice.action for choice in action.answers.values()}
    listed += [_described(each) for name, each in actions.items() if name in chosen]
    consent = action.targets.consent
    if consent and (campaign := actions.get(consent.campaign)):
        listed.insert(0, _described(campaign))
    return " and ".join(listed) + asks


def _described(action: ActionSpecification) -> str:
    dry = str(action.dry_run).lower()
    allow = ", refused: allow names people, and a schedule is nobody" if action.allow else ""
    return (
        f"action {action.action} (dry_run: {dry}, approval: {action.approval.value}, "
        f"at most {action.limits.targets:,} targets{allow})"
    )
