"""Cron expressions as schedules have them: five fields, checked without Prefect."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Final

ALIASES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY_MINUTES: Final = 24 * 60
_MOST_DAYS: Final = 31
_ITEM: Final = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", re.ASCII)
# A leap year and the years around it: all that a cron expression can depend on, weekdays apart.
_FIRST_DAY: Final = date(2023, 1, 1)
_DAYS: Final = 6 * 366


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, _MOST_DAYS),
    _Field("month", 1, 12, _MONTHS),
    # 7 is Sunday too.
    _Field("day of the week", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class Cron:
    """When a cron expression runs: the values of its fields.

    `any_day` and `any_weekday`: the field is `*`, and only the other one decides about the day.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @cached_property
    def times(self) -> list[int]:
        """The minutes of a day at which it runs, counted from midnight, in order."""
        return sorted(60 * hour + minute for hour in self.hours for minute in self.minutes)

    @cached_property
    def gaps(self) -> tuple[timedelta, timedelta]:
        """The shortest and the longest time between two runs.

        Raises:
            ValueError: there is no day on which it runs.
        """
        within = [later - earlier for earlier, later in pairwise(self.times)]
        nights = [
            _DAY_MINUTES * days - self.times[-1] + self.times[0] for days in self._days_between()
        ]
        gaps = [timedelta(minutes=minutes) for minutes in within + nights]
        return min(gaps), max(gaps)

    def _days_between(self) -> set[int]:
        """Return the numbers of days from one day on which it runs to the next."""
        if self.any_day and self.any_weekday and len(self.months) == len(_MONTHS):
            return {1}
        days = [number for number in range(_DAYS) if self._runs_on(number)]
        if not days:
            raise ValueError("there is no such day: it would never run")
        return {later - earlier for earlier, later in pairwise(days)}

    def _runs_on(self, number: int) -> bool:
        day = _FIRST_DAY + timedelta(days=number)
        if day.month not in self.months:
            return False
        is_day, is_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return is_day and is_weekday
        return is_day or is_weekday


def parse_cron(text: str) -> Cron:
    """Return when a cron expression runs.

    Raises:
        ValueError: what is wrong with which field.
    """
    parts = ALIASES.get(text.strip().lower(), text).split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            f"has {len(parts)} fields instead of five: minute, hour, day of the month, month, day "
            'of the week, such as "30 5 * * *"'
        )
    minutes, hours, days, months, weekdays = (
        frozenset(_values(field, part)) for field, part in zip(_FIELDS, parts, strict=True)
    )
    return Cron(
        minutes,
        hours,
        days,
        months,
        frozenset(day % 7 for day in weekdays),
        any_day=parts[2] == "*",
        any_weekday=parts[4] == "*",
    )


def _values(field: _Field, text: str) -> Iterator[int]:
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if not match:
            raise ValueError(f"{field.name}: {item!r} is not a number, a range or *")
        first, last, step = match.groups()
        low = field.least if first is None else _number(field, first)
        if last is not None:
            high = _number(field, last)
        else:
            high = field.most if first is None or step else low
        if low > high:
            raise ValueError(f"{field.name}: {item!r} begins after its end")
        width = field.most - field.least + 1
        if step is not None and not 1 <= int(step) < width:
            raise ValueError(f"{field.name}: the step of {item!r} must be from 1 to {width - 1}")
        yield from range(low, high + 1, int(step or 1))


def _number(field: _Field, text: str) -> int:
    if text.lower() in field.words:
        return field.words.index(text.lower()) + field.least
    if not text.isdecimal() or not field.least <= int(text) <= field.most:
        names = f", or {field.words[0]} to {field.words[-1]}" if field.words else ""
        raise ValueError(f"{field.name}: {text!r} must be {field.least} to {field.most}{names}")
    return int(text)
