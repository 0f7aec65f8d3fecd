"""Cutting time into half-open UTC windows between bounds of a step. Pure.

A time that the tenant's zone repeats (the extra hour in autumn) cannot be written unambiguously, so
it cannot be a bound: the windows on both sides of it are one.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from connectors.catalogue.specification import describe
from connectors.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Outside these years, arithmetic with zones can leave the calendar.
FIRST_YEAR, LAST_YEAR = 1970, 2200
# For forms and commands alike; whether it is a real date shows when it is parsed.
INSTANT_PATTERN = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$"
LITERAL = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open stretch of UTC time, [start, end)."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{short(self.start)}..{short(self.end)}"


def parse_instant(text: str, parameter: str) -> datetime:
    """Read a date (00:00 UTC) or a date-time with an offset.

    Args:
        text: what was given.
        parameter: its name, for the error message.

    Raises:
        UsageError: it is neither; a date-time without an offset is ambiguous.
    """
    wrong = UsageError(
        f"{parameter} {text!r} is not a date: use 2026-11-20 or 2026-11-20T06:00Z, for example"
    )
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None
    _check_year(value, text, parameter)
    if len(text) > len("2026-11-20") and value.tzinfo is None:
        raise UsageError(f"{parameter} {text!r}: a date-time needs an offset, such as {text}Z")
    if not re.fullmatch(INSTANT_PATTERN, text):
        raise wrong
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _check_year(value: datetime, text: str, parameter: str) -> None:
    if not FIRST_YEAR <= value.year < LAST_YEAR:
        raise UsageError(
            f"{parameter} {text!r}: the year must be from {FIRST_YEAR} to {LAST_YEAR - 1}"
        )


def floor(instant: datetime, step: timedelta) -> datetime:
    """Return the last bound at or before an instant, counted from 00:00 UTC."""
    return instant - (instant - EPOCH) % step


def is_repeated(instant: datetime, zone: ZoneInfo) -> bool:
    """Return whether the zone's clock shows this instant's time twice."""
    local = instant.astimezone(zone).replace(tzinfo=None)
    first = local.replace(tzinfo=zone, fold=0).utcoffset()
    return first != local.replace(tzinfo=zone, fold=1).utcoffset()


def literal(instant: datetime, zone: ZoneInfo) -> str:
    """Return an instant as NQL expects it: in the tenant's zone, to the second."""
    return f"{instant.astimezone(zone):{LITERAL}}"


def bound_before(instant: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    """Return the last usable bound at or before an instant."""
    bound = floor(instant, step)
    while is_repeated(bound, zone):
        bound -= step
    return bound


def bound_after(instant: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    """Return the first usable bound at or after an instant."""
    bound = floor(instant, step)
    while bound < instant or is_repeated(bound, zone):
        bound += step
    return bound


def cut(start: datetime, end: datetime, step: timedelta, zone: ZoneInfo) -> list[Window]:
    """Cut [start, end) into windows, widened at either end if that is not a usable bound."""
    bound = bound_before(start, step, zone)
    windows = []
    while bound < end:
        following = bound_after(bound + step, step, zone)
        windows.append(Window(bound, following))
        bound = following
    return windows


def split(window: Window, min_step: timedelta, zone: ZoneInfo) -> tuple[Window, Window] | None:
    """Halve a window at a usable bound of `min_step`; None if there is no such bound inside."""
    middle = window.start + (window.end - window.start) / 2
    for bound in (bound_before(middle, min_step, zone), bound_after(middle, min_step, zone)):
        if window.start < bound < window.end:
            return Window(window.start, bound), Window(bound, window.end)
    return None


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a calendar day begins in the zone, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def next_midnight(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the first beginning of a day in the zone at or after an instant."""
    today = instant.astimezone(zone).date()
    begun = midnight(today, zone)
    return begun if begun >= instant else midnight(today + timedelta(days=1), zone)


def cut_days(start: datetime, end: datetime, zone: ZoneInfo) -> list[Window]:
    """Cut [start, end), widened to whole days, into the zone's calendar days of 23 to 25 hours."""
    day = start.astimezone(zone).date()
    windows = []
    while (begin := midnight(day, zone)) < end:
        day += timedelta(days=1)
        windows.append(Window(begin, midnight(day, zone)))
    return windows


def check_order(start: datetime, end: datetime) -> None:
    """Raise unless a stretch of time has some length.

    Raises:
        UsageError: it is empty or reversed.
    """
    if start >= end:
        raise UsageError(f"the start {short(start)} is not before the end {short(end)}")


def check_bounds(start: datetime, end: datetime, step: timedelta) -> None:
    """Raise unless a stretch of time begins and ends on bounds of the step.

    Raises:
        UsageError: it does not; the message names the nearest bounds.
    """
    for parameter, bound in (("window_from", start), ("window_to", end)):
        if floor(bound, step) != bound:
            raise UsageError(
                f"{parameter} {short(bound)} is not on a bound of the step {describe(step)}: "
                f"{short(floor(bound, step))} or {short(floor(bound, step) + step)} is"
            )


def named(start: datetime, end: datetime, zone: tzinfo = UTC) -> str:
    """Return a stretch of time as an operator names it: its day, otherwise both of its bounds.

    A day is one of the zone, which only datasets of the tenant's days have; bounds are in UTC.
    """
    first = start.astimezone(zone)
    is_midnight = first.time() == time.min
    if is_midnight and end.astimezone(zone).replace(tzinfo=None) == _next_day(first):
        return f"{first:%Y-%m-%d}"
    return str(Window(start, end))


def _next_day(local: datetime) -> datetime:
    return local.replace(tzinfo=None) + timedelta(days=1)


def short(instant: datetime) -> str:
    """Return an instant in the shortest form that can be read back."""
    if instant == floor(instant, timedelta(days=1)):
        return f"{instant:%Y-%m-%d}"
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if instant.second else f"{instant:%Y-%m-%dT%H:%MZ}"
