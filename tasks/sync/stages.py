"""The stages of a sync's run: pull, resolve, plan, push, verify.

Each is one recorded step, whatever the number of objects.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from connectors.counting import number_of
from connectors.errors import UsageError
from connectors.ledger import Lease, PlanState
from tasks.runs.progress import LANDED, Progress, tell
from tasks.runs.recorded import recorded
from tasks.sync.applied import Applied
from tasks.sync.apply import apply_plan
from tasks.sync.asked import APPLY, PLAN, VERIFY, SyncAsked
from tasks.sync.draft import Look
from tasks.sync.guards import check_accepted
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.plan import make_plan, retire_plan, retry_plan, undo_plan
from tasks.sync.plan_file import SyncPlan
from tasks.sync.planning import Planning
from tasks.sync.pull import Pulled, PullState, pull_sources
from tasks.sync.recovery import recover
from tasks.sync.run import SyncRun
from tasks.sync.shape import Shaped, shaped
from tasks.sync.staleness import load_plan
from tasks.sync.tenant_values import TenantValues, is_long_unread, read_tenant
from tasks.sync.verified import Verified
from tasks.sync.verify import verify_sync, verify_values
from tasks.sync.wanted import SourceCounts


def planning_of(run: SyncRun) -> Planning:
    """Return what plans of the run are made from, as of now."""
    return Planning(run.specification, run.ledger, run.lake, run.folder(), run.tools.clock())


def look_of(run: SyncRun) -> Look:
    """Return how a planning looks at the tenant: by the sync's query, if it has one."""

    def read() -> TenantValues | None:
        return read_tenant(run) if run.specification.verify else None

    return Look(read, partial(verify_values, run))


def _pulled(pulled: Pulled) -> str:
    rows = [f"{source.rows:,} rows of {name}" for name, source in pulled.sources.items()]
    changes = f"; only changes of {pulled.changes_of}" if pulled.changes_of else ""
    return f"{', '.join(rows)}{changes}"


def _resolved(rows: Shaped) -> str:
    at = rows.inventory_at
    by = f", to look up in the inventory of {at:%Y-%m-%d %H:%M:%SZ}" if at else ""
    return f"{rows.counts.rows:,} rows{by}"


def _planned(plan: SyncPlan) -> str:
    source = plan.summary.source or SourceCounts()
    left = {
        "unmatched": source.unmatched,
        "ambiguous": source.ambiguous,
        "without key": source.without_key,
    }
    left_out = "".join(f", {count:,} rows {why}" for why, count in left.items() if count)
    values, objects = plan.summary.rows, plan.summary.keys
    return f"{number_of(values, 'value')} of {number_of(objects, 'object')}{left_out}"


def _applied(applied: Applied) -> str:
    taken, objects = applied.objects[ObjectOutcome.ACKNOWLEDGED], applied.objects.total()
    requests = number_of(applied.requests, "request")
    return f"{taken:,} of {objects:,} objects acknowledged in {requests}"


def _verified(verified: Verified) -> str:
    return f"convergence {verified.convergence:.2f} %, {verified.differs:,} values differ"


@recorded("pull", says=_pulled)
def pull_tables(run: SyncRun, planning: Planning, asked: SyncAsked) -> Pulled:
    """Pull the sources: all rows, or the changes since the last apply."""
    record = run.ledger.syncs.read(run.sync)
    cursors = record.cursors or {}
    is_damaged = record.is_damaged or not isinstance(cursors, Mapping)
    kept = PullState(
        record.specification, record.full_at, {} if is_damaged else cursors, is_damaged
    )
    tell(Progress(run.sync, PLAN, "pulling"))
    return pull_sources(run.specification, run.folder(), kept, planning.now, full=asked.full)


@recorded("resolve", says=_resolved)
def resolve(run: SyncRun, planning: Planning, pulled: Pulled, files: ExitStack) -> Shaped:
    """Read the sync's SELECT over the sources, and the inventory that gives the identities.

    What it writes is deleted when `files` is closed.
    """
    tell(Progress(run.sync, PLAN, "comparing", sum(each.rows for each in pulled.sources.values())))
    return files.enter_context(
        shaped(run.specification, pulled, run.lake, run.folder(), planning.now)
    )


@recorded("plan", says=_planned)
def plan_rows(
    run: SyncRun, planning: Planning, asked: SyncAsked, pulled: Pulled, rows: Shaped
) -> SyncPlan:
    """Match rows with objects, compare them with what is known, and write a plan."""
    plan = make_plan(
        planning,
        rows.ranges(),
        rows.counts,
        cursors=dict(pulled.cursors),
        inventory_at=rows.inventory_at,
        accepted=asked.accepted,
        made_by=run.run_id,
        look=look_of(run),
    )
    rows.keep_rejects(run.lake, run.run_id, run.started_at)
    tell(Progress(run.sync, PLAN, LANDED))
    return plan


@recorded("plan again", says=_planned)
def plan_again(run: SyncRun) -> SyncPlan:
    """Plan values again that are not acknowledged. Call it under the sync's lease."""
    return retry_plan(planning_of(run), look_of(run))


@recorded("plan back", says=_planned)
def plan_back(run: SyncRun, plan_id: str) -> SyncPlan:
    """Plan to take a plan's values back. Call it under the sync's lease."""
    return undo_plan(planning_of(run), plan_id, look_of(run))


@recorded("plan to retire", says=_planned)
def plan_to_retire(run: SyncRun, asked: SyncAsked) -> SyncPlan:
    """Plan to empty all that the sync has set. Call it under the sync's lease."""
    return retire_plan(
        planning_of(run), accepted=asked.accepted, made_by=run.run_id, look=look_of(run)
    )


def find_plan(run: SyncRun, plan_id: str | None) -> SyncPlan:
    """Open a plan, the newest one if none is named.

    Raises:
        UsageError: there is none.
        StaleError: it is no longer valid.
    """
    if plan_id is None:
        newest = run.ledger.plans.of(run.sync, limit=1)
        if not newest:
            raise UsageError(f"{run.sync} has no plan: nxp plan {run.sync} makes one")
        plan_id = newest[0].plan_id
    return load_plan(planning_of(run), plan_id)


@recorded("push", says=_applied)
def push_plan(run: SyncRun, plan: SyncPlan, lease: Lease) -> Applied:
    """Apply a plan if its guards are accepted; resume one that was interrupted.

    Raises:
        DataRefusedError: a guard tripped that nobody accepted; nothing was sent.
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


def is_read_due(run: SyncRun, applied: Applied | None) -> bool:
    """Return whether the tenant has to be read: values were sent since it was, or a day is over.

    With nothing to send and nothing to verify, no export is spent.
    """
    if applied and applied.requests:
        return True
    if run.ledger.enriched.key_at(run.sync, None, None, 0) is None:
        return False
    record = run.ledger.syncs.read(run.sync)
    return is_long_unread(record, run.tools.clock()) or any(
        plan.summary["rows"] and plan.finished_at and plan.finished_at > record.read_at
        for plan in run.ledger.plans.of(run.sync, state=PlanState.APPLIED)
        if record.read_at
    )


@recorded("verify", says=_verified)
def verify_applied(run: SyncRun, applied: Applied | None, lease: Lease) -> Verified:
    """Read back, once enough time has passed for what was sent to show."""
    sent_at = run.tools.clock() if applied and applied.requests else None
    verified = verify_sync(run, lease, sent_at=sent_at)
    tell(Progress(run.sync, VERIFY, LANDED))
    return verified
