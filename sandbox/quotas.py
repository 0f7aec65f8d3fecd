"""How much the tenant takes in 24 hours, exports, executes, and calls of any kind."""

import threading
from collections import deque
from datetime import datetime, timedelta

from sandbox.clock import TenantClock
from sandbox.tenant_options import TenantOptions

DAY = timedelta(hours=24)
CALLS = "calls"


class Quotas:
    """The limits of a tenant over rolling 24 hours; a kind without a limit is only counted."""

    def __init__(self, options: TenantOptions, clock: TenantClock) -> None:
        """Start with nothing taken."""
        self._clock = clock
        self._lock = threading.Lock()
        self._limits = {
            "export": options.daily_exports,
            "execute": options.daily_executes,
            CALLS: options.daily_calls,
        }
        self._taken: dict[str, deque[datetime]] = {kind: deque() for kind in self._limits}

    def take(self, route: str) -> datetime | None:
        """Take a request of a route, or return when the next one will be taken."""
        now = self._clock.now()
        with self._lock:
            kinds = [kind for kind in (route, CALLS) if kind in self._limits]
            free = [moment for kind in kinds if (moment := self._free_at(kind, now))]
            if free:
                return max(free)
            for kind in kinds:
                self._taken[kind].append(now)
        return None

    def give_back(self, route: str, *, call: bool) -> None:
        """Uncount the latest request of a route, which started nothing; with `call`, as a call."""
        with self._lock:
            for kind in (route, *([CALLS] if call else [])):
                if self._taken.get(kind):
                    self._taken[kind].pop()

    def taken(self, kind: str) -> int:
        """Return how many `export`, `execute` or `calls` were taken in the last 24 hours."""
        with self._lock:
            self._forget_old(kind, self._clock.now())
            return len(self._taken[kind])

    def _free_at(self, kind: str, now: datetime) -> datetime | None:
        self._forget_old(kind, now)
        limit, taken = self._limits[kind], self._taken[kind]
        return taken[-limit] + DAY if limit is not None and len(taken) >= limit else None

    def _forget_old(self, kind: str, now: datetime) -> None:
        taken = self._taken[kind]
        while taken and taken[0] <= now - DAY:
            taken.popleft()
