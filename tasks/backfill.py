"""A back-fill's place in the ledger, and what it will ask of the tenant."""

import math
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean

from connectors.ledger import Ledger
from tasks.plan import Plan
from tasks.run import Run
from tasks.windows import floor

# Of a dataset that has not landed yet: a start, and a status each at 0.2, 0.5, 1 and 1.7 s.
CALLS_OF_AN_EXPORT = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan asks of the tenant's API: `calls` in all, of `limit` a day, `used` today.

    `per_window` is measured where windows of the dataset have landed, else assumed.
    """

    windows: int
    per_window: float
    is_measured: bool
    calls: int
    used: int
    limit: int

    @property
    def days(self) -> int:
        """How many days the limit makes it last, 1 where it fits in today."""
        over = max(0, self.calls - (self.limit - self.used))
        return 1 + math.ceil(over / self.limit)


def estimate(plan: Plan, ledger: Ledger) -> Estimate:
    """Estimate a plan's calls from those that earlier windows of the dataset took."""
    taken = [record.calls for record in ledger.units(plan.asked.dataset) if record.calls]
    per_window = fmean(taken) if taken else CALLS_OF_AN_EXPORT
    return Estimate(
        windows=len(plan.units),
        per_window=per_window,
        is_measured=bool(taken),
        calls=math.ceil(len(plan.units) * per_window),
        used=ledger.calls_since(floor(plan.planned_at, timedelta(days=1))),
        limit=plan.tenant.daily_calls,
    )


def begin_backfill(run: Run) -> None:
    """Write the plan into the ledger: an interrupted run leaves what is pending to be seen."""
    units = [(unit.name, unit.starts_at, unit.ends_at) for unit in run.plan.units]
    run.ledger.plan_units(run.dataset, units)
    if backfill := run.plan.backfill:
        run.ledger.marks.begin_backfill(
            run.dataset, backfill.starts_at, backfill.ends_at, backfill.step
        )


def finish_backfill(run: Run, landed: int) -> None:
    """Forget a back-fill of everything when all its windows have landed: the next begins anew.

    Also where rows were rejected: it would else take those windows for done when asked again.
    """
    if run.plan.backfill and landed == len(run.plan.units):
        run.ledger.marks.finish_backfill(run.dataset, run.plan.backfill)
