"""Answers of the raw commands that act: what was sent, whom it reached, what became of each."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Final

from connectors.nexthink.acting.models import CampaignAnswer, RemoteActionAnswer, WorkflowAnswer
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    EventRequest,
    RemoteActionRequest,
    WorkflowIdsRequest,
    WorkflowRequest,
)
from nxp.answers.sources import api, derived, ours

if TYPE_CHECKING:
    from tasks.act.awaited import Awaited
    from tasks.act.raw import RawReport, Request, Sent

# Messages of the tenant are printed without the names of the people they are about.
_PEOPLE: Final = re.compile(r"S(?:-[0-9]+){2,}|[^\s@]+@[^\s@]+")
REQUESTED, REFUSED, NOT_ANSWERED = "requested", "refused", "not_answered"
_READ_BACK: Final = "saved query, with --wait"

Ids = dict[str, str]
# The place of each target among those that were named, by `key_of`.
Places = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ActedEntry:
    """One target: a device, a user, a device with a user, an execution, or nothing."""

    position: Annotated[int, ours("Its place among the targets that were named, from 0.")]
    device: Annotated[Ids | None, ours("How the device was named, by the API's kinds of ids.")]
    user: Annotated[Ids | None, ours("How the user was named, by the API's kinds of ids.")]
    resolved_device: Annotated[
        str | None,
        derived(_READ_BACK, "Collector id; without --wait only where the request named it."),
    ]
    resolved_user: Annotated[
        str | None, derived(_READ_BACK, "SID; without --wait only where the request named it.")
    ]
    state: Annotated[
        str,
        derived(
            "the answer",
            "`requested`, `refused`, `not_answered` (not in the answer), or the request's state.",
        ),
    ]
    request_id: Annotated[str | None, ours("The tenant's id of the request that it is in.")]
    execution_id: Annotated[str | None, derived(_READ_BACK, "Of a workflow.")]
    message: Annotated[str | None, api("requests[].message", "Why it was refused.")]
    status: Annotated[str | None, derived(_READ_BACK, "Null if not read, or not shown yet.")]
    status_details: Annotated[str | None, derived(_READ_BACK)]
    status_at: Annotated[datetime | None, derived(_READ_BACK, "In UTC.")]


@dataclass(frozen=True, slots=True)
class ExecutionSeen:
    """One execution, or one response of a user, as read back."""

    request_id: Annotated[str | None, derived(_READ_BACK)]
    execution_id: Annotated[str | None, derived(_READ_BACK, "Of a workflow.")]
    device: Annotated[str | None, derived(_READ_BACK, "Collector id.")]
    name: Annotated[str | None, derived(_READ_BACK, "The device's name.")]
    person: Annotated[str | None, derived(_READ_BACK, "SID.")]
    status: Annotated[str | None, derived(_READ_BACK)]
    details: Annotated[str | None, derived(_READ_BACK)]
    status_at: Annotated[datetime | None, derived(_READ_BACK, "In UTC.")]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was read back, if --wait asked for it."""

    expected: Annotated[int, ours("How many executions there should be.")]
    ended: Annotated[int, ours("How many have a final status.")]
    failed: Annotated[int, ours("How many of these failed, expired or were cancelled.")]
    waiting: Annotated[int, ours("How many have not ended, or do not show yet.")]
    exports: Annotated[int, ours("How many exports that took.")]
    problem: Annotated[str | None, ours("Why reading back ended early.")]
    executions: Annotated[tuple[ExecutionSeen, ...], ours("One for each.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """One request."""

    intent_id: Annotated[str, ours("Its id in the journal.")]
    state: Annotated[str, ours("Its state in the journal.")]
    request_id: Annotated[str | None, api("requestId, requestUuid", "The tenant's id.")]
    targets: Annotated[int, ours("How many targets it asked for.")]
    reached: Annotated[
        int | None,
        derived("the answer", "How many the answer confirms; null if it does not say."),
    ]
    code: Annotated[str | None, api("code", "Why it was refused.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRemoteAction(SentRequest):
    """One request of a remote action."""

    expires_in_minutes: Annotated[int | None, api("expiresInMinutes")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentWorkflow(SentRequest):
    """One request of a workflow."""

    execution_ids: Annotated[tuple[str, ...], api("executionsUuids", "In no documented order.")]


@dataclass(frozen=True, slots=True)
class AnsweredUser:
    """The answer about one user of a campaign."""

    position: Annotated[int | None, ours("The user's place among those that were named.")]
    request_id: Annotated[str | None, api("requests[].requestId")]
    message: Annotated[str | None, api("requests[].message", "Without names of people.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCampaign(SentRequest):
    """One request of a campaign."""

    users: Annotated[tuple[AnsweredUser, ...], api("requests", "One for each user.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What a raw command has done."""

    kind: Annotated[str, ours("remote_action, workflow, campaign or workflow_event.")]
    action_id: Annotated[str, ours("NQL id; of a resumed workflow its UUID.")]
    state: Annotated[
        str, ours("`requested`, `partly`, `refused` (nobody was reached), or the request's state.")
    ]
    targets: Annotated[int, ours("How many different targets were named.")]
    duplicates: Annotated[int, ours("How many repetitions were dropped.")]
    already_sent: Annotated[int, ours("How many an interrupted command had sent already.")]
    reached: Annotated[
        int | None,
        derived("answers", "How many the answers, or --wait, confirm; null if neither says."),
    ]
    refused: Annotated[int, derived("answers", "How many the tenant refused.")]
    entries: Annotated[tuple[ActedEntry, ...], ours("One for each target.")]
    outcome: Annotated[Outcome | None, ours("Null without --wait.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedRemoteAction(Acted):
    """What `nxp remote-actions execute` has done."""

    requests: Annotated[tuple[SentRemoteAction, ...], ours("In the order of sending.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedWorkflow(Acted):
    """What `nxp workflows trigger` has done."""

    requests: Annotated[tuple[SentWorkflow, ...], ours("In the order of sending.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedCampaign(Acted):
    """What `nxp campaigns trigger` has done."""

    requests: Annotated[tuple[SentCampaign, ...], ours("In the order of sending.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedEvent(Acted):
    """What `nxp workflows resume` has done."""

    requests: Annotated[tuple[SentRequest, ...], ours("The one request.")]


def acted(
    report: "RawReport",
    awaited: "Awaited | None" = None,
    *,
    duplicates: int = 0,
    places: Places,
) -> Acted:
    """Return what a raw command prints with `--json`.

    Args:
        report: of its requests.
        awaited: what was read back, if anything.
        duplicates: how many repetitions were dropped.
        places: see `places_of`; an interrupted command's rest may be sent without some targets.
    """
    entries = [entry for sent in report.sent for entry in _entries(sent, places, awaited)]
    make, describe = _KINDS[type(report.sent[0].request)]
    counts = [each.reached for each in report.sent]
    reached = None if None in counts else sum(each or 0 for each in counts)
    if awaited and reached is None:
        reached = awaited.executions.height
    refused = sum(entry.state == REFUSED for entry in entries)
    made: Acted = make(
        kind=report.kind,
        action_id=report.action_id,
        state=state_of(report),
        targets=sum(each.record.targets for each in report.sent),
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


def _entries(sent: "Sent", places: Places, awaited: "Awaited | None") -> Iterator[ActedEntry]:
    answers = {each.user_sid: each for each in sent.users}
    seen = _Seen(awaited, sent)
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
            _without_people(answer) if answer else None,
            row.get("status"),
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


class _Seen:
    """Finds the row of a target among the executions that were read back."""

    def __init__(self, awaited: "Awaited | None", sent: "Sent") -> None:
        rows = awaited.executions.to_dicts() if awaited else []
        ids = {sent.record.request_id, *(each.request_id for each in sent.users)}
        is_event = isinstance(sent.request, EventRequest)
        self._rows = [row for row in rows if is_event or row["request_id"] in ids]
        self._is_only = len(self._rows) == 1 and sent.record.targets == 1
        self._by: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self._rows:
            for name in ("device", "name", "person", "request_id"):
                if row[name]:
                    self._by.setdefault((name, row[name].lower()), row)

    def row(
        self, device: Ids | None, user: Ids | None, answer: CampaignAnswer | None
    ) -> dict[str, Any]:
        """Return what was seen of a target; empty if nothing, or not certainly."""
        if self._is_only:
            return self._rows[0]
        device, user = device or {}, user or {}
        keys = (
            ("request_id", answer.request_id if answer else None),
            ("device", device.get("collectorUid")),
            ("person", user.get("sid")),
            ("name", device.get("name")),
        )
        for name, value in keys:
            if value and (found := self._by.get((name, value.lower()))):
                return found
        return {}


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
        tuple(ExecutionSeen(**row) for row in awaited.executions.to_dicts()),
    )


def _common(sent: "Sent") -> dict[str, Any]:
    return {
        "intent_id": sent.record.intent_id,
        "state": sent.record.state,
        "request_id": sent.record.request_id,
        "targets": sent.record.targets,
        "reached": sent.reached,
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
}
