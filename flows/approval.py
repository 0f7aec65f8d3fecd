"""Asking a person in Prefect: the flow run pauses with a form that shows what a plan comes to."""

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput

from connectors.errors import NotApprovedError

# A plan is stale after 24 hours.
APPROVE_WITHIN_SECONDS = 23 * 3600
POLL_SECONDS = 5


class ApprovalForm(RunInput):
    """What a person answers to a plan; open source Prefect does not know who that is."""

    approved: bool = False
    who: str = ""
    why: str = ""


class TicketForm(ApprovalForm):
    """The same for acting on devices and people, with the ticket it is done for."""

    ticket: str = ""


def ask_in_prefect(description: str, form: type[ApprovalForm] = ApprovalForm) -> ApprovalForm:
    """Pause the flow run until a person has agreed to a plan.

    Raises:
        NotApprovedError: the answer was no, lacked a name or reason, or did not come in time.
    """
    try:
        answer: ApprovalForm = pause_flow_run(
            wait_for_input=form.with_initial_data(description=description),
            timeout=APPROVE_WITHIN_SECONDS,
            poll_interval=POLL_SECONDS,
        )
    except FlowPauseTimeout:
        raise NotApprovedError("nobody has approved the plan in time: nothing was sent") from None
    if not answer.approved:
        raise NotApprovedError("the plan was not approved: nothing was sent")
    if not answer.who.strip() or not answer.why.strip():
        raise NotApprovedError("the approval does not say who gave it, or why: nothing was sent")
    return answer
