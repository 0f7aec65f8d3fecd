"""What a back-fill asks of the tenant. Imports no Prefect: its settings are not made yet."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from connectors.ledger import CallKind, Ledger, UnitRecord
from connectors.ledger.counters import ADVISED, REPORTED_CALLS, total_of
from tasks.exports.windows import Window, floor
from tasks.land.pacing import longest_step, pace
from tasks.land.plan import Plan

# Assumed for a dataset that has not landed yet: a start, and a status at 0.2, 0.5, 1 and 1.7 s.
CALLS_OF_AN_EXPORT = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """A plan's exports, one for each window, and its calls of the tenant's API.

    `per_window` calls are measured if windows of the dataset have landed, otherwise assumed. The
    numbers `used` are those of the last 24 hours, counted at the requests. A limit is None if
    nobody has set it and the tenant has not shown it.

    Attributes:
        exports_now: how many exports the limit allows at once.
        done_at: when the last export can be started; the moment of planning without a limit.
        longer_step: the longest step that needs fewer exports, and how many (`longer_exports`).
    """

    windows: int
    per_window: float
    is_measured: bool
    calls: int
    used: int
    limit: int | None
    exports_used: int
    exports_limit: int | None
    exports_now: int
    planned_at: datetime
    done_at: datetime
    longer_step: timedelta | None = None
    longer_exports: int = 0

    @property
    def calls_a_day(self) -> int:
        """The limit of calls, or the number that was once reported."""
        return self.limit or REPORTED_CALLS

    @property
    def days(self) -> int:
        """How many days its calls take under the limit; 1 if they fit, or without one."""
        if self.limit is None:
            return 1
        over = max(0, self.calls - (self.limit - self.used))
        return 1 + math.ceil(over / self.limit)

    @property
    def is_advised_against(self) -> bool:
        """Whether it takes more exports in a day than the vendor advises, and no limit is known."""
        return self.exports_limit is None and (
            self.windows + self.exports_used > ADVISED[CallKind.EXPORTS]
        )


def estimate(plan: Plan, ledger: Ledger) -> Estimate:
    """Estimate what a plan asks, from what earlier windows of the dataset took."""
    records = ledger.units(plan.asked.dataset)
    taken = [record.calls for record in records if record.calls]
    per_window = fmean(taken) if taken else CALLS_OF_AN_EXPORT
    windows, now = len(plan.units), plan.planned_at
    limit = plan.tenant.daily_exports or ledger.limits.known(CallKind.EXPORTS)
    used = ledger.limits.counted(CallKind.EXPORTS)
    paced = pace(windows, used, limit, now)
    step = _longer_step(plan, records)
    return Estimate(
        windows=windows,
        per_window=per_window,
        is_measured=bool(taken),
        calls=math.ceil(windows * per_window),
        used=ledger.limits.calls_today(),
        limit=plan.tenant.daily_calls,
        exports_used=total_of(used),
        exports_limit=limit,
        exports_now=paced.at_once,
        planned_at=now,
        done_at=paced.done_at,
        longer_step=step,
        longer_exports=_windows_of(plan, step) if step else 0,
    )


def _longer_step(plan: Plan, records: list[UnitRecord]) -> timedelta | None:
    """Return the longest step with which the plan takes fewer exports; None if there is none."""
    calendar = plan.calendar
    if calendar is None or calendar.days or not plan.units:
        return None
    stretch = Window(plan.units[0].starts_at, plan.units[-1].ends_at)
    step = longest_step(stretch, calendar.step, records, plan.tenant.export_row_limit)
    return step if step and _windows_of(plan, step) < len(plan.units) else None


def _windows_of(plan: Plan, step: timedelta) -> int:
    return len({floor(unit.starts_at, step) for unit in plan.units})
