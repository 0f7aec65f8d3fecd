"""The written values: accepted now, visible once their delay has passed."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sandbox.clock import TenantClock
from sandbox.enrichment.administrator import Administrator
from sandbox.enrichment.fields import Value, fields_of
from sandbox.enrichment.writes import Received, Write
from sandbox.options import SandboxOptions

__all__ = ["EnrichmentStore", "Received", "Write"]


class EnrichmentStore:
    """Keeps what was written, separately from the inventory that it overrides."""

    def __init__(self, options: SandboxOptions, clock: TenantClock) -> None:
        """Start empty; `delay` is in seconds and may be changed."""
        self.fields = fields_of(options)
        self.delay = options.enrichment_delay
        self.administrator = Administrator(options.seed, options.edits, options.edits_after)
        # The requests, in order.
        self.received: list[Received] = []
        self._custom_fields = options.custom_fields_of
        self._clock = clock
        self._lock = threading.Lock()
        self._coming: deque[tuple[datetime, Write]] = deque()
        self._edits: deque[tuple[datetime, Write]] = deque()
        self._values: defaultdict[tuple[str, str], dict[str, Value]] = defaultdict(dict)

    def accept(self, received: Received, writes: Iterable[Write]) -> None:
        """Accept values that will be visible after the delay."""
        due = received.at + timedelta(seconds=self.delay)
        with self._lock:
            self.received.append(received)
            taken = list(writes)
            self._coming.extend((due, write) for write in taken)
            self._edits.extend(self.administrator.edits_of(taken, due))

    def begin_with(self, writes: Iterable[Write]) -> None:
        """Set values that were there before any client wrote."""
        with self._lock:
            self._coming.extend((self._clock.start, write) for write in writes)

    def values(self, entity: str, field: str) -> Mapping[str, Value]:
        """Return the visible values of a field by uid; None is a cleared value."""
        with self._lock:
            self._settle()
            return dict(self._values.get((entity, field), {}))

    def custom_fields(self, entity: str) -> frozenset[str]:
        """Return the NQL paths of an entity's custom fields, such as `#cost_center`."""
        return self._custom_fields(entity)

    def _settle(self) -> None:
        now = self._clock.now()
        # In order of acceptance, so that a shorter delay lets no value overtake an earlier one.
        while coming := self._next(now):
            _, write = coming.popleft()
            self._values[write.field.entity, write.field.path][write.uid] = write.value

    def _next(self, now: datetime) -> deque[tuple[datetime, Write]] | None:
        """Return the queue whose first value shows next, an edit after what it edits."""
        due = [queue for queue in (self._coming, self._edits) if queue and queue[0][0] <= now]
        return min(due, key=lambda queue: queue[0][0], default=None)
