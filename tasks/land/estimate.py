"""How many API calls a back-fill will take. Imports no Prefect: its settings are not made yet."""

import math
from dataclasses import dataclass
from statistics import fmean

from connectors.ledger import Ledger
from connectors.ledger.counters import REPORTED_CALLS
from tasks.land.plan import Plan

# Assumed for a dataset that has not landed yet: a start, and a status at 0.2, 0.5, 1 and 1.7 s.
CALLS_OF_AN_EXPORT = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A plan's calls of the tenant's API: `calls` in total, `limit` a day, `used` so far today.

    `per_window` is measured if windows of the dataset have landed, otherwise assumed.
    """

    windows: int
    per_window: float
    is_measured: bool
    calls: int
    used: int
    limit: int

    @property
    def days(self) -> int:
        """Return how many days it takes under the limit; 1 if it fits into today."""
        over = max(0, self.calls - (self.limit - self.used))
        return 1 + math.ceil(over / self.limit)


def estimate(plan: Plan, ledger: Ledger) -> Estimate:
    """Estimate a plan's calls from what earlier windows of the dataset took."""
    taken = [record.calls for record in ledger.units(plan.asked.dataset) if record.calls]
    per_window = fmean(taken) if taken else CALLS_OF_AN_EXPORT
    return Estimate(
        windows=len(plan.units),
        per_window=per_window,
        is_measured=bool(taken),
        calls=math.ceil(len(plan.units) * per_window),
        used=ledger.limits.calls_today(),
        limit=plan.tenant.daily_calls or REPORTED_CALLS,
    )
