"""Converts values as written to values for comparison, by the type of their field."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

from nql.errors import NqlError
from nql.kinds import Kind
from nql.syntax import Literal, Parameter, Place
from sandbox.model.kinds import NUMERIC, TEXTUAL
from sandbox.nql.errors import NqlParameterError, NqlTypeError

Plain = str | int | float | bool | datetime | None

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?)([a-z]+)", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?( ?[ap]m)?",
    re.IGNORECASE,
)
_WORDED = re.compile(
    r"([a-z]{3})[a-z]* (\d{1,2})(?:,? (\d{4}))?(?:, (\d{1,2}):(\d{2})(?::(\d{2}))?)?( ?[ap]m)?",
    re.IGNORECASE,
)
_NOON = 12


def read_literal(literal: Literal, kind: Kind, zone: ZoneInfo) -> Plain:
    """Return the value of a literal for a field of this type."""
    if literal.kind is None and literal.text.lower() == "null":
        return None
    if not _suits(literal.kind, kind):
        found = f"the {literal.kind} {literal.text!r}" if literal.kind else f"{literal.text!r}"
        raise _error(NqlTypeError, f"{found} does not suit a field of type {kind}", literal.place)
    try:
        return read_text(literal.text, kind, zone)
    except ValueError as error:
        raise _error(NqlTypeError, str(error), literal.place) from error


def read_parameter(parameter: Parameter, text: str, kind: Kind, zone: ZoneInfo) -> Plain:
    """Return the value of a parameter, with the type of the field."""
    try:
        return read_text(text, kind, zone)
    except ValueError as error:
        message = f"parameter ${parameter.name}: {error}"
        raise _error(NqlParameterError, message, parameter.place) from error


def read_text(text: str, kind: Kind, zone: ZoneInfo) -> Plain:  # noqa: PLR0911 - one per type
    """Return the value of a text for a type, or raise ValueError with the reason."""
    match kind:
        case Kind.BOOLEAN:
            if text.lower() not in ("true", "false"):
                raise ValueError(f"{text!r} is neither true nor false")
            return text.lower() == "true"
        case Kind.INT | Kind.FLOAT:
            return _number(text)
        case Kind.BYTES:
            return _amount(text, {unit.lower(): factor for unit, factor in _BYTES.items()}, kind)
        case Kind.DURATION:
            return _amount(text, _SECONDS, kind)
        case Kind.DATETIME:
            return read_instant(text, zone)[0]
        case Kind.VERSION:
            return f"[{', '.join(re.findall(r'[0-9]+', text))}]"
        case Kind.IP if not set(text) & set("*?"):
            # Raises ValueError with its own message.
            ip_network(text.lower().removeprefix("::ffff:"), strict=False)
            return text.lower().removeprefix("::ffff:")
        case _:
            return text


def read_instant(text: str, zone: ZoneInfo, now: datetime | None = None) -> tuple[datetime, bool]:
    """Return a date-time of the tenant's zone, and whether it is a whole day.

    In a repeated local hour, the first occurrence is used (fold 0). A date without a year is the
    last one that has begun by `now`: a guess.
    """
    if match := _INSTANT.fullmatch(text):
        year, month, day, hour, minute, second, fraction, half = match.groups()
    elif (match := _WORDED.fullmatch(text)) and match[1].lower() in _MONTHS:
        name, day, year, hour, minute, second, half = match.groups()
        month, fraction = _MONTHS.index(name.lower()) + 1, None
    else:
        raise ValueError(f"{text!r} is not a date-time such as 2024-07-15 10:15:00")
    micros = int((fraction or "0").ljust(6, "0"))
    parts = [int(part or 0) for part in (month, day, hour, minute, second)]
    parts[2] = _hour(text, hour, half)
    if year is None and now is None:
        raise ValueError(f"{text!r} has no year")
    years = [int(year)] if year is not None else _years(now)
    moments = [_moment(text, y, parts, micros, zone) for y in years]
    begun = [m for m in moments if m is not None and (year is not None or m <= (now or m))]
    if not begun:
        raise ValueError(f"{text!r} is out of range")
    return begun[0], hour is None


def _years(now: datetime | None) -> list[int]:
    """Return the years that a date without one may mean; a leap day goes back the furthest."""
    last = now.year + 1 if now is not None else 0
    return list(range(last, last - 10, -1))


def _hour(text: str, hour: str | None, half: str | None) -> int:
    if half is None:
        return int(hour or 0)
    if hour is None or not 1 <= int(hour) <= _NOON:
        raise ValueError(f"{text!r} has no hour from 1 to 12 before am or pm")
    return int(hour) % _NOON + (_NOON if half.strip().lower() == "pm" else 0)


def _moment(text: str, year: int, parts: list[int], micros: int, zone: ZoneInfo) -> datetime | None:
    """Return the instant, or None for a 29 February in a year that has none."""
    try:
        return datetime(year, *parts, micros, tzinfo=zone).astimezone(UTC)  # type: ignore[misc,arg-type] # month to second
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None


def add_day(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the same wall-clock time of the next day in a zone."""
    local = instant.astimezone(zone).replace(tzinfo=None) + timedelta(days=1)
    return local.replace(tzinfo=zone).astimezone(UTC)


def shown(text: str, kind: Kind) -> str:
    """Return the value of a parameter as the executed query shows it."""
    if kind in TEXTUAL or kind is Kind.ARRAY:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return text


def _suits(written: Kind | None, kind: Kind) -> bool:
    if written is None:
        return kind in (Kind.BOOLEAN, Kind.ENUM)
    if kind is Kind.IP:
        return written in (Kind.IP, Kind.STRING)
    if kind in TEXTUAL or kind is Kind.ARRAY:
        return written is Kind.STRING
    if kind is Kind.VERSION:
        return written in (Kind.VERSION, Kind.STRING)
    if kind in (Kind.INT, Kind.FLOAT):
        return written in (Kind.INT, Kind.FLOAT)
    # Bytes and seconds are stored as numbers, and published queries compare them as such.
    return written is kind or (kind in NUMERIC and written in (Kind.INT, Kind.FLOAT))


def _number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return float(text) if "." in text else int(text)


def _amount(text: str, units: dict[str, int] | dict[str, float], kind: Kind) -> int | float:
    if _NUMBER.fullmatch(text):
        return _number(text)
    match = _AMOUNT.fullmatch(text)
    if match is None or match[2].lower() not in units:
        raise ValueError(f"{text!r} is not a {kind}")
    return _number(match[1]) * units[match[2].lower()]


def _error(kind: type[NqlError], message: str, place: Place) -> NqlError:
    return kind(message, place.line, place.column)
