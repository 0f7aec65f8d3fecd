"""How one dataset's time is cut: windows of a step, or the tenant's calendar days. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.catalogue import DAY, DatasetSpecification, Mode, WindowSpecification, kept_for
from connectors.catalogue.specification import describe
from connectors.errors import UsageError
from connectors.settings.tenants import TenantSettings
from tasks.exports.windows import (
    Window,
    bound_before,
    check_bounds,
    check_order,
    cut,
    cut_days,
    floor,
    midnight,
    next_midnight,
    parse_instant,
    short,
)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Cuts one dataset's time; `days` are calendar days of the tenant's zone (mode slices).

    `kept` is how long the tenant keeps such rows, None if that is not known.
    """

    window: WindowSpecification
    zone: ZoneInfo
    step: timedelta
    days: bool
    kept: timedelta | None = None

    @classmethod
    def of(
        cls,
        specification: DatasetSpecification,
        tenant: TenantSettings,
        step: timedelta | None = None,
    ) -> "Calendar":
        """Return the calendar of a window or slices dataset, with another step if asked.

        Raises:
            UsageError: a step with mode slices other than a day, or one that does not divide days.
        """
        window = specification.window
        if window is None:
            raise AssertionError("a snapshot has no calendar")
        days = specification.mode is Mode.SLICES
        if step is not None and days and step != DAY:
            raise UsageError(
                f"{specification.dataset} lands the tenant's days: step does not apply to it"
            )
        if step is not None and (step <= timedelta(0) or (DAY % step and step % DAY)):
            raise UsageError("step must divide a day, or be whole days")
        kept = kept_for(tenant.tenant_retention, specification.retention_class)
        return cls(window, tenant.zone, step or window.step, days, kept)

    def cut(self, start: datetime, end: datetime) -> list[Window]:
        """Cut [start, end) into windows, widened to whole ones at both ends."""
        if self.days:
            return cut_days(start, end, self.zone)
        return cut(start, end, self.step, self.zone)

    def asked(self, from_: str, to: str, now: datetime) -> list[Window]:
        """Return the windows of the period that a caller asks for.

        Raises:
            UsageError: not dates, reversed, off the step, not over yet, or out of reach.
        """
        start, end = self._instant(from_, "window_from"), self._instant(to, "window_to")
        check_order(start, end)
        if self.days:
            self._check_midnights(start, end)
        else:
            check_bounds(start, end, self.step)
        # Checked before cutting too: cutting centuries into minutes takes a while.
        self.check(Window(start, end), now)
        windows = self.cut(start, end)
        self.check(Window(windows[0].start, windows[-1].end), now)
        return windows

    def bound(self, text: str, parameter: str) -> datetime:
        """Read an instant that must be a bound between windows.

        Raises:
            UsageError: it is not one.
        """
        instant = self._instant(text, parameter)
        if self.days:
            self._check_midnights(instant, instant)
        else:
            check_bounds(instant, instant, self.step)
        return instant

    def check(self, stretch: Window, now: datetime) -> None:
        """Raise unless a stretch of windows is over and the query reaches back to it.

        Raises:
            UsageError: it is not over, or out of reach.
        """
        if stretch.end > now:
            raise UsageError(f"{stretch} is not over yet (now {now:%Y-%m-%d %H:%MZ})")
        limit = self.limit(now)
        if limit is not None and self.first_window(stretch).end <= limit:
            raise UsageError(
                f"{stretch} begins out of reach: {self._why(limit, now)}; begin "
                f"on {self.earliest(now):%Y-%m-%dT%H:%MZ} or later"
            )

    def horizon(self, now: datetime) -> datetime:
        """Return the bound up to which windows are over, and complete enough (`lag`)."""
        if self.days:
            return midnight((now - self.window.lag).astimezone(self.zone).date(), self.zone)
        return bound_before(now - self.window.lag, self.step, self.zone)

    def before(self, bound: datetime) -> datetime:
        """Return the start of the window that ends at a bound."""
        if self.days:
            return midnight(bound.astimezone(self.zone).date() - DAY, self.zone)
        return bound_before(bound - self.step, self.step, self.zone)

    def limit(self, now: datetime) -> datetime | None:
        """Return the instant before which no row can come: by the query's reach, or forgotten.

        None if neither is known.
        """
        limits = [self._reach_limit(now)] if self.window.reach is not None else []
        limits += [now - self.kept] if self.kept is not None else []
        return max(limits, default=None)

    def is_reachable(self, window: Window, now: datetime) -> bool:
        """Return whether all rows of a window can still come."""
        limit = self.limit(now)
        return limit is None or window.start >= limit

    def is_expired(self, window: Window, now: datetime) -> bool:
        """Return whether no row of a window can come any more."""
        limit = self.limit(now)
        return limit is not None and window.end <= limit

    def complete_from(self, window: Window, now: datetime) -> datetime | None:
        """Return the instant from which a window that the limit cuts has all its rows.

        A tenant forgets whole days of its own zone, so this is the next midnight there if it is
        the tenant's retention that cuts. None if the window is not cut.
        """
        limit = self.limit(now)
        if limit is None or limit <= window.start:
            return None
        if self.kept is not None and limit == now - self.kept:
            limit = next_midnight(limit, self.zone)
        return min(limit, window.end)

    def earliest(self, now: datetime) -> datetime:
        """Return the start of the first window that the limit does not cut; only with a limit."""
        limit = self.limit(now)
        if limit is None:
            raise AssertionError("without a limit there is no earliest window")
        windows = self.cut(limit, limit + 3 * max(self.step, DAY))
        return next(window.start for window in windows if window.start >= limit)

    def first_window(self, stretch: Window) -> Window:
        """Return the first window of a stretch of time, without cutting all of it."""
        end = min(stretch.end, stretch.start + max(self.step, DAY))
        return self.cut(stretch.start, end)[0]

    def _reach_limit(self, now: datetime) -> datetime:
        reach = self.window.reach or timedelta(0)
        return midnight(self._day(now) - reach, self.zone) if self.days else now - reach

    def _why(self, limit: datetime, now: datetime) -> str:
        if self.kept is not None and limit == now - self.kept:
            return f"the tenant keeps such rows for {describe(self.kept)} (tenant_retention)"
        reach = describe(self.window.reach or timedelta(0))
        return f"the query reaches back {reach} from now ({now:%Y-%m-%d %H:%MZ})"

    def days_back(self, window: Window, now: datetime) -> int:
        """Return the number of the tenant's calendar days from a window's day to today."""
        return (self._day(now) - self._day(window.start)).days

    def slot(self, instant: datetime) -> datetime:
        """Return the step of an instant minus the lag; a window lands again once in each step."""
        if self.days:
            return midnight(self._day(instant - self.window.lag), self.zone)
        return floor(instant - self.window.lag, self.step)

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()

    def _instant(self, text: str, parameter: str) -> datetime:
        instant = parse_instant(text, parameter)
        is_plain_date = len(text) <= len("2026-11-20")
        return midnight(instant.date(), self.zone) if self.days and is_plain_date else instant

    def _check_midnights(self, start: datetime, end: datetime) -> None:
        for parameter, bound in (("window_from", start), ("window_to", end)):
            if midnight(self._day(bound), self.zone) != bound:
                raise UsageError(
                    f"{parameter} {short(bound)} is not midnight in the tenant's zone "
                    f"({self.zone}): use a date without a time"
                )
