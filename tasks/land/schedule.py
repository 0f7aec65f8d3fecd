"""What a scheduled export has to land: missing windows, and those that may still get late rows.

Pure: intervals in, windows out. What has landed counts by the time it covers, whatever the step it
was landed with.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate

from tasks.exports.windows import Window
from tasks.land.calendar import Calendar

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LandedWindow:
    """A window that has landed, and when the export of its rows was started."""

    window: Window
    exported_at: datetime


class Coverage:
    """The time that has landed, as disjoint stretches in order."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self._stretches: list[Window] = []
        for window in sorted(windows):
            last = self._stretches[-1] if self._stretches else None
            if last is not None and window.start <= last.end:
                self._stretches[-1] = Window(last.start, max(last.end, window.end))
            else:
                self._stretches.append(window)
        self._starts = [stretch.start for stretch in self._stretches]

    def covers(self, window: Window) -> bool:
        """Return whether all of a window has landed."""
        return self.end_from(window.start) >= window.end

    def overlaps(self, window: Window) -> bool:
        """Return whether any part of a window has landed."""
        place = bisect_left(self._starts, window.end) - 1
        return place >= 0 and self._stretches[place].end > window.start

    def end_from(self, instant: datetime) -> datetime:
        """Return the end of the landed stretch that an instant lies in, or the instant itself."""
        place = bisect_right(self._starts, instant) - 1
        return max(self._stretches[place].end, instant) if place >= 0 else instant


class History:
    """The windows that have landed, searched by bisection: there may be years of hours."""

    def __init__(self, landed: Iterable[LandedWindow]) -> None:
        self.landed = sorted(landed, key=lambda known: known.window)
        self._starts = [known.window.start for known in self.landed]
        # Windows may lie within each other, so their ends are not in order; the furthest ends are.
        self._furthest = list(accumulate((known.window.end for known in self.landed), max))

    def overlaps(self, window: Window) -> bool:
        """Return whether anything that has landed overlaps a window."""
        return self._end_before(bisect_left(self._starts, window.end)) > window.start

    def within(self, window: Window) -> list[LandedWindow] | None:
        """Return what lies in a window, or None if something extends beyond it."""
        first, last = (bisect_left(self._starts, bound) for bound in (window.start, window.end))
        if self._end_before(first) > window.start:
            return None
        found = self.landed[first:last]
        return None if any(known.window.end > window.end for known in found) else found

    def _end_before(self, place: int) -> datetime:
        return self._furthest[place - 1] if place else NEVER


@dataclass(frozen=True, slots=True)
class Due:
    """The windows to land, and `origin`, from which the watermark counts.

    `expired` windows are missing, and none of their rows can come any more; the `in_part` ones
    have landed in part, and no more of their rows can come.
    """

    origin: datetime
    windows: tuple[Window, ...]
    expired: tuple[Window, ...] = ()
    in_part: tuple[Window, ...] = ()


def first_origin(calendar: Calendar, now: datetime) -> datetime:
    """Return where the history begins when nothing has landed: at `start`, as far as reachable."""
    horizon = calendar.horizon(now)
    start = calendar.window.start or calendar.before(horizon)
    reachable = [w for w in calendar.cut(start, horizon) if calendar.is_reachable(w, now)]
    return reachable[0].start if reachable else horizon


def origin_of(calendar: Calendar, counted_from: datetime | None, now: datetime) -> datetime:
    """Return where the watermark counts from: `start` moves it, backwards only within reach."""
    if counted_from is None:
        return first_origin(calendar, now)
    start = calendar.window.start
    if start is None or start >= counted_from:
        # A start in the future must not move the watermark beyond what can have landed.
        return min(start or counted_from, max(calendar.horizon(now), counted_from))
    return min(first_origin(calendar, now), counted_from)


def due(
    calendar: Calendar,
    landed: Sequence[LandedWindow],
    now: datetime,
    counted_from: datetime | None = None,
    *,
    everything: bool = False,
    in_part: Coverage | None = None,
) -> Due:
    """Return what a scheduled export lands: windows up to now - lag that are missing or may grow.

    Args:
        calendar: how the dataset's time is cut.
        landed: what has landed.
        now: the present moment.
        counted_from: where the watermark has counted from so far.
        everything: land all windows again, as far back as rows can come.
        in_part: what has landed in part and can have no more rows.
    """
    origin = origin_of(calendar, counted_from, now)
    coverage = Coverage(known.window for known in landed)
    history = History(landed)
    unsettled = History(k for k in landed if k.exported_at < _settled(calendar, k.window))
    cut = calendar.cut(origin, calendar.horizon(now))
    wider = _wider(history, cut)
    in_wider = Coverage(wider)
    windows: list[Window] = []
    expired: list[Window] = []
    known_in_part: list[Window] = []
    for window in cut:
        missing = not coverage.covers(window)
        if missing and in_part is not None and in_part.covers(window):
            known_in_part.append(window)
            continue
        if not calendar.is_reachable(window, now):
            if missing:
                # One that the limit cuts still has rows, fewer every day.
                (expired if calendar.is_expired(window, now) else windows).append(window)
        elif (
            missing
            or (everything and not in_wider.overlaps(window))
            or (unsettled.overlaps(window) and _may_grow(calendar, window, history, now))
        ):
            windows.append(window)
    windows += [
        wide
        for wide in wider
        if calendar.is_reachable(wide, now)
        and (everything or _may_grow(calendar, wide, history, now))
    ]
    return Due(origin, tuple(sorted(windows)), tuple(expired), tuple(known_in_part))


def _wider(history: History, cut: Sequence[Window]) -> list[Window]:
    """Return landed windows wider than the schedule's: they can only be landed again whole."""
    starts = [window.start for window in cut]
    found = []
    for window in (known.window for known in history.landed):
        place = bisect_right(starts, window.start) - 1
        if place >= 0 and cut[place].end < window.end <= cut[-1].end:
            found.append(window)
    return _outermost(found)


def _outermost(windows: Iterable[Window]) -> list[Window]:
    """Leave out windows that lie within another."""
    kept: list[Window] = []
    for window in sorted(windows, key=lambda one: (one.start, -one.end.timestamp())):
        # Of the windows that began before, the last one kept extends furthest.
        if not kept or window.end > kept[-1].end:
            kept.append(window)
    return kept


def _may_grow(calendar: Calendar, window: Window, history: History, now: datetime) -> bool:
    """Return whether late rows may have come for a landed window since it was exported.

    Only once per step, counted in slots and not by elapsed time: a schedule that runs a second
    earlier than the day before must not skip a day.
    """
    parts = history.within(window)
    if parts is None:
        # Landed as part of a wider window, which is landed whole or not at all.
        return False
    whole = [known.exported_at for known in parts if known.window == window]
    exported_at = max(whole) if whole else min(known.exported_at for known in parts)
    return exported_at < _settled(calendar, window) and calendar.slot(exported_at) < calendar.slot(
        now
    )


def _settled(calendar: Calendar, window: Window) -> datetime:
    """Return the moment from which an export has all rows of a window."""
    return window.end + calendar.window.lag + calendar.window.lookback
