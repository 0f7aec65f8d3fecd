"""Whether a plan may still be sent: its hash, its age, and what has happened since."""

from typing import Final

import polars as pl

from connectors.errors import StaleError, UsageError
from connectors.ledger import ActionPlanRecord, ActionPlanState
from connectors.ledger.action_requests import RequestState
from tasks.act.plan_file import PLAN_LIFE, ActionPlan, read_plan
from tasks.act.preconditions import acted_elsewhere
from tasks.act.run import ActionRun

SHORTEST_HASH: Final = 8


def load_plan(run: ActionRun, plan_id: str, sha256: str | None = None) -> ActionPlan:
    """Open a plan to run or resume it.

    Args:
        run: of the plan's action.
        plan_id: the plan.
        sha256: its hash, or the beginning of it, as shown to the person who reviewed the plan.

    Raises:
        UsageError: the action has no such plan, or the hash is too short.
        StaleError: the plan has another hash, the YAML has changed, or 24 hours are over.
    """
    record = run.ledger.action_plans.get(plan_id)
    if record is None or record.action != run.action:
        raise UsageError(f"{run.action} has no plan {plan_id}: nxp act plan {run.action} makes one")
    if sha256 is not None and not (sha256 and record.sha256.startswith(sha256.lower())):
        raise StaleError(f"{run.action}: plan {plan_id} has another hash; nothing was sent")
    if sha256 is not None and len(sha256) < SHORTEST_HASH:
        raise UsageError(
            f"{run.action}: the hash of a plan needs at least {SHORTEST_HASH} of its characters, "
            "so that no other plan begins with them; nothing was sent"
        )
    is_over = record.state in (ActionPlanState.RUNNING, ActionPlanState.FINISHED)
    if not is_over and (reason := _staleness(run, record)):
        run.ledger.action_plans.outdate(plan_id)
        raise StaleError(
            f"{run.action}: {reason} since plan {plan_id} was made: plan again; nothing was sent"
        )
    return read_plan(run.lake, record, run.folder())


def check_unchanged_since(run: ActionRun, plan: ActionPlan) -> None:
    """Raise, right before a plan begins, if somebody else has acted on its targets since.

    Raises:
        StaleError: somebody has; plan again.
    """
    if plan.targets.is_empty():
        return
    others = acted_elsewhere(run)
    acted_on = plan.targets.filter(pl.col("target").is_in(others.implode()))
    if acted_on.height:
        run.ledger.action_plans.outdate(plan.plan_id)
        raise StaleError(
            f"{run.action}: somebody else has acted on {acted_on.height:,} of its "
            f"{plan.targets.height:,} targets since plan {plan.plan_id} was made: plan again; "
            "nothing was sent"
        )


def give_up_outdated(run: ActionRun, record: ActionPlanRecord) -> bool:
    """Give up requests that an interrupted plan has left and that must no longer be sent.

    That is all of them if the plan is too old or its YAML now names another action, and otherwise
    those whose targets somebody else has acted on. Their targets may be planned again.

    Returns:
        Whether something is left to be sent.

    Raises:
        PipelineError: as the export of the executions.
    """
    journal = run.ledger.actions
    waiting = journal.requests(plan_id=record.plan_id, states=[RequestState.INTENT])
    if run.now - record.created_at > PLAN_LIFE:
        outdated, why = waiting, "interrupted for 24 hours"
    elif (record.kind, record.action_id) != run.key:
        outdated, why = waiting, "the YAML names another action"
    elif waiting:
        others = acted_elsewhere(run).implode()
        targets = {each.intent_id: journal.targets(intent_id=each.intent_id) for each in waiting}
        outdated = [
            each for each in waiting if targets[each.intent_id]["target"].is_in(others).any()
        ]
        why = "somebody else has acted on its targets"
    else:
        return bool(waiting)
    for each in outdated:
        journal.give_up(each.intent_id, why)
    return len(outdated) < len(waiting)


def _staleness(run: ActionRun, record: ActionPlanRecord) -> str | None:
    if record.state == ActionPlanState.STALE:
        return "what it was made from has changed"
    if record.specification != run.specification.fingerprint:
        return "the action's YAML has changed"
    if record.version != run.ledger.actions.version(*run.key):
        return f"{run.specification.id} was requested"
    if run.now - record.created_at > PLAN_LIFE:
        return "more than 24 hours have passed"
    return None
