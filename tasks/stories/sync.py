"""A sync: planned, applied, both, or tried again.

Its stages: pull the tables, resolve identities, plan, build and push batches, verify, report.
A run keeps its report however it ends, and then raises if anything was left out. What one stage has
saved does not depend on the stages after it.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

from connectors.clock import utc_now
from connectors.errors import LimitReachedError, PipelineError, StorageError, UnavailableError
from connectors.ledger import Lease, PlanState
from tasks.runs.progress import tell_report
from tasks.sync.asked import APPLY, PLAN, RETIRE, RETRY, SYNC, UNDO, SyncAsked
from tasks.sync.ended import SyncStages, shortfall
from tasks.sync.guards import check_accepted
from tasks.sync.plan_file import SyncPlan
from tasks.sync.plan_view import fields_markdown, review
from tasks.sync.ready import check_inventory
from tasks.sync.report import described, report_sync
from tasks.sync.retiring import adopt, check_adoption, forget_emptied
from tasks.sync.run import ChosenSync, SyncRun, open_sync
from tasks.sync.stages import (
    find_plan,
    is_read_due,
    plan_again,
    plan_back,
    plan_rows,
    plan_to_retire,
    planning_of,
    pull_tables,
    push_plan,
    resolve,
    verify_applied,
)
from tasks.sync.standing import read_standing
from tasks.sync.tenant_values import check_readable

# A key of `accepted`, next to the names of guards.
APPROVAL = "approval"

Clock: TypeAlias = Callable[[], datetime]
Sleep: TypeAlias = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class SyncApproval:
    """Who agreed to a plan, and why."""

    who: str
    why: str


# Shows a person a description of the plan, and waits for the answer.
Approve: TypeAlias = Callable[[str], SyncApproval]


def plan(
    chosen: ChosenSync, asked: SyncAsked, clock: Clock = utc_now, sleep: Sleep = time.sleep
) -> dict[str, Any]:
    """Plan a sync, and keep the plan for `nxp apply`; return the report with masked samples.

    Raises:
        DataRefusedError: a guard tripped; the plan is kept anyway.
        PipelineError: nothing was planned.
    """
    stages = SyncStages()

    def work(run: SyncRun) -> None:
        with run.lease(), plan_sync(run, asked) as made:
            stages.take(made)
            review(run.ledger, run.lake, made, run.folder())
            stages.samples = [asdict(sample) for sample in made.samples()]
            check_accepted(run.sync, made.summary.findings, made.record.accepted)

    check_inventory(chosen, clock)
    with open_sync(chosen, PLAN, clock, sleep) as run:
        return _reported(run, stages, work)


def apply(
    chosen: ChosenSync,
    plan_id: str | None,
    asked: SyncAsked,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> dict[str, Any]:
    """Apply a plan, the newest one if none is named; one that was applied before sends nothing.

    Raises:
        StaleError: the plan is no longer valid.
        PipelineError: as the stages; what was acknowledged is recorded.
    """
    stages = SyncStages()

    def work(run: SyncRun) -> None:
        with run.lease() as lease, find_plan(run, plan_id) as found:
            stages.take(found)
            if asked.accepted and found.record.state == PlanState.PLANNED.value:
                run.ledger.plans.accept(found.plan_id, asked.accepted)
            _apply(run, found, lease, asked, stages)

    with open_sync(chosen, APPLY, clock, sleep) as run:
        return _reported(run, stages, work)


def sync(
    chosen: ChosenSync,
    asked: SyncAsked,
    approve: Approve | None = None,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> dict[str, Any]:
    """Plan and apply; with `approve`, only once a person has agreed to the plan.

    Raises:
        ConfigurationError: the sync has no query that reads what the tenant holds.
        NotApprovedError: a person looked and said no, or nobody answered in time.
        PipelineError: as the stages; what was acknowledged is recorded.
    """
    stages = SyncStages()
    check_readable(chosen.specification)

    def work(run: SyncRun) -> None:
        if asked.adopt:
            with run.lease():
                adopt(run, asked.adopt)
        _plan_and_apply(run, asked, approve, stages, plan_sync)

    check_inventory(chosen, clock)
    if asked.adopt:
        check_adoption(chosen, asked.adopt)
    with open_sync(chosen, SYNC, clock, sleep) as run:
        return _reported(run, stages, work)


def retire(
    chosen: ChosenSync,
    asked: SyncAsked,
    approve: Approve | None = None,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> dict[str, Any]:
    """Empty all that a sync has set, once a person has accepted it, and forget the sync.

    Args:
        chosen: from `choose_retired`.
        asked: what the run is asked to do; the guard `retire` always trips.
        approve: as for `sync`, once the guard is accepted.
        clock: the current time.
        sleep: how to wait.

    Raises:
        PipelineError: as `sync`; what could not be emptied is still known.
    """
    stages = SyncStages()

    def work(run: SyncRun) -> None:
        _plan_and_apply(run, asked, approve, stages, plan_to_retire)
        if stages.is_sent:
            forget_emptied(run)

    with open_sync(chosen, RETIRE, clock, sleep) as run:
        return _reported(run, stages, work)


def retry(
    chosen: ChosenSync, asked: SyncAsked, clock: Clock = utc_now, sleep: Sleep = time.sleep
) -> dict[str, Any]:
    """Send open, unknown and rejected values again, unchanged; no source is read.

    Raises:
        PipelineError: as the stages; what was acknowledged is recorded.
    """
    stages = SyncStages()

    def work(run: SyncRun) -> None:
        with run.lease() as lease, plan_again(run) as made:
            stages.take(made)
            _apply(run, made, lease, asked, stages)

    with open_sync(chosen, RETRY, clock, sleep) as run:
        return _reported(run, stages, work)


def undo(
    chosen: ChosenSync, plan_id: str, clock: Clock = utc_now, sleep: Sleep = time.sleep
) -> dict[str, Any]:
    """Plan to take back what a plan has set, where it still stands; nothing is sent.

    Raises:
        UsageError: there is no such plan, or it was never begun.
        StaleError: its file is gone.
        PipelineError: nothing was planned.
    """
    stages = SyncStages()
    check_readable(chosen.specification)

    def work(run: SyncRun) -> None:
        with run.lease(), plan_back(run, plan_id) as made:
            stages.take(made)
            stages.samples = [asdict(sample) for sample in made.samples()]

    with open_sync(chosen, UNDO, clock, sleep) as run:
        return _reported(run, stages, work)


def plan_sync(run: SyncRun, asked: SyncAsked) -> SyncPlan:
    """Pull, resolve, compare, and write a plan. Call it under the sync's lease."""
    planning = planning_of(run)
    with ExitStack() as files:
        pulled = pull_tables(run, planning, asked)
        rows = resolve(run, planning, pulled, files)
        return plan_rows(run, planning, asked, pulled, rows)


