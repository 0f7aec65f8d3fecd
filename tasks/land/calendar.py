"""How one dataset's time is cut: windows of a step, or the tenant's calendar days. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.catalogue import DAY, DatasetSpecification, Mode, WindowSpecification
from connectors.errors import UsageError
from tasks.exports.windows import (
    Window,
    bound_before,
    check_bounds,
    check_order,
    cut,
    cut_days,
    describe,
    floor,
    midnight,
    parse_instant,
    short,
)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Cuts one dataset's time; `days` are calendar days of the tenant's zone (mode slices)."""

    window: WindowSpecification
    zone: ZoneInfo
    step: timedelta
    days: bool

    @classmethod
    def of(
        cls, specification: DatasetSpecification, zone: ZoneInfo, step: timedelta | None = None
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
        return cls(window, zone, step or window.step, days)

    def cut(self, start: datetime, end: datetime) -> list[Window]:
        """Cut [start, end) into windows, widened to whole ones at both ends."""
        if self.days:
            return cut_days(start, end, self.zone)
        return cut(start, end, self.step, self.zone)

    def asked(self, from_: str, to: str, now: datetime) -> list[Window]:
        """Cut the stretch that a caller asks for.

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
        reach = self.window.reach
        if reach is not None and not self.is_reachable(stretch, now):
            raise UsageError(
                f"{stretch} is out of reach: the query reaches back {describe(reach)} from now "
                f"({now:%Y-%m-%d %H:%MZ})"
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

    def is_reachable(self, window: Window, now: datetime) -> bool:
        """Return whether the query reaches back to the window's start."""
        if self.window.reach is None:
            return True
        if self.days:
            return self.days_back(window, now) <= self.window.reach // DAY
        return window.start >= now - self.window.reach

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
