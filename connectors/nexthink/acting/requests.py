"""Requests that act, checked against the published limits when they are created.

One UsageError lists all problems and quotes nobody's data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import UsageError
from connectors.nexthink.acting.limits import (
    CAMPAIGN_DEFAULT_EXPIRY_MINUTES,
    CAMPAIGN_EXPIRY_MINUTES,
    COLLECTOR_ID,
    EXPIRY_MINUTES,
    INTENT_PREFIX,
    LONGEST_REASON,
    MOST_CAMPAIGN_PARAMETERS,
    NO_SID,
    SID,
    UPN,
    UUID,
    count_problems,
    expiry_problems,
    id_problems,
    make_sure,
    name_problems,
    parameter_problems,
    pattern_problems,
    reason_problems,
    repeats,
    source_problems,
    workflow_id_problems,
)


@dataclass(frozen=True, slots=True)
class RemoteActionRequest:
    """A remote action for devices by collector id; without an expiry the tenant's applies."""

    action_id: str
    devices: Sequence[str]
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires_in_minutes: int | None = None
    source: str | None = None
    reason: str | None = field(default=None, repr=False)
    reference: str | None = None

    def __post_init__(self) -> None:
        make_sure(
            "remote action request",
            id_problems("a remote action", self.action_id),
            count_problems("devices", self.devices, least=1),
            pattern_problems("devices", self.devices, UUID, COLLECTOR_ID),
            repeats("devices", self.devices),
            parameter_problems(self.parameters),
            expiry_problems(self.expires_in_minutes, EXPIRY_MINUTES),
            reason_problems(self.reason),
        )

    def body(self) -> dict[str, Any]:
        """Return the request in the API's shape."""
        info = {
            "externalSource": self.source,
            "reason": self.reason,
            "externalReference": self.reference,
        }
        return _without_none(
            {
                "remoteActionId": self.action_id,
                "devices": list(self.devices),
                "params": dict(self.parameters),
                "expiresInMinutes": self.expires_in_minutes,
                "triggerInfo": _without_none(info) or None,
            }
        )


