"""From the report of a raw command to what it prints with `--json`."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from connectors.nexthink.acting.answers import CampaignAnswer, RemoteActionAnswer, WorkflowAnswer
from connectors.nexthink.acting.devices import DeviceDeletionRequest
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    EventRequest,
    RemoteActionRequest,
    WorkflowIdsRequest,
    WorkflowRequest,
)
from connectors.nexthink.acting.spark import HandoffRequest
from nxp.answers.acted import (
    Acted,
    ActedCampaign,
    ActedEntry,
    ActedEvent,
    ActedHandoff,
    ActedRemoteAction,
    ActedWorkflow,
    AnsweredUser,
    ExecutionSeen,
    Ids,
    Outcome,
    SentCampaign,
    SentRemoteAction,
    SentRequest,
    SentWorkflow,
)
from nxp.seen import SeenExecutions

if TYPE_CHECKING:
    from tasks.act.awaited import Awaited
    from tasks.act.raw import RawReport, Sent
    from tasks.act.raw_requests import Request

# Messages of the tenant are printed without the names of the people they are about.
_PEOPLE: Final = re.compile(r"S(?:-[0-9]+){2,}|[^\s@]+@[^\s@]+")
REQUESTED, REFUSED, NOT_ANSWERED = "requested", "refused", "not_answered"
NOT_FOUND: Final = "not_found"
# The place of each target among those that were named, by `key_of`.
Places = Mapping[str, int]


def acted(
    report: "RawReport",
    awaited: "Awaited | None" = None,
    *,
    duplicates: int = 0,
    places: Places,
    unfound: Collection[str] = (),
) -> Acted:
    """Return what a raw command prints with `--json`.

    Args:
        report: of its requests.
        awaited: what was read back, if anything.
        duplicates: how many repetitions were dropped.
        places: see `places_of`; an interrupted command's rest may be sent without some targets.
        unfound: the targets that the tenant does not know, by `key_of`.
    """
    said = _refusal(report)
    entries = [
        replace(entry, state=NOT_FOUND) if key_of(entry.device, entry.user) in unfound else entry
        for sent in report.sent
        for entry in _entries(sent, places, awaited, said)
    ]
    make, describe = _KINDS[type(report.sent[0].request)]
    counts = [each.reached if targets_named(each) else None for each in report.sent]
    reached = None if None in counts else sum(each or 0 for each in counts)
    if awaited and reached is None:
        reached = awaited.executions.height
    refused = sum(entry.state == REFUSED for entry in entries)
    made: Acted = make(
        kind=report.kind,
        action_id=report.action_id,
        state=state_of(report),
        targets=sum(map(targets_named, report.sent)),
        duplicates=duplicates,
        already_sent=report.already_sent,
        reached=reached,
        refused=refused,
        entries=tuple(entries),
        outcome=_outcome(awaited),
        requests=tuple(describe(sent, places) for sent in report.sent),
    )
    return made


def state_of(report: "RawReport") -> str:
    """Return the state of a command's requests in one word."""
    states = list(dict.fromkeys(each.record.state for each in report.sent))
    if REQUESTED not in states:
        return states[0]
    is_whole = len(states) == 1 and not any(each.refused for each in report.sent)
    return REQUESTED if is_whole and not any(each.unconfirmed for each in report.sent) else "partly"


def targets_named(sent: "Sent") -> int:
    """Return how many targets a request names: none, for a workflow that is about nothing."""
    match sent.request:
        case WorkflowRequest(devices=[], users=[]) | WorkflowIdsRequest(devices=[], users=[]):
            return 0
        case _:
            return sent.record.targets


def named(request: "Request") -> list[tuple[Ids | None, Ids | None]]:
    """Return the targets of a request as (device, user), by the API's kinds of ids."""
    match request:
        case RemoteActionRequest():
            return [({"collectorUid": each}, None) for each in request.devices]
        case CampaignRequest():
            return [(None, {"sid": each}) for each in request.sids]
        case WorkflowRequest():
            devices = [{"collectorUid": each} for each in request.devices]
            users = [{"sid": each} for each in request.users]
        case WorkflowIdsRequest():
            devices = [each.body() for each in request.devices]
            users = [each.body() for each in request.users]
        case EventRequest():
            return [(None, None)]
        case DeviceDeletionRequest():
            return [({"collectorUid": each.uid}, None) for each in request.devices]
        case HandoffRequest():
            return [(None, {"upn": request.user})]
    return list(zip_longest(devices, users)) or [(None, None)]


def places_of(
    requests: "Sequence[Request]", positions: Sequence[Sequence[int]] | None = None
) -> Places:
    """Return the place of each target of requests among all that were named; else in order."""
    targets = [key_of(*target) for request in requests for target in named(request)]
    places = [place for own in positions for place in own] if positions else range(len(targets))
    return dict(zip(targets, places, strict=True))


