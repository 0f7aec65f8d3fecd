"""What all catalogue objects share: strict validation, and durations as people write them."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days"}
DAY = timedelta(days=1)
DURATION_PATTERN = r"^(\d{1,9})\s*(s|min|m|h|d)$"
# Longer durations lead to dates beyond the calendar.
LONGEST = 36_500 * DAY


def parse_duration(value: Any) -> Any:
    """Return `15min`, `6h` or `30d` as a timedelta; leave anything but text to pydantic."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(DURATION_PATTERN, value)
    if not match:
        raise ValueError("must be a duration such as 15min, 6h or 30d")
    duration = timedelta(**{UNITS[match[2]]: int(match[1])})
    if duration > LONGEST:
        raise ValueError(f"is longer than {LONGEST.days}d")
    return duration


def describe(duration: timedelta) -> str:
    """Return a duration as the catalogue writes it: 1d, 6h, 15min or 30s."""
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


def divides_days(step: timedelta) -> bool:
    """Return whether bounds counted from 00:00 UTC fall on the same times every day."""
    return step > timedelta(0) and not (DAY % step and step % DAY)


class Specification(BaseModel):
    """Base of all catalogue objects: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
