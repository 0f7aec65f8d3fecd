"""The written values: accepted now, visible once their delay has passed."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.clock import TenantClock
from sandbox.enrichment.fields import Field, Value, fields_of
from sandbox.options import SandboxOptions


@dataclass(frozen=True, slots=True)
class Write:
    """One value for one object; None clears."""

    uid: str
    field: Field
    value: Value


@dataclass(frozen=True, slots=True)
class Received:
    """An answered request, recorded for tests, without its values."""

    at: datetime
    domain: str
    objects: int
    refused: int


class EnrichmentStore:
    """Keeps what was written, separately from the inventory that it overrides."""

    def __init__(self, options: SandboxOptions, clock: TenantClock) -> None:
        """Start empty; `delay` is in seconds and may be changed."""
        self.fields = fields_of(options)
        self.delay = options.enrichment_delay
        # The requests, in order.
        self.received: list[Received] = []
        self._custom_fields = options.custom_fields_of
        self._clock = clock
        self._lock = threading.Lock()
        self._coming: deque[tuple[datetime, Write]] = deque()
        self._values: defaultdict[tuple[str, str], dict[str, Value]] = defaultdict(dict)

    def accept(self, received: Received, writes: Iterable[Write]) -> None:
        """Accept values that will be visible after the delay."""
        due = received.at + timedelta(seconds=self.delay)
        with self._lock:
            self.received.append(received)
            self._coming.extend((due, write) for write in writes)

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
        while self._coming and self._coming[0][0] <= now:
            _, write = self._coming.popleft()
            self._values[write.field.entity, write.field.path][write.uid] = write.value