def key_of(device: Ids | None, user: Ids | None) -> str:
    """Return a text that tells targets apart."""
    return json.dumps([device, user])


def _refusal(report: "RawReport") -> str | None:
    """Return the tenant's words about the refused request, which is the last that was sent."""
    exchange = report.error.exchange if report.error else None
    return exchange.said if exchange else None


def _entries(
    sent: "Sent", places: Places, awaited: "Awaited | None", refusal: str | None
) -> Iterator[ActedEntry]:
    said = refusal if sent.record.state == REFUSED else None
    answers = {each.user_sid: each for each in sent.users}
    seen = SeenExecutions(awaited, sent)
    by_ids = isinstance(sent.request, WorkflowIdsRequest)
    for device, user in named(sent.request):
        answer = answers.get((user or {}).get("sid", ""))
        row = seen.row(device, user, answer)
        # By other ids, the tenant decides which object is meant.
        is_sure = not by_ids and (answer is None or answer.request_id is not None)
        yield ActedEntry(
            places[key_of(device, user)],
            device,
            user,
            row.get("device") or ((device or {}).get("collectorUid") if is_sure else None),
            row.get("person") or ((user or {}).get("sid") if is_sure else None),
            _state(sent, answer),
            answer.request_id if answer else sent.record.request_id,
            row.get("execution_id") or _own_execution(sent),
            _without_people(answer) if answer else said,
            row.get("status") or seen.unknown(device, user),
            row.get("details"),
            row.get("status_at"),
        )


def _state(sent: "Sent", answer: CampaignAnswer | None) -> str:
    if not sent.users:
        return sent.record.state
    if answer is None:
        return NOT_ANSWERED
    return REQUESTED if answer.request_id else REFUSED


def _own_execution(sent: "Sent") -> str | None:
    """Return the one execution of a request, if it is certain which target it is of."""
    if isinstance(sent.request, EventRequest):
        return sent.request.execution_uuid
    ids = sent.answer.execution_ids if isinstance(sent.answer, WorkflowAnswer) else ()
    return ids[0] if len(ids) == 1 and sent.record.targets == 1 else None


def _outcome(awaited: "Awaited | None") -> Outcome | None:
    if awaited is None:
        return None
    return Outcome(
        awaited.expected,
        awaited.ended,
        awaited.failed,
        awaited.waiting,
        awaited.exports,
        str(awaited.problem) if awaited.problem else None,
        tuple(
            ExecutionSeen(**{each.name: row[each.name] for each in fields(ExecutionSeen)})
            for row in awaited.executions.to_dicts()
        ),
    )


def _common(sent: "Sent") -> dict[str, Any]:
    return {
        "intent_id": sent.record.intent_id,
        "state": sent.record.state,
        "request_id": sent.record.request_id,
        "targets": targets_named(sent),
        "reached": sent.reached if targets_named(sent) else None,
        "code": sent.record.code,
    }


def _remote_action(sent: "Sent", _: Places) -> SentRemoteAction:
    answer = sent.answer
    minutes = answer.expires_in_minutes if isinstance(answer, RemoteActionAnswer) else None
    return SentRemoteAction(**_common(sent), expires_in_minutes=minutes)


def _workflow(sent: "Sent", _: Places) -> SentWorkflow:
    ids = sent.answer.execution_ids if isinstance(sent.answer, WorkflowAnswer) else ()
    return SentWorkflow(**_common(sent), execution_ids=ids)


def _campaign(sent: "Sent", places: Places) -> SentCampaign:
    users = tuple(
        AnsweredUser(
            places.get(key_of(None, {"sid": each.user_sid})),
            each.request_id,
            _without_people(each),
        )
        for each in sent.users
    )
    return SentCampaign(**_common(sent), users=users)


def _event(sent: "Sent", _: Places) -> SentRequest:
    return SentRequest(**_common(sent))


def _without_people(answer: CampaignAnswer) -> str | None:
    if answer.message is None:
        return None
    return _PEOPLE.sub("...", answer.message.replace(answer.user_sid, "..."))


_KINDS: Final[Mapping[type, tuple[Callable[..., Acted], Callable[..., SentRequest]]]] = {
    RemoteActionRequest: (ActedRemoteAction, _remote_action),
    WorkflowRequest: (ActedWorkflow, _workflow),
    WorkflowIdsRequest: (ActedWorkflow, _workflow),
    CampaignRequest: (ActedCampaign, _campaign),
    EventRequest: (ActedEvent, _event),
    HandoffRequest: (ActedHandoff, _event),
}
