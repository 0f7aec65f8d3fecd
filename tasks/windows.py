"""Cutting time: half-open UTC windows on bounds of a step, and snapshot slots. Pure.

A bound that the tenant's zone reads twice (the repeated hour in autumn) cannot be written for it
without doubt, so it is no bound: the windows on both sides are one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Beyond these computing with zones can leave the calendar.
FIRST_YEAR, LAST_YEAR = 1970, 2200
LITERAL = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open stretch of UTC time, [start, end)."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{_short(self.start)}..{_short(self.end)}"


def parse_instant(text: str, option: str) -> datetime:
    """Read a date (00:00 UTC) or a date-time with an offset.

    Raises:
        UsageError: neither; a date-time without an offset has no one meaning.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r}: give a date such as 2026-11-20, or 2026-11-20T06:00Z"
        ) from None
    _check_year(value, text, option)
    if len(text) <= len("2026-11-20"):
        return value.replace(tzinfo=UTC)
    if value.tzinfo is None:
        raise UsageError(f"{option} {text!r}: a date-time needs an offset, such as {text}Z")
    return value.astimezone(UTC)


def _check_year(value: datetime, text: str, option: str) -> None:
    if not FIRST_YEAR <= value.year < LAST_YEAR:
        raise UsageError(f"{option} {text!r}: the year is not from {FIRST_YEAR} to {LAST_YEAR - 1}")


def floor(instant: datetime, step: timedelta) -> datetime:
    """Give the last bound at or before an instant, counted from 00:00 UTC."""
    return instant - (instant - EPOCH) % step


def is_repeated(instant: datetime, zone: ZoneInfo) -> bool:
    """Tell whether the zone's clock reads this instant's time twice."""
    local = instant.astimezone(zone).replace(tzinfo=None)
    first = local.replace(tzinfo=zone, fold=0).utcoffset()
    return first != local.replace(tzinfo=zone, fold=1).utcoffset()


def literal(instant: datetime, zone: ZoneInfo) -> str:
    """Write an instant as NQL takes it: in the tenant's zone, to the second."""
    return f"{instant.astimezone(zone):{LITERAL}}"


def bound_before(instant: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    """Give the last usable bound at or before an instant."""
    bound = floor(instant, step)
    while is_repeated(bound, zone):
        bound -= step
    return bound


def bound_after(instant: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    """Give the first usable bound at or after an instant."""
    bound = floor(instant, step)
    while bound < instant or is_repeated(bound, zone):
        bound += step
    return bound


def last_full_window(now: datetime, lag: timedelta, step: timedelta, zone: ZoneInfo) -> Window:
    """Give the newest window that ended at least `lag` ago."""
    end = bound_before(now - lag, step, zone)
    return Window(bound_before(end - step, step, zone), end)


def cut(start: datetime, end: datetime, step: timedelta, zone: ZoneInfo) -> list[Window]:
    """Cut [start, end) into windows; both are widened where they are no usable bound."""
    bound = bound_before(start, step, zone)
    windows = []
    while bound < end:
        following = bound_after(bound + step, step, zone)
        windows.append(Window(bound, following))
        bound = following
    return windows


def plan_windows(
    start: datetime,
    end: datetime,
    *,
    step: timedelta,
    zone: ZoneInfo,
    now: datetime,
    reach: timedelta | None = None,
) -> list[Window]:
    """Cut the asked stretch into windows.

    Raises:
        UsageError: reversed, off the step, in the future, or further back than the query reaches.
    """
    if start >= end:
        raise UsageError(f"--from {_short(start)} is not before --to {_short(end)}")
    for option, bound in (("--from", start), ("--to", end)):
        if floor(bound, step) != bound:
            raise UsageError(
                f"{option} {_short(bound)} is not on a bound of the step {describe(step)}: "
                f"{_short(floor(bound, step))} or {_short(floor(bound, step) + step)} is"
            )
    # Checked on what was asked first: cutting centuries into minutes takes a while.
    windows = cut(start, end, step, zone) if end <= now else [Window(start, end)]
    if windows[-1].end > now:
        raise UsageError(f"the window {windows[-1]} is not over yet (now {now:%Y-%m-%d %H:%MZ})")
    if reach is not None and windows[0].start < now - reach:
        raise UsageError(
            f"the window {windows[0]} is out of reach: the query goes {describe(reach)} back, "
            f"to {now - reach:%Y-%m-%d %H:%MZ}"
        )
    return windows


def describe(duration: timedelta) -> str:
    """Write a duration as the catalogue does: 1d, 6h, 15min or 30s."""
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _short(instant: datetime) -> str:
    if instant == floor(instant, timedelta(days=1)):
        return f"{instant:%Y-%m-%d}"
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if instant.second else f"{instant:%Y-%m-%dT%H:%MZ}"
