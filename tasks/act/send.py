"""Sending the requests of a plan, each at most once: intent, sending, POST, the tenant's answer.

This order guarantees it: a request is journalled as being sent before it leaves. However this
process ends, the request is then known as one that may have been done, and is never sent again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from connectors.actions import ActionKind
from connectors.errors import (
    AccessError,
    ActionRefusedError,
    LimitReachedError,
    NotSentError,
    UsageError,
)
from connectors.ledger import Lease, Ledger
from connectors.ledger.action_requests import RequestState
from connectors.nexthink.acting.answers import CampaignAnswer
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    RemoteActionRequest,
    WorkflowRequest,
    intent_reason,
)
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import STOP_SECONDS
from tasks.act.plan_file import ActionPlan, Sending
from tasks.act.run import ActionRun
from tasks.runs.pace import Pace
from tasks.runs.progress import LANDED, Progress, tell
from tasks.runs.recorded import recorded
from tasks.runs.stopping import unbroken

logger = logging.getLogger(__name__)

# The code of a user that the tenant left out when it took a campaign's request.
REFUSED_TARGET: Final = "refused"


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that the tenant has taken: its id, and what the answer says about targets."""

    request_id: str | None
    seen: pl.DataFrame | None = field(default=None, repr=False)

    @property
    def reached_nobody(self) -> bool:
        """Whether the answer refuses every target, one by one."""
        return self.seen is not None and bool(self.seen["code"].is_not_null().all())


Send = Callable[[], TakenRequest]


@recorded("send")
def send_plan(run: ActionRun, plan: ActionPlan, lease: Lease) -> None:
    """Send a plan's requests that have not been sent, one after the other. Call it under its lease.

    It ends at the first request that is not taken; those after it have not left. A refusal would
    apply to the others too, so they are given up; after anything else the plan can be resumed.

    Raises:
        ActionRefusedError: the tenant refuses a request; the others are given up.
        AccessError, LimitReachedError, NotSentError: this request and the others were not done.
        UnknownOutcomeError: one request may have been done; the others have not been sent.
        HeldError: another run took the action over.
    """
    journal = run.ledger.actions
    waiting = journal.requests(plan_id=plan.plan_id, states=[RequestState.INTENT])
    limits = run.specification.limits
    per_minute = None if limits.per_minute is None else limits.per_minute / limits.batch
    pace = Pace(per_minute, time.monotonic, run.tools.sleep)
    for number, request in enumerate(waiting, 1):
        tell(Progress(run.action, "send", f"request {number} of {len(waiting)}"))
        pace.wait()
        run.stop.check()
        lease.check()
        targets = journal.targets(intent_id=request.intent_id)
        kind = run.specification.kind
        body = request_of(kind, request.intent_id, targets, plan.sending)
        try:
            send = sender(run.tools.client, body)
            send_once(run.ledger, request.intent_id, send, run.stop.seconds)
        except ActionRefusedError as error:
            for other in waiting[number:]:
                journal.give_up(other.intent_id, f"refused before: {error.code or 'no code'}")
            raise
    tell(Progress(run.action, "send", LANDED))


def send_once(
    ledger: Ledger, intent_id: str, send: Send, stop_seconds: float = STOP_SECONDS
) -> TakenRequest:
    """Send one journalled request, and journal what is known afterwards, whatever happens.

    A signal waits up to `stop_seconds` for the answer: otherwise the outcome would be unknown.

    Raises:
        PipelineError: as the client; the journal has what it means for the request.
    """
    with unbroken(stop_seconds):
        return _sent(ledger, intent_id, send)


def _sent(ledger: Ledger, intent_id: str, send: Send) -> TakenRequest:
    journal = ledger.actions
    journal.sending(intent_id)
    try:
        taken = send()
    except ActionRefusedError as error:
        journal.refused(intent_id, error.code)
        raise
    except (AccessError, LimitReachedError, NotSentError, UsageError):
        # UsageError: the request could not even be written.
        journal.not_left(intent_id)
        raise
    except BaseException:
        # A lost answer, a signal or a bug: the request may have been done.
        journal.unknown(intent_id)
        raise
    if taken.seen is not None and taken.reached_nobody:
        journal.reached_nobody(intent_id, REFUSED_TARGET, taken.seen)
    else:
        journal.requested(intent_id, taken.request_id, taken.seen)
    return taken


def request_of(
    kind: ActionKind, intent_id: str, targets: pl.DataFrame, sending: Sending
) -> RemoteActionRequest | WorkflowRequest | CampaignRequest:
    """Return the request of an intent, checked against the API's limits.

    Raises:
        UsageError: it does not fit.
    """
    devices, people = (targets[name].drop_nulls().to_list() for name in ("device", "person"))
    match kind:
        case ActionKind.REMOTE_ACTION:
            return RemoteActionRequest(
                sending.action_id,
                devices,
                sending.parameters,
                sending.expires_in_minutes,
                source=sending.source,
                reason=intent_reason(intent_id, sending.reason),
                reference=sending.ticket,
            )
        case ActionKind.WORKFLOW:
            return WorkflowRequest(
                sending.action_id, devices, people, sending.parameters, source=sending.source
            )
        case ActionKind.CAMPAIGN:
            minutes = sending.expires_in_minutes
            if minutes is None:
                raise AssertionError("a campaign's expiry is never left out")
            return CampaignRequest(sending.action_id, people, minutes, sending.parameters)


def sender(
    client: NexthinkClient, request: RemoteActionRequest | WorkflowRequest | CampaignRequest
) -> Send:
    """Return a function that sends a request."""
    match request:
        case RemoteActionRequest():
            return lambda: TakenRequest(client.remote_actions.execute(request).request_id)
        case WorkflowRequest():
            return lambda: TakenRequest(client.workflows.trigger(request).request_id)
        case CampaignRequest():
            return lambda: taken_of(request, client.campaigns.trigger(request))


def taken_of(request: CampaignRequest, answers: Sequence[CampaignAnswer]) -> TakenRequest:
    """Return a campaign's answer: as `said_of`, and why users were left out."""
    seen = said_of(request.sids, answers)
    why = {each.user_sid: each.message for each in answers if not each.request_id}
    details = pl.Series("details", [why.get(sid) for sid in request.sids], pl.String)
    return TakenRequest(None, seen.with_columns(details))


def said_of(sids: Sequence[str], answers: Sequence[CampaignAnswer]) -> pl.DataFrame:
    """Return each user's request id, with the code `refused` for users the tenant left out.

    Nothing is known about a user that the answer does not mention; that user counts as taken.
    """
    by_sid = {each.user_sid: each for each in answers}
    ids = {sid: each.request_id for sid, each in by_sid.items()}
    codes = {sid: None if each.request_id else REFUSED_TARGET for sid, each in by_sid.items()}
    return pl.DataFrame(
        {
            "target": sids,
            "request_id": [ids.get(sid) for sid in sids],
            "code": [codes.get(sid) for sid in sids],
        },
        schema=dict.fromkeys(("target", "request_id", "code"), pl.String),
    )
