"""What the tenant answers to requests that act: whether they are accepted, and their ids.

Read as leniently as its descriptions: an odd field must not make the outcome of a request unknown.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, field_validator

from connectors.nexthink.acting.models import LONGEST_MINUTES, Lenient
from connectors.nexthink.models import TenantId


class RemoteActionAnswer(Lenient):
    """A remote action was accepted; `request_id` finds its executions when they are read back."""

    request_id: TenantId = Field(alias="requestId")
    expires_in_minutes: int | None = Field(default=None, alias="expiresInMinutes")

    @field_validator("expires_in_minutes", mode="before")
    @classmethod
    def _take_only_minutes(cls, given: Any) -> Any:
        # The action was accepted: a value that is not a number must not make its outcome unknown.
        return given if isinstance(given, int) and 0 <= given <= LONGEST_MINUTES else None


class WorkflowAnswer(Lenient):
    """A workflow was accepted: one execution for each object, in no documented order."""

    request_id: TenantId = Field(alias="requestUuid")
    execution_ids: tuple[TenantId, ...] = Field(default=(), alias="executionsUuids")


class DeviceStatus(Lenient):
    """The answer for one device to be deleted: SCHEDULED, INVALID or FAILED."""

    uid: str = ""
    name: str = ""
    status: str = ""


class DeletionAnswer(Lenient):
    """A deletion was accepted: what the tenant says of each device, in the order of the request."""

    scheduled: int | None = Field(default=None, alias="scheduledCount")
    devices: tuple[DeviceStatus, ...] = ()

    @field_validator("scheduled", mode="before")
    @classmethod
    def _take_only_a_count(cls, given: Any) -> Any:
        return given if isinstance(given, int) and not isinstance(given, bool) else None

    @field_validator("devices", mode="before")
    @classmethod
    def _take_only_devices(cls, given: Any) -> Any:
        # It was accepted: an entry of another form must not make its outcome unknown.
        entries = given if isinstance(given, list | tuple) else ()
        return [each for each in entries if isinstance(each, DeviceStatus) or _is_of_texts(each)]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request was accepted by an answer without content."""


@dataclass(frozen=True, slots=True)
class CampaignAnswer:
    """The answer for one user: a request id, or a message why there is none."""

    user_sid: str = field(repr=False)
    request_id: str | None = None
    message: str | None = field(default=None, repr=False)


def _is_of_texts(entry: object) -> bool:
    """Return whether an entry of an answer is an object whose known fields are texts, or null."""
    if not isinstance(entry, dict):
        return False
    return all(isinstance(entry.get(name) or "", str) for name in DeviceStatus.model_fields)
