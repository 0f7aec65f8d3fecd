"""The stages of a sync's run: planning, applying, reading back, reporting.

Each is a plain function, and once more a recorded task run: one per stage, whatever it moves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from prefect import task
from prefect.cache_policies import NO_CACHE

from connectors.errors import UsageError
from connectors.ledger import Lease, PlanState
from tasks.runs.progress import LANDED, Progress, tell
from tasks.sync.apply import Applied, apply_plan
from tasks.sync.asked import APPLY, PLAN, VERIFY, Asked
from tasks.sync.guards import check_accepted
from tasks.sync.plan import load_plan, make_plan, retry_plan
from tasks.sync.plan_file import Plan
from tasks.sync.planning import Planning
from tasks.sync.pull import Kept, pull_sources
from tasks.sync.recovery import recover
from tasks.sync.report import Stages, SyncReport, report_sync, settle
from tasks.sync.run import SyncRun
from tasks.sync.shape import shaped
from tasks.sync.verify import Verified, verify_sync


def planning_of(run: SyncRun) -> Planning:
    """Say what plans of the run are made with, at this moment."""
    return Planning(run.specification, run.ledger, run.lake, run.folder(), run.tools.clock())


def plan_sync(run: SyncRun, asked: Asked) -> Plan:
    """Pull, shape, compare, and write a plan. Call it under the sync's lease."""
    planning, specification = planning_of(run), run.specification
    record = run.ledger.syncs.read(run.sync)
    kept = Kept(record.specification, record.full_at, record.cursors or {})
    tell(Progress(run.sync, PLAN, "pulling"))
    pulled = pull_sources(specification, run.folder(), kept, planning.now, full=asked.full)
    tell(Progress(run.sync, PLAN, "comparing", sum(each.rows for each in pulled.sources.values())))
    with shaped(specification, pulled, run.lake, run.folder(), planning.now) as rows:
        plan = make_plan(
            planning,
            rows.ranges(),
            rows.counts,
            cursors=dict(pulled.cursors),
            inventory_at=rows.inventory_at,
            accepted=asked.accepted,
            made_by=run.run_id,
        )
        rows.keep_rejects(run.lake, run.run_id, run.started_at)
    tell(Progress(run.sync, PLAN, LANDED))
    return plan


def plan_again(run: SyncRun, _asked: Asked) -> Plan:
    """Plan what is not acknowledged once more. Call it under the sync's lease."""
    return retry_plan(planning_of(run))


def find_plan(run: SyncRun, plan_id: str | None) -> Plan:
    """Open a plan, the newest one where none is named.

    Raises:
        UsageError: there is none.
        StaleError: it counts no more.
    """
    if plan_id is None:
        newest = run.ledger.plans.of(run.sync, limit=1)
        if not newest:
            raise UsageError(f"{run.sync} has no plan: nxp plan {run.sync} makes one")
        plan_id = newest[0].plan_id
    return load_plan(planning_of(run), plan_id)


def apply_found(run: SyncRun, plan: Plan, lease: Lease) -> Applied:
    """Apply a plan whose guards are accepted; one that was interrupted is gone on with.

    Raises:
        DataRefusedError: a guard tripped that nobody has accepted; nothing was sent.
        PipelineError: as `apply_plan`.
    """
    record = run.ledger.plans.get(plan.plan_id) or plan.record
    check_accepted(run.sync, plan.summary.findings, record.accepted)
    if plan.record.state == PlanState.APPLYING.value:
        recover(planning_of(run))
    started = replace(plan, record=run.ledger.plans.start(plan.plan_id))
    is_resumed = plan.record.state == PlanState.APPLYING.value
    applied = apply_plan(run, started, lease, is_resumed=is_resumed)
    tell(Progress(run.sync, APPLY, LANDED))
    return applied


def verify_applied(run: SyncRun, applied: Applied | None, lease: Lease) -> Verified:
    """Read back, once what was sent has had its time to show."""
    sent_at = run.tools.clock() if applied and applied.requests else None
    verified = verify_sync(run, lease, sent_at=sent_at)
    tell(Progress(run.sync, VERIFY, LANDED))
    return verified


@dataclass(frozen=True, slots=True)
class Steps:
    """The stages of a run: plain functions, or the same ones as recorded task runs."""

    plan: Callable[[SyncRun, Asked], Plan] = plan_sync
    again: Callable[[SyncRun, Asked], Plan] = plan_again
    apply: Callable[[SyncRun, Plan, Lease], Applied] = apply_found
    verify: Callable[[SyncRun, Applied | None, Lease], Verified] = verify_applied
    report: Callable[[SyncRun, Stages], SyncReport] = settle


PLAIN: Final = Steps()


def _task(name: str) -> Any:
    return task(
        name=name, task_run_name=f"{name} {{run.sync}}", cache_policy=NO_CACHE, persist_result=False
    )


RECORDED: Final = Steps(
    _task("plan")(plan_sync),
    _task("plan again")(plan_again),
    _task("apply")(apply_found),
    _task("verify")(verify_applied),
    report_sync,
)
