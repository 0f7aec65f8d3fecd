"""The gate that each request to a tenant's API passes before it is sent: limits of all processes.

The ledger is queried rarely: where nothing or much is allowed, calls are counted ten at a time, and
whether the tenant asked us to wait is looked up at most once a second. Exports and executes are
counted singly, and so are calls with a small limit, because those that a killed process has taken
are lost, and with a rate, because a moment that one process does not use is lost for the others.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from connectors.errors import LimitReachedError, PipelineError
from connectors.http.exchanges import EXECUTE, EXPORT, OTHER, STATUS
from connectors.ledger.counters import ADVISED, NAMES, Asker, CallKind
from connectors.ledger.limits import Allowance, TenantLimits

logger = logging.getLogger(__name__)

CALLS_AT_ONCE = 10
# With a smaller limit, calls are counted one at a time.
SMALL_LIMIT = 1_000
LOOK_EVERY = timedelta(seconds=1)

_KINDS: Final = {EXPORT: CallKind.EXPORTS, EXECUTE: CallKind.EXECUTES}
_ASKER: ContextVar[Asker | None] = ContextVar("asker", default=None)


@contextmanager
def asking(asker: Asker) -> Iterator[None]:
    """Let the requests of the block be those of another asker than the gate's."""
    before = _ASKER.set(asker)
    try:
        yield
    finally:
        _ASKER.reset(before)


@dataclass(frozen=True, slots=True)
class Daily:
    """How many exports and executes the operator allows in 24 hours; None: as the tenant does.

    `settings` is what the operator calls the limit of each kind, for messages.
    """

    exports: int | None = None
    executes: int | None = None
    settings: Mapping[CallKind, str] = field(default_factory=dict)


