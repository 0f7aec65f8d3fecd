"""Answers of the commands that act on devices and people: what was sent, and how it ended."""

from dataclasses import dataclass
from typing import Annotated, Literal

from nxp.answers.sources import api, derived, ours


@dataclass(frozen=True, slots=True)
class Requested:
    """One request, as the journal has it."""

    intent_id: Annotated[str, ours("Its id in the journal; `nxp act resolve` takes it.")]
    state: Annotated[str, ours("requested, refused, unknown, not_sent: see docs/acting.md.")]
    request_id: Annotated[
        str | None,
        api("requestId or requestUuid", "Null if not accepted, and for a campaign: see its users."),
    ]
    targets: Annotated[int, ours("How many targets it names.")]
    code: Annotated[str | None, api("code", "The tenant's code, if it refused the request.")]


@dataclass(frozen=True, slots=True)
class RemoteActionRequested(Requested):
    """An accepted request of a remote action."""

    expires_in_minutes: Annotated[
        int | None, api("expiresInMinutes", "The expiration that the tenant applied.")
    ]


@dataclass(frozen=True, slots=True)
class WorkflowRequested(Requested):
    """An accepted request of a workflow."""

    execution_ids: Annotated[
        tuple[str, ...], api("executionsUuids", "One for each target, in no documented order.")
    ]


@dataclass(frozen=True, slots=True)
class UserAsked:
    """What the tenant says about one user of a campaign; the name is not printed."""

    position: Annotated[int | None, derived("userSid", "The user's place in the list, from 0.")]
    request_id: Annotated[str | None, api("requests[].requestId", "Null if not reached.")]
    message: Annotated[
        str | None, api("requests[].message", "Why not, without names; null if reached.")
    ]


@dataclass(frozen=True, slots=True)
class CampaignRequested(Requested):
    """An accepted request of a campaign."""

    users: Annotated[tuple[UserAsked, ...], api("requests", "The answer for each user.")]


@dataclass(frozen=True, slots=True)
class _Sent:
    action_id: Annotated[str, ours("NQL id, or the UUID of a resumed workflow.")]
    targets: Annotated[int, ours("How many targets were asked for.")]
    duplicates: Annotated[int, ours("How many were named more than once and left out.")]


@dataclass(frozen=True, slots=True)
class RemoteActionSent(_Sent):
    """The requests of a remote action."""

    kind: Annotated[Literal["remote_action"], ours("What it is.")]
    requests: Annotated[list[RemoteActionRequested | Requested], ours("Its requests, in order.")]


@dataclass(frozen=True, slots=True)
class WorkflowSent(_Sent):
    """The requests of a workflow."""

    kind: Annotated[Literal["workflow"], ours("What it is.")]
    requests: Annotated[list[WorkflowRequested | Requested], ours("Its requests, in order.")]


@dataclass(frozen=True, slots=True)
class CampaignSent(_Sent):
    """The requests of a campaign."""

    kind: Annotated[Literal["campaign"], ours("What it is.")]
    requests: Annotated[list[CampaignRequested | Requested], ours("Its requests, in order.")]


@dataclass(frozen=True, slots=True)
class EventSent(_Sent):
    """The request that resumes an execution of a workflow."""

    kind: Annotated[Literal["workflow_event"], ours("What it is.")]
    requests: Annotated[list[Requested], ours("The one request.")]
