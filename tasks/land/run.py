"""One export run under way: its plan, and where its units land."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from connectors.clock import utc_now
from connectors.lake.stage import Budget
from connectors.landings import Landing, open_landings
from connectors.ledger import Asker
from tasks.columns.rules import landing_as
from tasks.columns.transform import Transform, load_transform
from tasks.exports.windows import named, short
from tasks.land.plan import Plan, Unit
from tasks.runs.opening import OpenedRun, connected, opened
from tasks.runs.tools import Tools

# Batches are typed on all cores, so more at once would only take more memory.
CONFORMING_AT_ONCE = min(2, os.cpu_count() or 1)
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(OpenedRun):
    """An export run under way."""

    plan: Plan
    tools: Tools
    landings: Sequence[Landing]
    budget: Budget | None = None
    transform: Transform | None = None
    conforming: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(CONFORMING_AT_ONCE)
    )

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.plan.specification.dataset

    @property
    def subject(self) -> str:
        """What the run is about: the dataset."""
        return self.dataset

    def label(self, unit: Unit) -> str:
        """Return a unit as an operator names it: its day, its bounds, or a snapshot's slot."""
        if unit.window is None:
            return short(unit.starts_at)
        return self.named(unit.starts_at, unit.ends_at)

    def named(self, start: datetime, end: datetime) -> str:
        """Return a stretch of the dataset's time as an operator names it."""
        return named(start, end, self.plan.zone_of_days)


def subject_of(run: Run, unit: Unit, *_: object) -> str:
    """Return the dataset and the unit, as an operator names them."""
    return f"{run.dataset} {run.label(unit)}"


@contextmanager
def open_run(
    plan: Plan,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Run]:
    """Open a run of a plan: its client and landings, and its place in the ledger."""
    settings, tenant, specification = plan.settings, plan.tenant, plan.specification
    transform = load_transform(specification, settings.catalog, allow_code=settings.allow_code)
    landed = landing_as(specification, transform)
    asker = Asker.SCHEDULE if plan.asked.is_scheduled else Asker.PERSON
    with (
        opened(settings, tenant.name, {"dataset": specification.dataset}, clock, sleep) as parts,
        connected(parts, tenant, asker) as tools,
        ExitStack() as stack,
    ):
        landings = open_landings(settings, tenant.name, landed, parts.lake, clock)
        for landing in landings:
            stack.callback(landing.close)
        budget = Budget(settings.memory_mb * MIB)
        parts.ledger.begin_run(parts.run_id, specification.dataset, plan.trigger)
        yield Run(
            parts=parts,
            plan=plan,
            tools=tools,
            landings=landings,
            budget=budget,
            transform=transform,
        )
