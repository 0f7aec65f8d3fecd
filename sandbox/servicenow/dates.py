"""The few date functions that integrations use in queries, as the instance computes them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

WRITTEN = "%Y-%m-%d %H:%M:%S"
_CALL = re.compile(r"javascript:\s*gs\.(\w+)\(([^)]*)\)\s*;?")
_TEXT = re.compile(r"""['"]([^'"]*)['"]""")

_AGO: dict[str, Callable[[float], timedelta]] = {
    "daysAgo": lambda n: timedelta(days=n),
    "hoursAgo": lambda n: timedelta(hours=n),
    "minutesAgo": lambda n: timedelta(minutes=n),
}


def computed(value: str, now: datetime, zone: ZoneInfo) -> str | None:
    """Return the UTC text of a computed date, or None if the function is unknown."""
    match = _CALL.fullmatch(value)
    if match is None:
        return None
    try:
        instant = _called(match[1], match[2], now, zone)
    except (ValueError, OverflowError):
        return None
    return None if instant is None else instant.astimezone(UTC).strftime(WRITTEN)


def _called(name: str, arguments: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "dateGenerate":
        # Its arguments are in the user's time zone.
        text = " ".join(_TEXT.findall(arguments))
        return datetime.strptime(text, WRITTEN).replace(tzinfo=zone)
    if name in _AGO:
        return now - _AGO[name](float(arguments))
    if name == "daysAgoStart":
        return midnight - timedelta(days=int(arguments))
    return {"nowDateTime": now, "now": midnight, "beginningOfToday": midnight}.get(name)
