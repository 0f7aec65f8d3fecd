"""The execution of each target, among those that were read back."""

from typing import TYPE_CHECKING, Any, Final

from connectors.nexthink.acting.answers import CampaignAnswer
from connectors.nexthink.acting.requests import EventRequest
from nxp.answers.acted import Ids

if TYPE_CHECKING:
    from tasks.act.awaited import Awaited
    from tasks.act.raw import Sent

# The status of a target that what was read back cannot show.
UNKNOWN: Final = "unknown"
# The column of an execution by each kind of id that a target may be named by.
_COLUMNS: Final = {
    "collectorUid": "device.collector.uid",
    "uid": "device.uid",
    "name": "device.name",
    "user.sid": "user.sid",
    "user.uid": "user.uid",
    "user.upn": "user.upn",
}
# Columns of the executions that were read back, as `tasks.act.awaited` names them.
OTHER_IDS: Final = ("name", "device_uid", "user_uid", "upn")


class SeenExecutions:
    """Finds the row of a target among the executions that were read back."""

    def __init__(self, awaited: "Awaited | None", sent: "Sent") -> None:
        rows = awaited.executions.to_dicts() if awaited else []
        ids = {sent.record.request_id, *(each.request_id for each in sent.users)}
        is_event = isinstance(sent.request, EventRequest)
        self._rows = [row for row in rows if is_event or row["request_id"] in ids]
        self._is_only = len(self._rows) == 1 and sent.record.targets == 1
        self._listed = (awaited.listed or None) if awaited and sent.is_taken else None
        self._by: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self._rows:
            for name in ("device", *OTHER_IDS, "person", "request_id"):
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
            ("device_uid", device.get("uid")),
            ("user_uid", user.get("uid")),
            ("upn", user.get("upn")),
            ("name", device.get("name")),
        )
        for name, value in keys:
            if value and (found := self._by.get((name, value.lower()))):
                return found
        return {}

    def unknown(self, device: Ids | None, user: Ids | None) -> str | None:
        """Return `unknown` if the saved query lists none of the ids that a target was named by."""
        ids = {*(device or {}), *(f"user.{kind}" for kind in user or {})}
        if self._listed is None or not ids or self._is_only:
            return None
        return None if any(_COLUMNS[kind] in self._listed for kind in ids) else UNKNOWN