@dataclass(frozen=True, slots=True)
class WorkflowRequest:
    """A workflow for devices by collector id and users by SID; both empty: no target.

    The workflow is named by its NQL id or its UUID; the specification only says "the ID".

    How the tenant pairs devices and users if both are given is not published.
    """

    workflow_id: str
    devices: Sequence[str] = ()
    users: Sequence[str] = field(default=(), repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    source: str | None = None

    def __post_init__(self) -> None:
        make_sure(
            "workflow request",
            workflow_id_problems(self.workflow_id),
            count_problems("devices", self.devices),
            count_problems("users", self.users),
            pattern_problems("devices", self.devices, UUID, COLLECTOR_ID),
            pattern_problems("users", self.users, SID, NO_SID),
            () if self.users else repeats("devices", self.devices),
            () if self.devices else repeats("users", self.users),
            parameter_problems(self.parameters),
            source_problems(self.source),
        )

    def body(self) -> dict[str, Any]:
        """Return the request in the API's shape, which requires both lists."""
        return {
            "workflowId": self.workflow_id,
            "devices": list(self.devices),
            "users": list(self.users),
            "params": dict(self.parameters),
        }


@dataclass(frozen=True, slots=True)
class DeviceIds:
    """A device by at least one of its names; if several match, the one seen last is meant."""

    name: str | None = None
    uid: str | None = None
    collector_uid: str | None = None

    def body(self) -> dict[str, str]:
        """Return the request in the API's shape."""
        return _without_none(
            {"name": self.name, "uid": self.uid, "collectorUid": self.collector_uid}
        )


@dataclass(frozen=True, slots=True)
class UserIds:
    """A user by at least one of their names; if several match, the one seen last is meant."""

    sid: str | None = field(default=None, repr=False)
    upn: str | None = field(default=None, repr=False)
    uid: str | None = field(default=None, repr=False)

    def body(self) -> dict[str, str]:
        """Return the request in the API's shape."""
        return _without_none({"sid": self.sid, "upn": self.upn, "uid": self.uid})


@dataclass(frozen=True, slots=True)
class WorkflowIdsRequest:
    """A workflow for devices and users by any of their names."""

    workflow_id: str
    devices: Sequence[DeviceIds] = ()
    users: Sequence[UserIds] = field(default=(), repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    source: str | None = None

    def __post_init__(self) -> None:
        devices = [each.body() for each in self.devices]
        users = [each.body() for each in self.users]
        patterns = {"uid": UUID, "collectorUid": UUID, "sid": SID, "upn": UPN}
        make_sure(
            "workflow request",
            workflow_id_problems(self.workflow_id),
            count_problems("devices", devices),
            count_problems("users", users),
            name_problems("devices", devices, patterns),
            name_problems("users", users, patterns),
            parameter_problems(self.parameters),
            source_problems(self.source),
        )

    def body(self) -> dict[str, Any]:
        """Return the request in the API's shape, which requires both lists."""
        return {
            "workflowId": self.workflow_id,
            "devices": [each.body() for each in self.devices],
            "users": [each.body() for each in self.users],
            "params": dict(self.parameters),
        }


@dataclass(frozen=True, slots=True)
class EventRequest:
    """The event that a waiting execution of a workflow receives."""

    workflow_uuid: str
    execution_uuid: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    source: str | None = None

    def __post_init__(self) -> None:
        empty = [name for name, value in self.parameters.items() if value == ""]
        make_sure(
            "request to resume",
            pattern_problems("workflow", [self.workflow_uuid], UUID, "not a UUID"),
            pattern_problems("execution", [self.execution_uuid], UUID, "not a UUID"),
            parameter_problems(self.parameters),
            [f"parameter {name[:80]} is empty" for name in empty],
            source_problems(self.source),
        )

    def body(self) -> dict[str, Any]:
        """Return the request in the API's shape."""
        return {"parameters": dict(self.parameters)}


@dataclass(frozen=True, slots=True)
class CampaignRequest:
    """A campaign for users by SID; the expiry counts from the request."""

    campaign_id: str
    sids: Sequence[str] = field(repr=False)
    expires_in_minutes: int = CAMPAIGN_DEFAULT_EXPIRY_MINUTES
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        parameters = len(self.parameters)
        most = MOST_CAMPAIGN_PARAMETERS
        make_sure(
            "campaign request",
            id_problems("a campaign", self.campaign_id),
            count_problems("users", self.sids, least=1),
            pattern_problems("users", self.sids, SID, NO_SID),
            repeats("users", self.sids),
            parameter_problems(self.parameters),
            [f"{parameters} parameters are more than {most}"] if parameters > most else [],
            expiry_problems(self.expires_in_minutes, CAMPAIGN_EXPIRY_MINUTES),
        )

    def body(self) -> dict[str, Any]:
        """Return the request in the API's shape."""
        return {
            "campaignNqlId": self.campaign_id,
            "userSid": list(self.sids),
            "expiresInMinutes": self.expires_in_minutes,
            "parameters": dict(self.parameters),
        }


def nql_id(given: str) -> str:
    """Return an NQL id with its #; raise UsageError if it cannot be one."""
    named = f"#{given.removeprefix('#')}"
    make_sure("id", id_problems("the action", named))
    return named


def intent_reason(intent_id: str, text: str | None = None) -> str:
    """Return a request's reason, with its intent id; raise UsageError if it is too long."""
    prefix = f"{INTENT_PREFIX}{intent_id}"
    room = LONGEST_REASON - len(prefix) - 1
    if text and len(text) > room:
        raise UsageError(f"the reason has {len(text)} characters, but only {room} fit")
    return f"{prefix} {text}" if text else prefix


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}
