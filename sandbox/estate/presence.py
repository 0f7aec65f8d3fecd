"""Which devices have left the inventory, and which have reported again since the tenant began."""

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime


class Presence:
    """Deleted devices and devices that came online, by `device.uid`."""

    def __init__(self) -> None:
        """Begin with what the estate has."""
        self._lock = threading.Lock()
        self._deleted: dict[str, datetime] = {}
        self._woken: dict[str, datetime] = {}

    def delete(self, uids: Iterable[str], at: datetime) -> None:
        """Remove devices from the inventory at a moment."""
        with self._lock:
            for uid in uids:
                self._deleted.setdefault(uid, at)

    def wake(self, uid: str, at: datetime) -> None:
        """Let a device report at a moment; one that was deleted before is in the inventory again.

        An active device reports all the time: this shows only on one that is not.
        """
        with self._lock:
            self._woken[uid] = max(at, self._woken.get(uid, at))
            if uid in self._deleted and self._deleted[uid] <= at:
                del self._deleted[uid]

    def gone(self, now: datetime) -> list[str]:
        """Return the devices that are deleted at a moment."""
        with self._lock:
            return [uid for uid, at in self._deleted.items() if at <= now]

    def woken(self, now: datetime) -> Mapping[str, datetime]:
        """Return when the devices that came online reported last."""
        with self._lock:
            return {uid: at for uid, at in self._woken.items() if at <= now}
