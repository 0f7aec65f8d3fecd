"""Answers of the raw commands that act: what was sent, whom it reached, what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from nxp.answers.sources import absent, api, derived, ours

_READ_BACK: Final = "read back by a saved query, with --wait"

Ids = dict[str, str]


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
            "`requested`, `refused`, `not_answered` (not in the answer), `not_found` (the tenant "
            "does not know it), or the request's state.",
        ),
    ]
    request_id: Annotated[str | None, ours("The tenant's id of the request that it is in.")]
    execution_id: Annotated[str | None, derived(_READ_BACK, "Of a workflow.")]
    message: Annotated[
        str | None,
        api("requests[].message, message, details", "Why it was refused, without values."),
    ]
    status: Annotated[
        str | None,
        derived(
            _READ_BACK,
            "Null if not read, or not shown yet; unknown if the query does not list the id.",
        ),
    ]
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

    kind: Annotated[
        str, ours("remote_action, workflow, campaign, workflow_event or spark_handoff.")
    ]
    action_id: Annotated[
        str,
        ours("NQL id; of a resumed workflow its UUID; of a hand-off what tells its message apart."),
    ]
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

    @property
    def sent(self) -> Sequence[SentRequest]:
        """The requests, in the order of sending."""
        requests: Sequence[SentRequest] = getattr(self, "requests", ())
        return requests


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ActedHandoff(Acted):
    """What `nxp spark handoff` has done."""

    outcome: Annotated[None, absent("Nothing shows what Spark answers.")]
    requests: Annotated[tuple[SentRequest, ...], ours("One for each user.")]