class CallGate:
    """The gate of one process; thread-safe.

    Args:
        limits: the tenant's limits, in the ledger.
        per_second: calls of all processes, None for no rate.
        per_day: calls of all processes in 24 hours, None for no limit.
        daily: the limits of exports and executes; without it, as many as the tenant takes.
        longest_wait: how long a call may wait; beyond that it is refused.
        clock: returns the present moment.
        sleep: waits for some seconds.
        asker: who asks; when little of a limit is left, others may come first.
    """

    def __init__(
        self,
        limits: TenantLimits,
        *,
        per_second: float | None,
        per_day: int | None,
        longest_wait: timedelta,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        daily: Daily | None = None,
        asker: Asker = Asker.PERSON,
    ) -> None:
        self._limits = limits
        self._per_second = per_second
        daily = daily or Daily()
        self._allowed = {
            CallKind.CALLS: per_day,
            CallKind.EXPORTS: daily.exports,
            CallKind.EXECUTES: daily.executes,
        }
        self._settings = daily.settings
        self._longest_wait = longest_wait
        self._clock = clock
        self._sleep = sleep
        self._asker = asker
        self._lock = threading.Lock()
        self._in_hand: deque[datetime] = deque()
        self._taken_at: datetime | None = None
        self._waits: Mapping[CallKind, datetime] = {}
        self._looked_at: datetime | None = None
        # When each thread has taken the export or execute that it is sending.
        self._sending = threading.local()

    def enter(self, operation: str = OTHER) -> None:
        """Return once a request of an operation may be sent.

        Raises:
            LimitReachedError: the wait would be longer than `longest_wait`; nothing was sent.
        """
        kind = _KINDS.get(operation, CallKind.CALLS)
        with self._lock:
            until = self._waiting_until(kind)
            is_of_kind = until is not None and until != self._waits.get(CallKind.CALLS)
        asked = f"takes no more {NAMES[kind]}" if is_of_kind else "has asked us to wait"
        self._wait(until, f"the tenant {asked}")
        with self._lock:
            if kind is not CallKind.CALLS:
                self._sending.at = self._clock()
                self._take(kind, self._asker_now())
        try:
            with self._lock:
                at = self._next(operation)
            self._wait(at, "the rate of calls is used up")
        except BaseException:
            self.refused(operation)
            raise

    def refused(self, operation: str) -> None:
        """Uncount this thread's export or execute: it was not sent, or has started nothing."""
        kind = _KINDS.get(operation)
        if kind is not None:
            with self._lock:
                self._limits.give_back(kind, 1, self._sending.at)

    def limited(self, not_before: datetime, operation: str = OTHER) -> None:
        """Record, for all processes, when the tenant allows the next try.

        A long wait after an export or execute concerns only these: a daily limit of theirs. Any
        other holds for all requests.
        """
        is_long = not_before - self._clock() > self._longest_wait
        kind = _KINDS.get(operation, CallKind.CALLS) if is_long else CallKind.CALLS
        with self._lock:
            self._limits.limit_until(not_before, kind)
            self._looked_at = None

    def close(self) -> None:
        """Uncount the calls that were not made."""
        with self._lock, suppress(PipelineError):
            # If the ledger is not available, a few calls too many stay counted.
            self._put_back()

    def _asker_now(self) -> Asker:
        return _ASKER.get() or self._asker

    def _waiting_until(self, kind: CallKind) -> datetime | None:
        now = self._clock()
        if self._looked_at is None or abs(now - self._looked_at) >= LOOK_EVERY:
            self._waits = self._limits.waits()
            self._looked_at = now
        return self._waits.get(kind)

    def _next(self, operation: str) -> datetime:
        now = self._clock()
        if self._taken_at is not None and _minute(self._taken_at) != _minute(now):
            # A call counts in the minute in which it is made.
            self._put_back()
        if not self._in_hand:
            # An export that was started may be awaited, even if little is left.
            asker = Asker.PERSON if operation == STATUS else self._asker_now()
            taken = self._take(CallKind.CALLS, asker, self._calls_at_once())
            self._in_hand.extend([taken.starts_at] * taken.number)
            self._taken_at = now
        return self._in_hand.popleft()

    def _calls_at_once(self) -> int:
        limit = self._allowed[CallKind.CALLS]
        is_small = limit is not None and limit < SMALL_LIMIT
        return 1 if is_small or self._per_second is not None else CALLS_AT_ONCE

    def _put_back(self) -> None:
        number = len(self._in_hand)
        self._in_hand.clear()
        if number and self._taken_at:
            self._limits.give_back(CallKind.CALLS, number, self._taken_at)

    def _take(self, kind: CallKind, asker: Asker, number: int = 1) -> Allowance:
        taken = self._limits.take(
            kind,
            number,
            limit=self._allowed[kind],
            asker=asker,
            per_second=self._per_second if kind is CallKind.CALLS else None,
        )
        if not taken.number:
            raise LimitReachedError(self._used_up(kind, taken), not_before=taken.starts_at)
        if taken.limit is None and taken.used == ADVISED.get(kind):
            logger.warning(
                "more than %s %s in 24 hours: the vendor advises to stay under that; "
                "%s sets a limit",
                f"{taken.used:,}",
                NAMES[kind],
                self._setting(kind),
            )
        return taken

    def _setting(self, kind: CallKind) -> str:
        return self._settings.get(kind, f"NEXTHINK_DAILY_{kind.upper()}")

    def _used_up(self, kind: CallKind, taken: Allowance) -> str:
        setting = self._setting(kind)
        whose = "as the tenant's answers show" if taken.is_learned else setting
        kept = f", the last {taken.kept:,} are kept for what comes first" if taken.kept else ""
        return (
            f"{taken.used:,} of {taken.limit:,} {NAMES[kind]} in 24 hours ({whose}) are "
            f"used{kept}; the next is free at {taken.starts_at:%Y-%m-%d %H:%MZ}: run again then, "
            f"or {'set' if taken.is_learned else 'raise'} {setting}"
        )

    def _wait(self, until: datetime | None, why: str) -> None:
        """Wait once: if the tenant extends the time in between, the next answer will say so."""
        now = self._clock()
        if until is None or until <= now:
            return
        if until - now > self._longest_wait:
            raise LimitReachedError(
                f"{why}: the next try is at {until:%Y-%m-%d %H:%M:%SZ}: run again then, or "
                "forget this limit with nxp state reset and the name of any dataset",
                not_before=until,
            )
        self._sleep((until - now).total_seconds())


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
