"""Runs of a sync: planning, applying, both, and trying again; what every run does at its end.

A run keeps its report whatever happens after it has begun, and ends with the error that says what
was left out. Nothing that a stage has saved depends on the stages behind it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from connectors.errors import PartlyDoneError, PipelineError
from connectors.ledger import Lease, PlanState
from tasks.runs.reported import tell_report
from tasks.sync.asked import Asked
from tasks.sync.guards import check_accepted
from tasks.sync.plan_file import Plan
from tasks.sync.report import Stages, described, shortfall
from tasks.sync.run import SyncRun
from tasks.sync.stages import PLAIN, Steps, find_plan

# In `accepted`, beside the names of guards.
APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Approval:
    """Who has agreed to a plan, and why."""

    who: str
    why: str


# Shows what a plan comes to, and waits for a person.
Approve: TypeAlias = Callable[[str], Approval]


def run_plan(run: SyncRun, asked: Asked, steps: Steps = PLAIN) -> dict[str, Any]:
    """Plan, and keep the plan for `nxp apply`; gives the report with masked samples.

    Raises:
        DataRefusedError: a guard tripped; the plan is kept all the same.
        PipelineError: nothing was planned.
    """
    stages = Stages()

    def work() -> None:
        with run.lease(), steps.plan(run, asked) as plan:
            stages.take(plan)
            stages.samples = [asdict(sample) for sample in plan.samples()]
            check_accepted(run.sync, plan.summary.findings, plan.record.accepted)

    return _recorded(run, stages, steps, work)


def run_apply(
    run: SyncRun, plan_id: str | None, asked: Asked, steps: Steps = PLAIN
) -> dict[str, Any]:
    """Apply a plan, the newest one where none is named; one that is applied sends nothing.

    Raises:
        StaleError: the plan counts no more.
        PipelineError: as the stages; what was acknowledged is known.
    """
    stages = Stages()

    def work() -> None:
        with run.lease() as lease, find_plan(run, plan_id) as plan:
            stages.take(plan)
            if asked.accepted and plan.record.state == PlanState.PLANNED.value:
                run.ledger.plans.accept(plan.plan_id, asked.accepted)
            _apply(run, plan, lease, asked, stages, steps)

    return _recorded(run, stages, steps, work)


def run_sync(
    run: SyncRun, asked: Asked, approve: Approve | None = None, steps: Steps = PLAIN
) -> dict[str, Any]:
    """Plan and apply; with `approve` only once a person has agreed to the plan.

    Raises:
        NotApprovedError: a person has looked and said no, or nobody has in time.
        PipelineError: as the stages; what was acknowledged is known.
    """
    stages = Stages()

    def work() -> None:
        with run.lease() as lease, steps.plan(run, asked) as plan:
            stages.take(plan)
            if approve is None:
                _apply(run, plan, lease, asked, stages, steps)
                return
            check_accepted(run.sync, plan.summary.findings, plan.record.accepted)
        # Without the lease: others may sync while a person thinks, and the plan is stale then.
        if plan.summary.rows:
            approval = approve(described(plan))
            said = {APPROVAL: f"{approval.who}: {approval.why}"}
            run.ledger.plans.accept(plan.plan_id, said)
        with run.lease() as lease, find_plan(run, plan.plan_id) as found:
            _apply(run, found, lease, asked, stages, steps)

    return _recorded(run, stages, steps, work)


def run_retry(run: SyncRun, asked: Asked, steps: Steps = PLAIN) -> dict[str, Any]:
    """Send what is open, unknown or rejected once more, as it was; no source is asked.

    Raises:
        PipelineError: as the stages; what was acknowledged is known.
    """
    stages = Stages()

    def work() -> None:
        with run.lease() as lease, steps.again(run, asked) as plan:
            stages.take(plan)
            _apply(run, plan, lease, asked, stages, steps)

    return _recorded(run, stages, steps, work)


def _apply(
    run: SyncRun, plan: Plan, lease: Lease, asked: Asked, stages: Stages, steps: Steps
) -> None:
    """Apply a plan, and read back where that is asked for and all was sent."""
    stages.is_done = plan.record.state == PlanState.APPLIED.value
    if not stages.is_done:
        stages.applied = steps.apply(run, plan, lease)
    if not (asked.verify and run.specification.verify and stages.is_sent):
        return
    try:
        stages.verified = steps.verify(run, stages.applied, lease)
    except PipelineError as error:
        raise PartlyDoneError(f"{run.sync}: applied, and not verified: {error}") from error


def _recorded(
    run: SyncRun, stages: Stages, steps: Steps, work: Callable[[], None]
) -> dict[str, Any]:
    try:
        work()
    except PipelineError as error:
        stages.error = error
    told = {**steps.report(run, stages).plain(), "samples": stages.samples}
    tell_report(told)
    left_out = stages.error or shortfall(run, stages)
    if left_out:
        raise left_out
    return told
