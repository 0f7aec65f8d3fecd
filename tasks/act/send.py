"""Sending the requests of a plan, each at most once: intent, sending, POST, what the tenant said.

The order is the promise: a request is journalled as being sent before it leaves, so that whatever
ends this process leaves it as one that may have been done, and nothing ever sends it again.
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
from connectors.ledger import Lease, Ledger, RequestState
from connectors.nexthink import (
    CampaignAnswer,
    CampaignRequest,
    NexthinkClient,
    RemoteActionRequest,
    WorkflowRequest,
    intent_reason,
)
from connectors.settings.installation import STOP_SECONDS
from tasks.act.plan_file import ActionPlan, Sending
from tasks.act.run import ActionRun
from tasks.runs.pace import Pace
from tasks.runs.progress import LANDED, Progress, tell
from tasks.runs.recorded import recorded
from tasks.runs.stopping import unbroken

logger = logging.getLogger(__name__)

# Of a user whom the tenant has left out of a campaign's request that it took.
REFUSED_TARGET: Final = "refused"


@dataclass(frozen=True, slots=True)
class Taken:
    """That the tenant has taken a request: its id, and what it says of targets, if anything."""

    request_id: str | None
    seen: pl.DataFrame | None = field(default=None, repr=False)


Send = Callable[[], Taken]


@recorded("send")
def send_plan(run: ActionRun, plan: ActionPlan, lease: Lease) -> None:
    """Send what of a plan has not been sent, one request after the other. Under its lease.

    It ends at the first request that is not taken: of what follows nothing has left then. A refusal
    would meet the others, too, so that they are given up; anything else can be gone on with.

    Raises:
        ActionRefusedError: the tenant refuses a request; the others are given up.
        AccessError, LimitReachedError, NotSentError: nothing was done of what is left.
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
) -> Taken:
    """Send one journalled request and journal what is known of it afterwards, whatever happens.

    A signal waits for the answer, so many seconds: without it nobody would know.

    Raises:
        PipelineError: as the client; the journal says what it means.
    """
    with unbroken(stop_seconds):
        return _sent(ledger, intent_id, send)


def _sent(ledger: Ledger, intent_id: str, send: Send) -> Taken:
    journal = ledger.actions
    journal.sending(intent_id)
    try:
        taken = send()
    except ActionRefusedError as error:
        journal.refused(intent_id, error.code)
        raise
    except (AccessError, LimitReachedError, NotSentError, UsageError):
        # The last of it where the request cannot even be written.
        journal.not_left(intent_id)
        raise
    except BaseException:
        # An answer that was lost, a signal, a bug: it may have been done.
        journal.unknown(intent_id)
        raise
    journal.requested(intent_id, taken.request_id, taken.seen)
    return taken


def request_of(
    kind: ActionKind, intent_id: str, targets: pl.DataFrame, sending: Sending
) -> RemoteActionRequest | WorkflowRequest | CampaignRequest:
    """Build the request of an intent, checked against the API's limits.

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
    """Give what sends a request when it is called."""
    match request:
        case RemoteActionRequest():
            return lambda: Taken(client.remote_actions.execute(request).request_id)
        case WorkflowRequest():
            return lambda: Taken(client.workflows.trigger(request).request_id)
        case CampaignRequest():
            return lambda: Taken(None, said_of(request.sids, client.campaigns.trigger(request)))


def said_of(sids: Sequence[str], answers: Sequence[CampaignAnswer]) -> pl.DataFrame:
    """Say which users have a request of their own, and whom the tenant has left out.

    Of one that it does not mention nothing is known: it counts as taken.
    """
    said = {each.user_sid: each for each in answers}
    ids = {sid: each.request_id for sid, each in said.items()}
    codes = {sid: None if each.request_id else REFUSED_TARGET for sid, each in said.items()}
    return pl.DataFrame(
        {
            "target": sids,
            "request_id": [ids.get(sid) for sid in sids],
            "code": [codes.get(sid) for sid in sids],
        },
        schema=dict.fromkeys(("target", "request_id", "code"), pl.String),
    )
