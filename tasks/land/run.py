"""One export run under way: the parts it works with, and its place in the ledger."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from connectors.clock import utc_now
from connectors.lake import Budget
from connectors.landings import Landing, open_landings
from tasks.land.plan import Plan
from tasks.runs.opening import Parts, opened

# Batches are typed in memory, on all cores: more at once only take memory.
CONFORMING_AT_ONCE = min(2, os.cpu_count() or 1)
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Parts):
    """A run under way: the plan, and the parts it works with."""

    plan: Plan
    landings: Sequence[Landing]
    budget: Budget | None = None
    conforming: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(CONFORMING_AT_ONCE)
    )

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.plan.specification.dataset


@contextmanager
def open_run(
    plan: Plan,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Run]:
    """Open client, ledger and landings, and clear away what killed runs left aside."""
    with (
        opened(
            plan.settings, plan.tenant, clock, sleep, dataset=plan.specification.dataset
        ) as parts,
        ExitStack() as stack,
    ):
        landings = open_landings(
            plan.settings, plan.tenant.name, plan.specification, parts.lake, clock
        )
        for landing in landings:
            stack.callback(landing.close)
        budget = Budget(plan.settings.memory_mb * MIB)
        yield Run(**parts.parts(), plan=plan, landings=landings, budget=budget)
