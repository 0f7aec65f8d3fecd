"""Whether a person may ask for an action, and whether one has agreed to its plan."""

from collections.abc import Callable
from typing import TypeAlias

from connectors.actions import Approval
from connectors.errors import NotApprovedError
from connectors.ledger import ActionPlanRecord, ActionPlanState, Verdict
from tasks.act.asked import ActionAsked
from tasks.act.person import Person, check_allowed, person_here
from tasks.act.report import described
from tasks.act.run import ActionRun, ChosenAction

# Shows a person a description of the plan, and waits for the answer.
Approve: TypeAlias = Callable[[str], Verdict]


def allowed_asker(
    chosen: ChosenAction, asked: ActionAsked, approve: Approve | None = None
) -> Person:
    """Return who asks; with `approve`, a form will ask for a name that is not known yet.

    Raises:
        NotAllowedError: the YAML names others.
    """
    person = asked.by or person_here()
    if person.is_named or approve is None:
        check_allowed(chosen.specification, person)
    return person


def approved(
    run: ActionRun, record: ActionPlanRecord, asked: ActionAsked, approve: Approve | None
) -> Verdict | None:
    """Raise unless a person agrees to a plan, if the action or the run asks for that.

    Who agreed and why is kept. Call it without the lease: others may act while a person thinks,
    which makes the plan stale.

    Returns:
        What was said in a form; None if no form was needed.

    Raises:
        NotApprovedError: a person has said no, or nobody has said yes.
    """
    plans = run.ledger.action_plans
    who, why = (asked.who or "").strip(), (asked.why or "").strip()
    if who and why:
        plans.judge(record.plan_id, Verdict(who, why, asked.ticket), approved=True)
        return None
    known = plans.get(record.plan_id) or record
    if known.state == ActionPlanState.DECLINED:
        raise NotApprovedError(
            f"{run.action}: plan {record.plan_id} was declined by {known.approved_by}: nothing sent"
        )
    needed = approve is not None or run.specification.approval is Approval.REQUIRED
    if not needed or known.state == ActionPlanState.APPROVED:
        return None
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
    return verdict
