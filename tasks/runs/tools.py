"""What steps ask the tenant with: client, ledger, clock and sleep, and the tenant's limits."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from connectors.ledger import ExportLimits, Ledger
from connectors.nexthink.client import NexthinkClient


class Calls(threading.local):
    """Counts the requests to the tenant's API that one thread makes: they are limited per day."""

    count = 0

    def add(self) -> None:
        """Count one."""
        self.count += 1

    def take(self) -> int:
        """Return the number since the last call."""
        count, self.count = self.count, 0
        return count


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps ask the tenant with; time and sleep are passed in so that tests need not wait."""

    client: NexthinkClient
    ledger: Ledger
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    run_id: str = ""
    at_once: ExportLimits = field(default_factory=ExportLimits)
    calls: Calls = field(default_factory=Calls)
