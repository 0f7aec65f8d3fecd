"""An action: planned, approved, sent, and its outcomes read back.

A run keeps its report however it ends, and then raises if anything was left out. An interrupted
plan is resumed before anything new is planned.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from connectors.clock import utc_now
from connectors.errors import ActionRefusedError, PartlyDoneError, PipelineError
from connectors.ledger import ActionPlanState, Lease
from connectors.ledger.action_requests import RequestState
from tasks.act.approval import Approve, allowed_asker, approved
from tasks.act.asked import PLAN, RUN, ActionAsked
from tasks.act.effect import measure_effect
from tasks.act.lookup import look_up
from tasks.act.outcomes import await_outcomes
from tasks.act.person import check_allowed, person_of_approval
from tasks.act.plan import make_plan, nothing_done
from tasks.act.plan_file import ActionPlan
from tasks.act.report import ActionStages, described, report_action
from tasks.act.run import ActionRun, ChosenAction, open_action
from tasks.act.send import send_plan
from tasks.act.staleness import check_unchanged_since, give_up_outdated, load_plan
from tasks.runs.artifact import show_plan
from tasks.runs.progress import tell_report

Clock: TypeAlias = Callable[[], datetime]
Sleep: TypeAlias = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class WhichPlan:
    """A plan made before: its id, and its hash or the beginning of it; none to make a new one."""

    plan_id: str | None = None
    sha256: str | None = None


NEW_PLAN = WhichPlan()


def plan(
    chosen: ChosenAction, asked: ActionAsked, clock: Clock = utc_now, sleep: Sleep = time.sleep
) -> dict[str, Any]:
    """Plan, and keep the plan for approval and `nxp act run`; return the report.

    Raises:
        NotAllowedError: the YAML names others; nothing was planned.
        PipelineError: as `make_plan`; nothing was planned.
    """
    stages = ActionStages(is_plan=True, person=allowed_asker(chosen, asked))

    def work(run: ActionRun) -> None:
        with run.lease():
            look_up(run)
            stages.plan = _planned(run, asked, stages).record

    with open_action(chosen, PLAN, clock, sleep) as run:
        return _reported(run, stages, work)


def act(
    chosen: ChosenAction,
    asked: ActionAsked,
    which: WhichPlan = NEW_PLAN,
    approve: Approve | None = None,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> dict[str, Any]:
    """Send a plan once it is approved, and read its outcomes back; without one, plan first.

    A plan that has begun is resumed: what may have been sent is never sent again. If all requests
    of a plan have been sent, it is only read back.

    Args:
        chosen: the action.
        asked: targets, parameters, who asks.
        which: a plan that was made before.
        approve: asks a person, if nobody has approved the plan yet.
        clock: returns the current time.
        sleep: waits.

    Raises:
        NotAllowedError: the YAML names others who may run it; nothing was sent.
        NotApprovedError: a person has said no, or nobody has said yes.
        StaleError: what the plan was made from has changed.
        NothingDoneError: everybody that was named is left out; the report is kept.
        PipelineError: as the stages; the journal has what was sent.
    """
    is_dry = chosen.specification.dry_run or asked.dry_run
    stages = ActionStages(is_dry=is_dry, person=allowed_asker(chosen, asked, approve))

    def work(run: ActionRun) -> None:
        with run.lease() as lease:
            look_up(run)
            if which.plan_id is None and not stages.is_dry and not _is_named_later(run, stages):
                _resume(run, lease, stages)
            if which.plan_id:
                made = load_plan(run, which.plan_id, which.sha256)
            else:
                made = _planned(run, asked, stages)
            stages.plan = made.record
            stages.is_begun = made.record.begun_at is not None
        if not stages.is_begun and not _is_agreed(run, made, asked, approve, stages):
            return
        # Where nobody was named before, the form has named somebody now.
        check_allowed(run.specification, stages.person)
        if not stages.is_dry:
            with run.lease() as lease:
                look_up(run)
                if stages.is_begun:
                    give_up_outdated(run, made.record)
                _send(run, made, lease, stages)
        _read_back(run, asked, stages)

    with open_action(chosen, RUN, clock, sleep) as run:
        return _reported(run, stages, work)


def _is_named_later(run: ActionRun, stages: ActionStages) -> bool:
    """Return whether it is not known yet if this person is allowed to: nothing is sent before."""
    return run.specification.allow is not None and not stages.person.is_named


def _is_agreed(
    run: ActionRun,
    made: ActionPlan,
    asked: ActionAsked,
    approve: Approve | None,
    stages: ActionStages,
) -> bool:
    """Return whether there is something to send and nobody has to be asked any more.

    Raises:
        NotApprovedError: a person has said no, or nobody has said yes.
    """
    if made.targets.is_empty() and asked.names_targets and not stages.is_dry:
        stages.nothing = nothing_done(run, made)
    if stages.is_dry or made.targets.is_empty():
        return False
    verdict = approved(run, made.record, asked, approve)
    if verdict:
        stages.person = person_of_approval(stages.person, verdict.who)
    return True


def _planned(run: ActionRun, asked: ActionAsked, stages: ActionStages) -> ActionPlan:
    began = time.monotonic()
    try:
        made = make_plan(run, asked, stages.person.asker)
    finally:
        stages.seconds["plan"] = round(time.monotonic() - began, 3)
    show_plan("action", run.chosen.tenant.name, run.action, described(made.record))
    return made


def _resume(run: ActionRun, lease: Lease, stages: ActionStages) -> None:
    """Send what is left of interrupted plans, unless it is out of date."""
    plans = run.ledger.action_plans
    for record in plans.of(run.action, state=ActionPlanState.RUNNING):
        if not give_up_outdated(run, record):
            _finish(run, record.plan_id)
            continue
        stages.plan, stages.is_begun = record, True
        _send(run, load_plan(run, record.plan_id), lease, stages)
        stages.plan, stages.is_begun = None, False


def _send(run: ActionRun, made: ActionPlan, lease: Lease, stages: ActionStages) -> None:
    """Begin a plan or resume it, and send the requests that were not sent yet."""
    began = time.monotonic()
    current = run.ledger.action_plans.get(made.plan_id) or made.record
    if current.ticket:
        # The ticket of the approval is newer than that of the plan.
        made = replace(made, sending=replace(made.sending, ticket=current.ticket))
    if current.begun_at is None:
        # Check it again: another run may have begun a plan since this one was approved.
        load_plan(run, made.plan_id)
        check_unchanged_since(run, made)
        run.ledger.actions.begin(made.record, made.batches(), stages.person.asker)
    stages.is_begun = True
    try:
        send_plan(run, made, lease)
    except ActionRefusedError:
        # No more of this plan will be sent.
        _finish(run, made.plan_id)
        raise
    finally:
        stages.seconds["send"] = round(time.monotonic() - began, 3)
    _finish(run, made.plan_id)


def _finish(run: ActionRun, plan_id: str) -> None:
    """Mark a plan as finished once all of it has been sent."""
    if not run.ledger.actions.requests(plan_id=plan_id, states=[RequestState.INTENT]):
        run.ledger.action_plans.finish(plan_id)


def _read_back(run: ActionRun, asked: ActionAsked, stages: ActionStages) -> None:
    if stages.plan is None:
        return
    plan_id, since = stages.plan.plan_id, stages.plan.created_at
    try:
        stages.waited = await_outcomes(run, plan_id, since, asked.wait)
        stages.seconds["outcomes"] = stages.waited.seconds
        if run.specification.effect_after is not None and asked.wait:
            stages.effect = measure_effect(run, plan_id)
    except PipelineError as error:
        raise PartlyDoneError(
            f"{run.action}: sent, but not read back: {error}; nxp act status {run.action} "
            "--refresh reads it back"
        ) from error


def _reported(
    run: ActionRun, stages: ActionStages, work: Callable[[ActionRun], None]
) -> dict[str, Any]:
    """Do a run's work, keep its report, and raise if anything was left out."""
    try:
        work(run)
    except PipelineError as error:
        stages.error = error
    report = report_action(run, stages).plain()
    tell_report(report)
    ended_by = stages.error or stages.nothing
    if ended_by:
        raise ended_by
    return report
