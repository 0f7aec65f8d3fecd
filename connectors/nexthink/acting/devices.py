"""The data management API: deleting devices from the inventory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.nexthink.acting.acting import act
from connectors.nexthink.acting.answers import DeletionAnswer
from connectors.nexthink.acting.limits import (
    COLLECTOR_ID,
    MOST_DELETIONS,
    UUID,
    count_problems,
    make_sure,
    pattern_problems,
    repeats,
)
from connectors.nexthink.api import Api

PERMISSION: Final = "Data management"
DELETE_PATH: Final = "/api/v1/data-management/device/deletions"


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """A device to be deleted, by its collector's id and the name that the collector reports."""

    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class DeviceDeletionRequest:
    """Devices to be deleted from the inventory, at most 100."""

    devices: Sequence[DeviceEntry]

    def __post_init__(self) -> None:
        uids = [each.uid for each in self.devices]
        blank = [at for at, each in enumerate(self.devices) if not each.name.strip()]
        make_sure(
            "deletion request",
            count_problems("devices", uids, least=1, most=MOST_DELETIONS),
            pattern_problems("devices", uids, UUID, COLLECTOR_ID),
            repeats("devices", uids),
            [f"devices[{at}] has no name" for at in blank],
        )

    def body(self) -> dict[str, Any]:
        """Return the request in the API's shape."""
        return {"devices": [{"uid": each.uid, "name": each.name} for each in self.devices]}


class DevicesApi:
    """The operation on devices, as `client.devices`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def delete(self, request: DeviceDeletionRequest) -> DeletionAnswer:
        """Ask for devices to be deleted; never sent again if it may have been accepted.

        The tenant deletes in the background. That it has accepted the request does not mean that
        it has accepted each device: see the answer.

        Raises:
            PipelineError: as `acting.act`.
        """
        return act(
            self._api, DELETE_PATH, DeletionAnswer, permission=PERMISSION, body=request.body()
        )
