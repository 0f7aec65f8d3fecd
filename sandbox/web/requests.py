"""The bodies of action requests, as the vendor's specification describes them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# The published patterns with [0-9] for \d, which here would match digits of other scripts.
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_SID = r"^S(-[0-9]+){2,10}$|^0$"
_UPN = r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$"

MOST_TARGETS = 10_000


def _no_null(value: Any) -> Any:
    """Refuse null: in these requests the specification lets a field be absent, but not null."""
    if value is None:
        raise ValueError("is null")
    return value


_Present = BeforeValidator(_no_null)
Uuid = Annotated[str, Field(pattern=_UUID)]
Sid = Annotated[str, Field(pattern=_SID)]
Upn = Annotated[str, Field(pattern=_UPN)]
Parameters = dict[str, str]


class _Body(BaseModel):
    # Unknown fields are allowed, as in the specification. Validators are built for the first
    # request, as most runs of the sandbox never act.
    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True, defer_build=True)


class TriggerInfo(_Body):
    """Who triggers a remote action, and why."""

    external_source: Annotated[str | None, _Present, Field(alias="externalSource")] = None
    reason: Annotated[str | None, _Present, Field(max_length=500)] = None
    external_reference: Annotated[str | None, _Present, Field(alias="externalReference")] = None


class RemoteActionBody(_Body):
    """A remote action for devices, named by the ids of their collectors."""

    remote_action_id: Annotated[str, Field(alias="remoteActionId", min_length=1)]
    devices: Annotated[list[str], Field(min_length=1, max_length=MOST_TARGETS)]
    params: Parameters = {}
    expires_in_minutes: Annotated[
        int | None, _Present, Field(alias="expiresInMinutes", ge=60, le=10_080)
    ] = None
    trigger_info: Annotated[TriggerInfo | None, _Present, Field(alias="triggerInfo")] = None


class WorkflowBody(_Body):
    """A workflow for devices by their collectors' ids, and for users by SID."""

    workflow_id: Annotated[str, Field(alias="workflowId")]
    devices: Annotated[list[Uuid] | None, _Present, Field(max_length=MOST_TARGETS)] = None
    users: Annotated[list[Sid] | None, _Present, Field(max_length=MOST_TARGETS)] = None
    params: Parameters = {}


class DeviceData(_Body):
    """A device by any of its names."""

    name: Annotated[str | None, _Present] = None
    uid: Annotated[Uuid | None, _Present] = None
    collector_uid: Annotated[Uuid | None, _Present, Field(alias="collectorUid")] = None


class UserData(_Body):
    """A user by any of their names."""

    uid: Annotated[Uuid | None, _Present] = None
    upn: Annotated[Upn | None, _Present] = None
    sid: Annotated[Sid | None, _Present] = None


class ExternalIdsRequest(_Body):
    """A workflow for devices and users by any of their names."""

    workflow_id: Annotated[str, Field(alias="workflowId")]
    devices: Annotated[list[DeviceData] | None, _Present, Field(max_length=MOST_TARGETS)] = None
    users: Annotated[list[UserData] | None, _Present, Field(max_length=MOST_TARGETS)] = None
    params: Parameters = {}


class EventBody(_Body):
    """What resumes a waiting workflow."""

    parameters: dict[str, Annotated[str, Field(min_length=1)]] = {}


class CampaignBody(_Body):
    """A campaign for users by SID."""

    campaign_nql_id: Annotated[str, Field(alias="campaignNqlId", min_length=1)]
    user_sid: Annotated[list[str], Field(alias="userSid", min_length=1, max_length=MOST_TARGETS)]
    expires_in_minutes: Annotated[int, Field(alias="expiresInMinutes", ge=1, le=525_600)]
    parameters: Annotated[Parameters, Field(max_length=30)] = {}


class DeviceBody(_Body):
    """A device to be deleted; a malformed uid is refused on its own."""

    uid: str
    name: Annotated[str, Field(min_length=1)]


class DeletionRequest(_Body):
    """Devices to be deleted; the route itself checks how many there are."""

    devices: list[DeviceBody] = []


class TextPartBody(_Body):
    """A part of a message: words."""

    type: Literal["TEXT"]
    text: Annotated[str, Field(min_length=1)]


class FilePartBody(_Body):
    """A part of a message: a file."""

    type: Literal["FILE"]
    mime_type: Annotated[str, Field(alias="mimeType", min_length=1)]
    file_content: Annotated[str, Field(alias="fileContent")]


class Message(_Body):
    """What a person said."""

    parts: Annotated[list[TextPartBody | FilePartBody], Field(min_length=1)]


class HandoffBody(_Body):
    """A conversation that Spark takes over."""

    message: Message
    metadata: dict[str, str] | None = None
