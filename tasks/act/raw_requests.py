"""Each kind of request without a plan: its key in the journal, how it is sent, what it answers."""

from dataclasses import replace
from typing import Final, TypeAlias, assert_never

from connectors.actions import ActionKind
from connectors.nexthink.acting.answers import (
    Accepted,
    CampaignAnswer,
    DeletionAnswer,
    RemoteActionAnswer,
    WorkflowAnswer,
)
from connectors.nexthink.acting.devices import DeviceDeletionRequest
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    EventRequest,
    RemoteActionRequest,
    WorkflowIdsRequest,
    WorkflowRequest,
    intent_reason,
)
from connectors.nexthink.acting.spark import HandoffRequest
from connectors.nexthink.client import NexthinkClient
from tasks.act.deletion.answers import DELETION, seen_of
from tasks.act.raw_targets import AnyRequest
from tasks.act.send import Send, TakenRequest, taken_of

Request: TypeAlias = AnyRequest
Answer: TypeAlias = (
    RemoteActionAnswer
    | WorkflowAnswer
    | DeletionAnswer
    | Accepted
    | tuple[CampaignAnswer, ...]
    | tuple[str, ...]
)

# The journal's kind for resuming a waiting execution, which acts on no new target.
EVENT: Final = "workflow_event"
HANDOFF: Final = "spark_handoff"


def key_of(request: Request) -> tuple[str, str]:
    """Return the key of a request in the journal: kind and id of the action."""
    match request:
        case RemoteActionRequest():
            return ActionKind.REMOTE_ACTION.value, request.action_id
        case WorkflowRequest() | WorkflowIdsRequest():
            return ActionKind.WORKFLOW.value, request.workflow_id
        case CampaignRequest():
            return ActionKind.CAMPAIGN.value, request.campaign_id
        case EventRequest():
            return EVENT, request.workflow_uuid.lower()
        case DeviceDeletionRequest():
            return DELETION
        case HandoffRequest():
            # Another message is another action: it is not held back by one in doubt.
            return HANDOFF, f"spark:{request.digest}"
        case _:
            assert_never(request)


def with_intent(request: Request, intent_id: str) -> Request:
    """Return a request that carries its intent's id, if the API has a place for that."""
    if not isinstance(request, RemoteActionRequest):
        return request
    return replace(request, reason=intent_reason(intent_id, request.reason))


def sender_of(
    client: NexthinkClient, request: Request, intent_id: str, answers: dict[str, Answer]
) -> Send:
    """Return a function that sends a request and keeps its answer in `answers`."""

    def send() -> TakenRequest:
        answer = answers[intent_id] = _answer(client, request)
        if isinstance(answer, RemoteActionAnswer | WorkflowAnswer):
            return TakenRequest(answer.request_id)
        if isinstance(request, DeviceDeletionRequest) and isinstance(answer, DeletionAnswer):
            return TakenRequest(None, seen_of(request, answer))
        if isinstance(request, CampaignRequest):
            users = answer if isinstance(answer, tuple) else ()
            return taken_of(request, [each for each in users if isinstance(each, CampaignAnswer)])
        ids = (
            [each for each in answer if isinstance(each, str)] if isinstance(answer, tuple) else []
        )
        return TakenRequest(ids[0] if ids else None)

    return send


def _answer(  # noqa: PLR0911 - one return for each kind
    client: NexthinkClient, request: Request
) -> Answer:
    match request:
        case RemoteActionRequest():
            return client.remote_actions.execute(request)
        case WorkflowRequest():
            return client.workflows.trigger(request)
        case WorkflowIdsRequest():
            return client.workflows.trigger_by_ids(request)
        case CampaignRequest():
            return client.campaigns.trigger(request)
        case DeviceDeletionRequest():
            return client.devices.delete(request)
        case HandoffRequest():
            return client.spark.handoff(request)
        case EventRequest():
            return client.workflows.resume(
                request.workflow_uuid,
                request.execution_uuid,
                request.parameters,
                source=request.source,
            )
        case _:
            assert_never(request)
