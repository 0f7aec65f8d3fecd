"""Acting on devices and people: remote actions, campaigns and workflows of deployments/actions.

Four scenarios over one engine: assisted service, self-help, self-healing, on-demand data. Safe to
run again at any time: no target gets an action twice within its cool-down, and what may have been
sent is read back, never sent again. Triage: `nxp act status ACTION`, then `nxp act resolve`.
Parameters may name devices, but people are named only in files.
"""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from connectors.actions import ACTION_PATTERN
from connectors.errors import NotApprovedError, UsageError
from connectors.ledger import Verdict
from flows.approval import TicketForm, ask_in_prefect
from flows.naming import named
from flows.people import person_of_run
from tasks.act.asked import ActionAsked
from tasks.act.report import summary_of
from tasks.act.run import choose_action
from tasks.runs.recorded import cancelled, completed
from tasks.stories import act as stories
from tasks.stories import scenarios

Action = Annotated[str, Field(pattern=ACTION_PATTERN)]
# Not blank.
Said = Annotated[str, Field(pattern=r"\S")]


@flow(name="action-plan", flow_run_name=named("plan", "action"), persist_result=False)
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
        devices: names, uids or collector ids, if the action does not find its targets itself.
        targets_file: the same as a file on the worker; people are named in files only.
        parameters: of the action; they add to those of its YAML and override them.
        ticket: travels with the request as its external reference.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    asked = ActionAsked(
        devices, targets_file, parameters or {}, ticket=ticket or None, by=person_of_run()
    )
    return _completed(stories.plan(choose_action(action, tenant), asked))


@flow(name="action-run", flow_run_name=named("act", "action"), persist_result=False)
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
        plan: a plan made before; one that was interrupted is resumed.
        plan_hash: its hash, or the beginning of it.
        devices: names, uids or collector ids, if the action does not find its targets itself.
        targets_file: the same as a file on the worker; people are named in files only.
        parameters: of the action; they add to those of its YAML and override them.
        who: who asks for it; together with why, this approves the plan.
        why: the reason; it is kept.
        ticket: travels with the request as its external reference.
        approve: wait until a person approves the plan in Prefect, for 23 hours at most, even if
            the YAML needs no approval.
        dry_run: send nothing, even if the YAML would.
        wait: wait for outcomes, as long as the YAML says.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    asked = ActionAsked(
        devices,
        targets_file,
        parameters or {},
        who,
        why,
        ticket or None,
        dry_run,
        wait,
        person_of_run(who),
    )
    which = stories.WhichPlan(plan, plan_hash)
    try:
        chosen = choose_action(action, tenant)
        return _completed(scenarios.act_and_land(chosen, asked, which, _ask if approve else None))
    except NotApprovedError as error:
        # A person said no, so the run counts as cancelled and not as failed.
        return cancelled(error)  # type: ignore[no-any-return] # Prefect takes a state as a result


@flow(
    name="assisted-service",
    flow_run_name=named("act", "action", "ticket"),
    persist_result=False,
)
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
        who: your name, kept as the approver.
        why: the reason; it is kept.
        ticket: travels with the request as its external reference.
        parameters: of the action; they add to those of its YAML and override them.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    by = person_of_run(who)
    asked = ActionAsked(devices, None, parameters or {}, who, why, ticket or None, by=by)
    return _completed(stories.act(choose_action(action, tenant), asked))


@flow(name="self-help", flow_run_name=named("self-help", "action"), persist_result=False)
def self_help(action: Action, tenant: str | None = None) -> list[dict[str, Any]]:
    """Ask the people at devices with a known issue, and act on the devices of those who agree.

    Each run asks the people that the campaign's query finds for the first time, waits as long as
    the campaign's YAML says, and acts for all who have agreed, even if an earlier run asked them.

    Args:
        action: a name of deployments/actions: an action whose targets come from a consent, or a
            campaign whose answers choose actions.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    reports = scenarios.ask_and_act(action, tenant, person_of_run())
    return completed(reports, "; ".join(map(summary_of, reports)))


@flow(name="self-healing", flow_run_name=named("self-healing", "action"), persist_result=False)
def self_healing(action: Action, tenant: str | None = None) -> dict[str, Any]:
    """Find devices by a query, act on them without asking, and measure the effect.

    Args:
        action: a name of deployments/actions with a query for its targets.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    return _completed(stories.act(choose_action(action, tenant), ActionAsked(by=person_of_run())))


@flow(name="on-demand-data", flow_run_name=named("collect", "action"), persist_result=False)
def on_demand_data(action: Action, tenant: str | None = None) -> dict[str, Any]:
    """Have devices collect data, and land what they return as a dataset.

    What has arrived lands, even if some devices failed or have not answered yet.

    Args:
        action: a name of deployments/actions whose YAML names the dataset to land.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    chosen = choose_action(action, tenant)
    if chosen.specification.lands is None:
        raise UsageError(
            f"{action} has no lands: on-demand data needs the name of a dataset to land"
        )
    return _completed(scenarios.act_and_land(chosen, ActionAsked(by=person_of_run())))


def _completed(report: dict[str, Any]) -> dict[str, Any]:
    return completed(report, summary_of(report) if report else "nothing to act on")


def _ask(description: str) -> Verdict:
    answer = ask_in_prefect(description, TicketForm)
    ticket = answer.ticket.strip() if isinstance(answer, TicketForm) else ""
    return Verdict(answer.who.strip(), answer.why.strip(), ticket or None)
