"""Runs of an action: planning, approval, sending, outcomes; what every run does at its end.

A run keeps its report whatever happens after it has begun, and ends with the error that says what
was left out. A plan that was interrupted is gone on with before anything new is planned.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from connectors.actions import Approval
from connectors.errors import ActionRefusedError, NotApprovedError, PartlyDoneError, PipelineError
from connectors.ledger import (
    ActionPlanRecord,
    ActionPlanState,
    Lease,
    RequestState,
    Verdict,
)
from tasks.act.asked import Asked
from tasks.act.lookup import look_up
from tasks.act.plan import check_meanwhile, give_up_outdated, load_plan
from tasks.act.plan_file import ActionPlan
from tasks.act.report import Stages, described
from tasks.act.run import ActionRun
from tasks.act.stages import PLAIN, Steps
from tasks.runs.reported import tell_report

# Shows what a plan comes to, and waits for a person.
Approve: TypeAlias = Callable[[str], Verdict]


def run_plan(run: ActionRun, asked: Asked, steps: Steps = PLAIN) -> dict[str, Any]:
    """Plan, and keep the plan for approval and `nxp act run`; gives the report.

    Raises:
        PipelineError: as `make_plan`; nothing was planned.
    """
    stages = Stages(is_plan=True)

    def work() -> None:
        with run.lease():
            look_up(run)
            stages.plan = _planned(run, asked, stages, steps).record

    return _recorded(run, stages, steps, work)


def run_act(
    run: ActionRun,
    asked: Asked,
    plan_id: str | None = None,
    sha256: str | None = None,
    approve: Approve | None = None,
    steps: Steps = PLAIN,
) -> dict[str, Any]:
    """Send a plan once it is approved, and read back what became of it; without one plan first.

    A plan that has begun is gone on with: what may have been sent is never sent again. One whose
    requests have all been sent sends nothing, and is read back only.

    Args:
        run: of the action.
        asked: targets, parameters, who asks.
        plan_id: a plan that was made before.
        sha256: its hash, or the beginning of it.
        approve: how a person is asked, where nobody has said anything.
        steps: the stages, plain or recorded.

    Raises:
        NotApprovedError: a person has said no, or nobody has said yes.
        StaleError: what the plan was made from has moved on.
        PipelineError: as the stages; the journal knows what was sent.
    """
    stages = Stages(is_dry=run.specification.dry_run or asked.dry_run)

    def work() -> None:
        with run.lease() as lease:
            look_up(run)
            if plan_id is None and not stages.is_dry:
                _go_on(run, lease, stages, steps)
            plan = (
                load_plan(run, plan_id, sha256) if plan_id else _planned(run, asked, stages, steps)
            )
            stages.plan = plan.record
            stages.is_begun = plan.record.begun_at is not None
        if not stages.is_begun:
            if stages.is_dry or plan.targets.is_empty():
                return
            _approve(run, plan.record, asked, approve)
        if not stages.is_dry:
            with run.lease() as lease:
                look_up(run)
                if stages.is_begun:
                    give_up_outdated(run, plan.record)
                _send(run, plan, lease, stages, steps)
        _read_back(run, asked, stages, steps)

    return _recorded(run, stages, steps, work)


def _planned(run: ActionRun, asked: Asked, stages: Stages, steps: Steps) -> ActionPlan:
    began = time.monotonic()
    try:
        return steps.plan(run, asked)
    finally:
        stages.seconds["plan"] = round(time.monotonic() - began, 3)


def _go_on(run: ActionRun, lease: Lease, stages: Stages, steps: Steps) -> None:
    """Send what interrupted plans have left, as far as it is not out of date."""
    plans = run.ledger.action_plans
    for record in plans.of(run.action, state=ActionPlanState.RUNNING):
        if not give_up_outdated(run, record):
            _finish(run, record.plan_id)
            continue
        stages.plan, stages.is_begun = record, True
        _send(run, load_plan(run, record.plan_id), lease, stages, steps)
        stages.plan, stages.is_begun = None, False


def _approve(
    run: ActionRun, record: ActionPlanRecord, asked: Asked, approve: Approve | None
) -> None:
    """See that a person agrees to a plan, where the action or the run wants it; keep who and why.

    Without the lease: others may act while a person thinks, and the plan is stale then.
    """
    plans = run.ledger.action_plans
    who, why = (asked.who or "").strip(), (asked.why or "").strip()
    if who and why:
        plans.judge(record.plan_id, Verdict(who, why, asked.ticket), approved=True)
        return
    known = plans.get(record.plan_id) or record
    if known.state == ActionPlanState.DECLINED:
        raise NotApprovedError(
            f"{run.action}: plan {record.plan_id} was declined by {known.approved_by}: nothing sent"
        )
    needed = approve is not None or run.specification.approval is Approval.REQUIRED
    if not needed or known.state == ActionPlanState.APPROVED:
        return
    if approve is None:
        raise NotApprovedError(
            f"{run.action}: plan {record.plan_id} waits for a person: nxp act approve {run.action} "
            f"--plan {record.plan_id} --who NAME --why TEXT, then nxp act run {run.action} --plan "
            f"{record.plan_id} --hash {record.sha256[:12]}; nothing was sent"
        )
    try:
        verdict = approve(described(record))
    except NotApprovedError as error:
        plans.judge(record.plan_id, Verdict("Prefect form", error.message), approved=False)
        raise
    plans.judge(record.plan_id, verdict, approved=True)


def _send(run: ActionRun, plan: ActionPlan, lease: Lease, stages: Stages, steps: Steps) -> None:
    """Begin a plan, or go on with it, and send what of it was not sent."""
    began = time.monotonic()
    current = run.ledger.action_plans.get(plan.plan_id) or plan.record
    if current.ticket:
        # What the approval says of it is newer than the plan.
        plan = replace(plan, sending=replace(plan.sending, ticket=current.ticket))
    if current.begun_at is None:
        # As it is now: another run may have begun one since it was approved.
        load_plan(run, plan.plan_id)
        check_meanwhile(run, plan)
        run.ledger.actions.begin(plan.record, plan.batches())
    stages.is_begun = True
    try:
        steps.send(run, plan, lease)
    except ActionRefusedError:
        # Nothing more of it will be sent.
        _finish(run, plan.plan_id)
        raise
    finally:
        stages.seconds["send"] = round(time.monotonic() - began, 3)
    _finish(run, plan.plan_id)


def _finish(run: ActionRun, plan_id: str) -> None:
    """Let a plan be finished once nothing of it is left to be sent."""
    if not run.ledger.actions.requests(plan_id=plan_id, states=[RequestState.INTENT]):
        run.ledger.action_plans.finish(plan_id)


def _read_back(run: ActionRun, asked: Asked, stages: Stages, steps: Steps) -> None:
    if stages.plan is None:
        return
    plan_id, since = stages.plan.plan_id, stages.plan.created_at
    try:
        stages.waited = steps.outcomes(run, plan_id, since, asked.wait)
        stages.seconds["outcomes"] = stages.waited.seconds
        if run.specification.effect_after is not None and asked.wait:
            stages.effect = steps.effect(run, plan_id)
    except PipelineError as error:
        raise PartlyDoneError(
            f"{run.action}: sent, and not read back: {error}; nxp act status {run.action} "
            "--refresh reads it back"
        ) from error


def _recorded(
    run: ActionRun, stages: Stages, steps: Steps, work: Callable[[], None]
) -> dict[str, Any]:
    try:
        work()
    except PipelineError as error:
        stages.error = error
    told = steps.report(run, stages).plain()
    tell_report(told)
    if stages.error:
        raise stages.error
    return told