def _plan_and_apply(
    run: SyncRun,
    asked: SyncAsked,
    approve: Approve | None,
    stages: SyncStages,
    make: Callable[[SyncRun, SyncAsked], SyncPlan],
) -> None:
    """Plan, and apply the plan; with `approve`, only once a person has agreed to it."""
    with run.lease() as lease, make(run, asked) as made:
        stages.take(made)
        view = review(run.ledger, run.lake, made, run.folder())
        if approve is None:
            _apply(run, made, lease, asked, stages)
            return
        check_accepted(run.sync, made.summary.findings, made.record.accepted)
    # No lease is held here: others may sync while a person thinks, which makes the plan stale.
    if made.summary.rows:
        approval = approve(f"{described(made)}\n\n{fields_markdown(view)}")
        said = {APPROVAL: f"{approval.who}: {approval.why}"}
        run.ledger.plans.accept(made.plan_id, said)
    with run.lease() as lease, find_plan(run, made.plan_id) as found:
        _apply(run, found, lease, asked, stages)


def _apply(
    run: SyncRun, found: SyncPlan, lease: Lease, asked: SyncAsked, stages: SyncStages
) -> None:
    """Apply a plan, and read back if that is asked for and everything was sent."""
    stages.is_done = found.record.state == PlanState.APPLIED.value
    if not stages.is_done:
        stages.applied = push_plan(run, found, lease)
    if not (asked.verify and run.specification.verify and stages.is_sent):
        return
    if run.trigger == RETIRE or not is_read_due(run, stages.applied):
        return
    try:
        stages.verified = verify_applied(run, stages.applied, lease)
    except LimitReachedError as error:
        # What was sent is acknowledged; the next run reads before anything else.
        stages.read_later = str(error)
    except PipelineError as error:
        stages.unverified = error


def _reported(run: SyncRun, stages: SyncStages, work: Callable[[SyncRun], None]) -> dict[str, Any]:
    """Do a run's work, keep its report, and raise if anything was left out."""
    try:
        work(run)
    except PipelineError as error:
        stages.error = error
    # A ledger that cannot be used is the error of the run already, or of its report.
    with suppress(UnavailableError, StorageError):
        stages.standing = read_standing(run)
    report = {**report_sync(run, stages).plain(), "samples": stages.samples}
    tell_report(report)
    left_out = stages.error or shortfall(run, stages)
    if left_out:
        raise left_out
    return report
