"""The gate that each request to a tenant's API passes before it is sent: limits of all processes.

The ledger is queried rarely: calls of a day are taken ten at a time, and whether the tenant asked
us to wait is looked up at most once a second. With a rate, each call has its own moment and is
taken singly: a moment that one process does not use would be lost for the others.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from connectors.errors import LimitReachedError, PipelineError
from connectors.ledger.limits import TenantLimits

CALLS_AT_ONCE = 10
LOOK_EVERY = timedelta(seconds=1)


class CallGate:
    """The gate of one process; thread-safe.

    Args:
        limits: the tenant's limits, in the ledger.
        per_second: calls of all processes, None for no rate.
        per_day: calls of all processes on a day (UTC).
        longest_wait: how long a call may wait; beyond that it is refused.
        clock: returns the present moment.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        limits: TenantLimits,
        *,
        per_second: float | None,
        per_day: int,
        longest_wait: timedelta,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._limits = limits
        self._per_second = per_second
        self._per_day = per_day
        self._longest_wait = longest_wait
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._in_hand: deque[datetime] = deque()
        self._taken_at: datetime | None = None
        self._limited_until: datetime | None = None
        self._looked_at: datetime | None = None

    def enter(self) -> None:
        """Return once a request may be sent.

        Raises:
            LimitReachedError: the wait would be longer than `longest_wait`; nothing was sent.
        """
        with self._lock:
            until = self._waiting_until()
        self._wait(until, "the tenant has asked us to wait")
        with self._lock:
            at = self._next()
        self._wait(at, "the rate of calls is used up")

    def limited(self, not_before: datetime) -> None:
        """Record, for all processes, when the tenant allows the next try."""
        with self._lock:
            self._limits.limit_until(not_before)
            self._looked_at = None

    def close(self) -> None:
        """Return the calls that were not made to the day's budget."""
        with self._lock:
            if self._in_hand and self._taken_at:
                # If the ledger is not available, the day counts a few calls too many.
                with suppress(PipelineError):
                    self._limits.return_calls(len(self._in_hand), self._taken_at)
            self._in_hand.clear()

    def _waiting_until(self) -> datetime | None:
        now = self._clock()
        if self._looked_at is None or abs(now - self._looked_at) >= LOOK_EVERY:
            self._limited_until = self._limits.limited_until()
            self._looked_at = now
        return self._limited_until

    def _next(self) -> datetime:
        now = self._clock()
        if self._taken_at is None or self._taken_at.date() != now.date():
            # Calls left over from yesterday do not count for today.
            self._in_hand.clear()
        if not self._in_hand:
            self._take(now)
        return self._in_hand.popleft()

    def _take(self, now: datetime) -> None:
        calls = CALLS_AT_ONCE if self._per_second is None else 1
        taken = self._limits.take_calls(calls, self._per_second, self._per_day)
        if not taken.calls:
            raise LimitReachedError(
                f"the day's {self._per_day:,} API calls (daily_calls, of all processes of this "
                f"ledger) are used; the next day begins at {taken.starts_at:%Y-%m-%d %H:%MZ}: "
                "run again then, or raise NEXTHINK_DAILY_CALLS",
                not_before=taken.starts_at,
            )
        self._in_hand.extend([taken.starts_at] * taken.calls)
        self._taken_at = now

    def _wait(self, until: datetime | None, why: str) -> None:
        """Wait once: if the tenant extends the time in between, the next answer will say so."""
        now = self._clock()
        if until is None or until <= now:
            return
        if until - now > self._longest_wait:
            raise LimitReachedError(
                f"{why}: the next try is at {until:%Y-%m-%d %H:%M:%SZ}: run again then, or clear "
                "this limit with nxp state reset DATASET",
                not_before=until,
            )
        self._sleep((until - now).total_seconds())
