"""Acting on devices and people: remote actions, campaigns and workflows of deployments/actions.

Four scenarios over one engine: assisted service, self-help, self-healing, on-demand data. Safe to
run again at any time: no target gets an action twice within its cool-down, and what may have been
sent is read back, never sent again. Triage: `nxp act status ACTION`, then `nxp act resolve`.
Devices may be named in parameters here; people only in files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from prefect import flow
from prefect.states import Cancelled
from pydantic import Field

from connectors.actions import ACTION_PATTERN
from connectors.errors import NotApprovedError, PartlyDoneError, UsageError
from connectors.ledger import Verdict
from flows.approval import TicketForm, ask_in_prefect
from flows.export import nql_export
from tasks.act.asked import PLAN, RUN, Asked
from tasks.act.recorded import RECORDED
from tasks.act.run import ActionRun, choose, open_action
from tasks.act.running import run_act, run_plan

Action = Annotated[str, Field(pattern=ACTION_PATTERN)]
# Not blank.
Said = Annotated[str, Field(pattern=r"\S")]
Reports = list[dict[str, Any]]
Told = TypeVar("Told")
NOTHING = Asked()


@flow(name="action-plan", flow_run_name="{action}", persist_result=False)
def action_plan(
    action: Action,
    devices: tuple[str, ...] = (),
    targets_file: Path | None = None,
    parameters: dict[str, str] | None = None,
    ticket: str = "",
    tenant: str | None = None,
) -> dict[str, Any]:
    """Plan an action, and keep the plan for approval; nothing is sent.

    Args:
        action: a name of deployments/actions.
        devices: names, uids or collector ids, where the action does not find its targets itself.
        targets_file: the same as a file on the worker; people are named in files only.
        parameters: of the action, beside and above those of its YAML.
        ticket: travels with the request as its external reference.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
    """
    asked = Asked(devices, targets_file, parameters or {}, ticket=ticket or None)
    with open_action(choose(action, tenant), PLAN) as run:
        return run_plan(run, asked, RECORDED)


@flow(name="action-run", flow_run_name="{action}", persist_result=False)
def action_run(
    action: Action,
    plan: str | None = None,
    plan_hash: str | None = None,
    devices: tuple[str, ...] = (),
    targets_file: Path | None = None,
    parameters: dict[str, str] | None = None,
    who: str | None = None,
    why: str | None = None,
    ticket: str = "",
    approve: bool = False,
    dry_run: bool = False,
    wait: bool = True,
    tenant: str | None = None,
) -> dict[str, Any]:
    """Send a plan of an action once it is approved; without one, plan first.

    Args:
        action: a name of deployments/actions.
        plan: a plan made before; one that was interrupted is gone on with.
        plan_hash: its hash, or the beginning of it.
        devices: names, uids or collector ids, where the action does not find its targets itself.
        targets_file: the same as a file on the worker; people are named in files only.
        parameters: of the action, beside and above those of its YAML.
        who: who asks for it, which approves the plan together with why.
        why: the reason, which is kept.
        ticket: travels with the request as its external reference.
        approve: wait for a person's word in Prefect, for 23 hours at most, also where the YAML
            needs none.
        dry_run: send nothing, whatever the YAML says.
        wait: wait for outcomes, as long as the YAML says.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
    """
    asked = Asked(devices, targets_file, parameters or {}, who, why, ticket or None, dry_run, wait)

    def work(run: ActionRun) -> dict[str, Any]:
        return run_act(run, asked, plan, plan_hash, _ask if approve else None, RECORDED)

    return _unless_declined(lambda: _landed(action, tenant, work))


@flow(name="assisted-service", flow_run_name="{action} {ticket}", persist_result=False)
def assisted_service(
    action: Action,
    devices: Annotated[tuple[str, ...], Field(min_length=1)],
    who: Said,
    why: Said,
    ticket: str = "",
    parameters: dict[str, str] | None = None,
    tenant: str | None = None,
) -> dict[str, Any]:
    """Run an action for named devices, as an engineer with a ticket does.

    Args:
        action: a name of deployments/actions whose targets a person names.
        devices: names, uids or collector ids of the devices.
        who: your name, kept as who approved it.
        why: the reason, which is kept.
        ticket: travels with the request as its external reference.
        parameters: of the action, beside and above those of its YAML.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
    """
    asked = Asked(devices, None, parameters or {}, who, why, ticket or None)
    return _acting(action, tenant, asked)


@flow(name="self-help", flow_run_name="{action}", persist_result=False)
def self_help(action: Action, tenant: str | None = None) -> Reports:
    """Ask the people at devices with a known issue, and act on the devices of those who agree.

    Each run asks whom the campaign's query finds anew, waits as long as the campaign's YAML says,
    and acts for all who have agreed by then, also to earlier runs.

    Args:
        action: a name of deployments/actions whose targets come from a consent.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
    """
    chosen = choose(action, tenant)
    consent = chosen.specification.targets.consent
    if consent is None:
        raise UsageError(f"{action} has no targets.consent: self-help acts for those who agreed")
    asked, shortfall = _partly(lambda: _acting(consent.campaign, tenant))
    acted = _acting(action, tenant)
    if shortfall:
        raise shortfall
    return [each for each in (asked, acted) if each]


@flow(name="self-healing", flow_run_name="{action}", persist_result=False)
def self_healing(action: Action, tenant: str | None = None) -> dict[str, Any]:
    """Find devices by a query, act on them without asking, and see what it helped.

    Args:
        action: a name of deployments/actions with a query for its targets.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
    """
    return _acting(action, tenant)


@flow(name="on-demand-data", flow_run_name="{action}", persist_result=False)
def on_demand_data(action: Action, tenant: str | None = None) -> dict[str, Any]:
    """Have devices collect data, and land what they return as a dataset.

    What has come lands, also where some devices failed or are still to answer.

    Args:
        action: a name of deployments/actions that says which dataset it lands.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
    """
    if choose(action, tenant).specification.lands is None:
        raise UsageError(f"{action} has no lands: on-demand data needs the dataset that lands it")
    return _landed(action, tenant, lambda run: run_act(run, Asked(), steps=RECORDED))


def _acting(action: str, tenant: str | None, asked: Asked = NOTHING) -> dict[str, Any]:
    with open_action(choose(action, tenant), RUN) as run:
        return run_act(run, asked, steps=RECORDED)


def _landed(
    action: str, tenant: str | None, work: Callable[[ActionRun], dict[str, Any]]
) -> dict[str, Any]:
    """Do a run's work, and land what devices have returned by then, where the action lands it."""

    def act() -> dict[str, Any]:
        with open_action(choose(action, tenant), RUN) as run:
            return work(run)

    acted, shortfall = _partly(act)
    lands = choose(action, tenant).specification.lands
    if lands and (shortfall or (acted and acted["requested"])):
        nql_export(lands, tenant=tenant)
    if shortfall:
        raise shortfall
    return acted or {}


def _unless_declined(work: Callable[[], Told]) -> Told:
    """Do a work; a plan to which a person said no is a cancelled run, not a failed one."""
    try:
        return work()
    except NotApprovedError as error:
        return Cancelled(message=str(error))  # type: ignore[return-value]


def _partly(work: Callable[[], Told]) -> tuple[Told | None, PartlyDoneError | None]:
    """Do what others depend on only in part, and give what was left out to be raised at the end."""
    try:
        return work(), None
    except PartlyDoneError as error:
        return None, error


def _ask(description: str) -> Verdict:
    answer = ask_in_prefect(description, TicketForm)
    ticket = answer.ticket.strip() if isinstance(answer, TicketForm) else ""
    return Verdict(answer.who.strip(), answer.why.strip(), ticket or None)
