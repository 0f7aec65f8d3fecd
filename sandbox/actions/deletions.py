"""Devices that the API was asked to delete: which are scheduled, and when they are gone."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sandbox.clock import TenantClock
from sandbox.directory import Directory
from sandbox.estate.presence import Presence
from sandbox.options import SandboxOptions

SCHEDULED, INVALID, FAILED = "SCHEDULED", "INVALID", "FAILED"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Deletion:
    """A request that was accepted: (uid, name, outcome) of each of its devices."""

    at: datetime
    devices: tuple[tuple[str, str, str], ...]


class Deletions:
    """Schedules deletions, by the ids of collectors.

    Guesses: a device that is not known is scheduled too, and a name is not compared.
    """

    def __init__(
        self,
        options: SandboxOptions,
        clock: TenantClock,
        directory: Directory,
        presence: Presence,
    ) -> None:
        """Start with none; `limit`, `seconds` and `failure_share` may be changed."""
        self.limit = options.deletion_limit
        self.seconds = options.deletion_time
        self.failure_share = options.deletion_failure_share
        # The accepted requests, in order.
        self.accepted: list[Deletion] = []
        self._random = Random(options.seed)
        self._clock = clock
        self._directory = directory
        self._presence = presence
        self._lock = threading.Lock()

    def schedule(self, devices: Sequence[tuple[str, str]]) -> Deletion:
        """Accept a request: (uid, name) of each device."""
        now = self._clock.now()
        with self._lock:
            outcomes = [self._outcome(uid) for uid, _ in devices]
        pairs = zip(devices, outcomes, strict=True)
        deletion = Deletion(now, tuple((uid, name, how) for (uid, name), how in pairs))
        found = [
            device
            for uid, _, outcome in deletion.devices
            if outcome == SCHEDULED
            for device in self._directory.find("device", "collector.uid", uid.lower())
        ]
        self._presence.delete(found, now + timedelta(seconds=self.seconds))
        with self._lock:
            self.accepted.append(deletion)
        return deletion

    def _outcome(self, uid: str) -> str:
        if not _UUID.fullmatch(uid):
            return INVALID
        return FAILED if self._random.random() < self.failure_share else SCHEDULED
