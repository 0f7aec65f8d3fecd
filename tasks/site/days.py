"""The days of a dataset: landed, missing, expired or deleted, from its manifest and the ledger."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connectors.catalogue import DAY, DatasetSpecification
from connectors.lake.manifest import Entry
from connectors.ledger import DROPPED, UnitRecord
from tasks.exports.windows import Window, midnight
from tasks.land.calendar import Calendar
from tasks.land.schedule import Coverage
from tasks.site.facts import Day, DayState

# A year, in whole weeks.
MOST_DAYS: Final = 53 * 7
UTC: Final = ZoneInfo("UTC")
_DATE: Final = re.compile(r"(?:^|/)date=(\d{4}-\d{2}-\d{2})/")

State = Callable[[Window], DayState]


@dataclass(frozen=True, slots=True)
class LandedDays:
    """What has landed: the manifest's entries, the ledger's units, and those with rejected rows."""

    entries: Sequence[Entry]
    units: Sequence[UnitRecord]
    rejected: Collection[str]

    @property
    def starts(self) -> list[datetime]:
        """When units begin, landed or not."""
        return [each.starts_at for each in self.entries] + [each.starts_at for each in self.units]


def days_of(
    specification: DatasetSpecification | None,
    calendar: Calendar | None,
    landed: LandedDays,
    now: datetime,
    *,
    zone: ZoneInfo = UTC,
) -> tuple[Day, ...]:
    """Return the days of the last year, from the first that has landed or was expected.

    Args:
        specification: of the dataset; None if only the lake has it.
        calendar: how its time is cut; None for snapshots, or where the tenant is not known.
        landed: what has landed of it.
        now: the present moment.
        zone: in which days begin: the tenant's for slices, otherwise UTC.
    """
    rows = _rows(landed.entries, zone, is_window=calendar is not None)
    starts = landed.starts
    if calendar and calendar.window.start:
        starts.append(calendar.window.start)
    if not starts:
        return ()
    today = now.astimezone(zone).date()
    first = max(min(starts).astimezone(zone).date(), today - timedelta(days=MOST_DAYS - 1))
    if calendar:
        state = _of_windows(calendar, landed, now)
    else:
        state = _of_snapshots(specification, landed, now)
    flawed = _days(landed, landed.rejected, zone)
    found = []
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        is_ = state(Window(midnight(day, zone), midnight(day + DAY, zone)))
        if is_ is DayState.LANDED and day in flawed:
            is_ = DayState.REJECTED
        found.append(Day(day, is_, rows.get(day)))
    return tuple(found)


def _of_windows(calendar: Calendar, landed: LandedDays, now: datetime) -> State:
    """Return what gives the state of a day of a dataset that lands windows."""
    begin = min(landed.starts + ([calendar.window.start] if calendar.window.start else []))
    end = calendar.horizon(now)
    there = Coverage(Window(each.starts_at, each.ends_at) for each in landed.entries)
    doubtful = Coverage(_windows(each for each in landed.units if each.is_doubtful))
    dropped = Coverage(_windows(each for each in landed.units if each.state == DROPPED))

    def state(day: Window) -> DayState:
        if day.start >= end or day.end <= begin:
            return DayState.LANDED if there.overlaps(day) else DayState.NONE
        expected = Window(max(day.start, begin), min(day.end, end))
        if doubtful.overlaps(expected):
            return DayState.PART
        if there.covers(expected):
            return DayState.LANDED
        if there.overlaps(expected):
            return DayState.PART
        if dropped.overlaps(expected):
            return DayState.DROPPED
        return DayState.EXPIRED if calendar.is_expired(expected, now) else DayState.MISSING

    return state


def _of_snapshots(
    specification: DatasetSpecification | None, landed: LandedDays, now: datetime
) -> State:
    """Return what gives the state of a day of a dataset that lands snapshots.

    A day is missing if it is over and no snapshot stands for it: neither its own, nor an earlier
    one of a dataset that lands less often than daily.
    """
    apart = max(_apart(specification), DAY) if specification else MOST_DAYS * DAY
    valid = Coverage(Window(each.starts_at, each.starts_at + apart) for each in landed.entries)
    gone = (each for each in landed.units if each.state == DROPPED)
    dropped = Coverage(Window(each.starts_at, each.starts_at + apart) for each in gone)
    days = {each.starts_at.date() for each in landed.entries}

    def state(day: Window) -> DayState:
        if day.start.date() in days:
            return DayState.LANDED
        if dropped.overlaps(day):
            return DayState.DROPPED
        return DayState.NONE if valid.overlaps(day) or day.end > now else DayState.MISSING

    return state


def _apart(specification: DatasetSpecification) -> timedelta:
    """Return how far apart snapshots may be."""
    longest = specification.schedule.gaps[1] if specification.schedule else DAY
    return max(specification.every, longest)


def _rows(entries: Iterable[Entry], zone: ZoneInfo, *, is_window: bool) -> dict[date, int]:
    """Return the rows of each day that has some unit, by the files' own dates."""
    counted: Counter[date] = Counter()
    for entry in entries:
        start = entry.starts_at.astimezone(zone).date()
        counted[start] += 0
        dated = [(_DATE.search(file.path), file.rows) for file in entry.files]
        if any(found for found, _ in dated):
            for found, rows in dated:
                counted[date.fromisoformat(found[1]) if found else start] += rows
        elif is_window:
            counted[start] += entry.rows
        else:
            # The last snapshot of a day stands for it.
            counted[start] = entry.rows
    return dict(counted)


def _days(landed: LandedDays, units: Collection[str], zone: ZoneInfo) -> set[date]:
    return {each.starts_at.astimezone(zone).date() for each in landed.entries if each.unit in units}


def _windows(units: Iterable[UnitRecord]) -> Iterable[Window]:
    return (Window(each.starts_at, each.ends_at) for each in units)
