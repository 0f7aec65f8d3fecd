"""What the tenant's answer to a deletion says about each of its devices."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from connectors.nexthink.acting.answers import DeletionAnswer, DeviceStatus
from connectors.nexthink.acting.devices import DeviceDeletionRequest

# The key of deletions in the journal: kind, and what stands for the id of an action.
DELETION: Final = ("device_deletion", "devices")
# What is kept for a device: the tenant's words in lower case.
SCHEDULED: Final = "scheduled"
REFUSALS: Final = frozenset({"invalid", "failed"})
_LONGEST_STATUS: Final = 64


def statuses_of(request: DeviceDeletionRequest, answer: DeletionAnswer) -> dict[str, str]:
    """Return the status of each device that an answer mentions, by collector id in lower case.

    The answer has the devices in the order of the request, so an entry without an id is known by
    its place if none is missing.
    """
    is_whole = len(answer.devices) == len(request.devices)
    asked = [each.uid.lower() for each in request.devices]
    found: dict[str, str] = {}
    for at, each in enumerate(answer.devices):
        uid = each.uid.lower() or (asked[at] if is_whole else "")
        if uid in asked:
            found.setdefault(uid, _status(each))
    return found


def seen_of(request: DeviceDeletionRequest, answer: DeletionAnswer) -> pl.DataFrame:
    """Return the devices of a request in the journal's form: a refused one has a code."""
    statuses: Mapping[str, str] = statuses_of(request, answer)
    asked = [each.uid.lower() for each in request.devices]
    said = [statuses.get(uid) for uid in asked]
    return pl.DataFrame(
        {
            "target": asked,
            "code": [word if word in REFUSALS else None for word in said],
            "status": [None if word in REFUSALS else word for word in said],
        },
        schema=dict.fromkeys(("target", "code", "status"), pl.String),
    )


def _status(device: DeviceStatus) -> str:
    return device.status.strip().lower()[:_LONGEST_STATUS]
