"""What is known about an action's plans, requests and targets; and settling what is open."""

import tempfile
import uuid
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.errors import UsageError
from connectors.lake import Lake
from connectors.ledger import ActionPlanRecord, Ledger, open_ledger
from connectors.settings.installation import Settings
from tasks.act.card import SHOWN_ROWS, card_lines
from tasks.act.counted import outcomes_of
from tasks.act.kept import show_in_lake
from tasks.act.lookup import look_up
from tasks.act.outcomes import keep_shown
from tasks.act.plan_file import page_path, read_plan
from tasks.act.readback import read_executions
from tasks.act.run import choose_action, open_action, take_action

REFRESH: Final = "refresh"
# As far back as the saved queries go.
_PAST: Final = timedelta(days=30)
_NEWEST: Final = 20


def overview(ledger: Ledger, action: str, plan_id: str | None = None) -> list[dict[str, Any]]:
    """Return an action's plans, newest first, or one of them, with requests and outcomes.

    Raises:
        UsageError: there is no such plan.
    """
    plans = ledger.action_plans.of(action, limit=_NEWEST)
    chosen = [_plan(ledger, action, plan_id)] if plan_id else plans
    return [_overview(ledger, each) for each in chosen]


def planned_rows(
    settings: Settings, tenant: str, action: str, plan_id: str | None = None
) -> list[dict[str, Any]]:
    """Return everyone that a plan names, and why some were left out: people's data.

    Raises:
        UsageError: the action has no such plan.
        StaleError: the plan's file is gone.
    """
    with open_ledger(settings.ledger_url.get_secret_value(), tenant) as ledger:
        found = _plan(ledger, action, plan_id)
        known = ledger.actions.targets(plan_id=found.plan_id)
    lake = Lake(settings.lake, tenant, settings.home / "staging")
    with tempfile.TemporaryDirectory() as scratch:
        rows = read_plan(lake, found, Path(scratch)).rows
    shown = rows.join(
        known.select("target", "state", "status", "details", "answers"), on="target", how="left"
    )
    columns = ["device", "name", "person", "reason", "state", "status", "details", "answers"]
    return shown.select(columns).to_dicts()


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """One plan as a person sees it.

    Attributes:
        record: of the plan.
        card: names and texts, in order; devices by their names, and no people.
        page: where the page with all names is.
        rows: everybody it names, and why some were left out: people's data.
    """

    record: ActionPlanRecord
    card: list[tuple[str, str]]
    page: str
    rows: list[dict[str, Any]] = field(repr=False)


def read_plan_card(
    settings: Settings, tenant: str, action: str, plan_id: str | None = None
) -> ShownPlan:
    """Return one of an action's plans, the newest by default, on its card.

    Raises:
        UsageError: the action has no such plan, or a release before the card made it.
        StaleError: the plan's file is gone.
    """
    with open_ledger(settings.ledger_url.get_secret_value(), tenant) as ledger:
        record = _plan(ledger, action, plan_id)
    lake = Lake(settings.lake, tenant, settings.home / "staging")
    with tempfile.TemporaryDirectory() as scratch:
        plan = read_plan(lake, record, Path(scratch))
    names = plan.targets["name"].drop_nulls().unique(maintain_order=True).to_list()
    return ShownPlan(
        record,
        card_lines(record, names),
        lake.location(page_path(record.location)),
        plan.rows.select(SHOWN_ROWS).to_dicts(),
    )


def refresh_action(action: str, tenant: str | None = None) -> str | None:
    """Settle an action's requests that are in doubt, and read back its outcomes.

    Returns:
        The dataset that lands what its devices return, if it names one; it is not exported here.

    Raises:
        PipelineError: the export failed, or another run holds the action.
    """
    with open_action(choose_action(action, tenant), REFRESH) as run:
        with run.lease():
            since = run.now - _PAST
            executions = read_executions(run, since)
            look_up(run, executions)
            keep_shown(run, executions, since)
            # Also what an earlier release, or a person, has settled without the lake.
            journal = run.ledger.actions
            show_in_lake(run.lake, journal, journal.requests(action=run.key, since=since))
        counts = {"units": 0, "rows_landed": 0, "rows_rejected": 0, "error": None}
        run.ledger.finish_run(run.run_id, "done", counts)
        return run.specification.lands


def resolve_request(ledger: Ledger, intent_id: str, *, sent: bool, why: str) -> None:
    """Record what a person found out about a request, under its action's lease.

    A request that has not left this machine can be given up, as not sent.

    Raises:
        UsageError: there is no such request, or nothing to resolve.
        HeldError: a run holds the action.
    """
    request = ledger.actions.get(intent_id)
    if request is None:
        raise UsageError(f"there is no request {intent_id}: nxp act status lists them")
    key = (request.kind, request.action_id)
    with take_action(ledger, key, str(uuid.uuid4())):
        # The run that was sending has ended: otherwise it would still hold the lease.
        ledger.actions.doubt(*key)
        ledger.actions.resolve(intent_id, sent=sent, why=why)


def _plan(ledger: Ledger, action: str, plan_id: str | None) -> ActionPlanRecord:
    found = ledger.action_plans.get(plan_id) if plan_id else None
    if plan_id is None:
        found = next(iter(ledger.action_plans.of(action, limit=1)), None)
    if found is None or found.action != action:
        raise UsageError(f"{action} has no such plan: nxp act plan {action} makes one")
    return found


def _overview(ledger: Ledger, plan: ActionPlanRecord) -> dict[str, Any]:
    rows = ledger.actions.targets(plan_id=plan.plan_id)
    states = rows.group_by("state").agg(pl.len()).sort("state")
    return {
        **{name: value for name, value in asdict(plan).items() if name != "summary"},
        "targets": plan.summary["targets"],
        "requests": plan.summary["requests"],
        "excluded": plan.summary["excluded"],
        "run_as": plan.summary.get("run_as"),
        "states": dict(states.iter_rows()),
        "outcomes": outcomes_of(rows),
        "sent": [asdict(each) for each in ledger.actions.requests(plan_id=plan.plan_id)],
    }
