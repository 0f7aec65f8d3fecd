"""Whether a plan of a sync may still be applied: its YAML, its age, and what was begun since."""

from datetime import timedelta
from typing import Final

from connectors.errors import StaleError, UsageError
from connectors.ledger import PlanRecord, PlanState
from tasks.sync.plan_file import PlanSummary, SyncPlan
from tasks.sync.planning import Planning
from tasks.sync.recovery import open_plan

LONGEST_LIFE: Final = timedelta(hours=24)


def load_plan(planning: Planning, plan_id: str) -> SyncPlan:
    """Open a plan to apply or resume it. A plan that has been applied is returned as it is.

    Raises:
        UsageError: the sync has no such plan.
        StaleError: the sync's YAML, its ledger or the plan's file has changed, or 24 hours are
            over.
    """
    record = planning.ledger.plans.get(plan_id)
    if record is None or record.sync != planning.sync:
        raise UsageError(f"{planning.sync} has no plan {plan_id}: nxp plan makes one")
    if record.state == PlanState.APPLIED.value:
        path = planning.scratch / record.location
        return SyncPlan(record, PlanSummary.from_json(record.summary), path)
    if reason := _staleness(planning, record):
        raise StaleError(f"{planning.sync}: {reason} since plan {plan_id} was made: plan again")
    return open_plan(planning, record)


def _staleness(planning: Planning, record: PlanRecord) -> str | None:
    if record.specification != planning.fingerprint:
        return "the sync's YAML has changed"
    if record.version != planning.ledger.syncs.read(planning.sync).version:
        return "another plan was begun"
    if record.state == PlanState.STALE.value:
        return "another plan was begun"
    if planning.now - record.created_at > LONGEST_LIFE:
        return "more than 24 hours have passed"
    return None
