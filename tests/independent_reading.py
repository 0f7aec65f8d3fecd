"""What docs/contracts.md says a result holds, by Python's standard library and nothing of ours."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Field = tuple[str, bool]  # its text, and whether it was in quotes


class NotCsvError(Exception):
    """The text is not strict CSV."""


class MisfitError(Exception):
    """A value does not fit its type."""


def records(text: str) -> list[list[Field]]:
    """Return the records of strict CSV whose lines end alike, LF and CRLF counting as one."""
    text = text.removeprefix("\ufeff")
    found: list[list[Field]] = []
    record: list[Field] = []
    ends: set[str] = set()
    place = 0
    while place < len(text):
        field, place = _field(text, place)
        record.append(field)
        end = text[place : place + 2]
        if end[:1] == ",":
            place += 1
            if place == len(text):
                record.append(("", False))
            continue
        if end:
            kind = "\r\n" if end == "\r\n" else end[0]
            ends.add("\r" if kind == "\r" else "\n")
            place += len(kind)
        if record != [("", False)]:
            found.append(record)
        record = []
    if record:
        found.append(record)
    if len(ends) > 1:
        raise NotCsvError("mixed line ends")
    return found


def _field(text: str, place: int) -> tuple[Field, int]:
    if text[place : place + 1] != '"':
        stop = re.compile(r'[,\r\n"]|$').search(text, place)
        end = stop.start() if stop else len(text)
        # `$` also matches before a line break at the end, where the text ends anyway.
        if text[end : end + 1] == '"':
            raise NotCsvError("a quote inside a field")
        return (text[place:end], False), end
    closing = re.compile(r'"((?:[^"]|"")*)"(?=[,\r\n]|\Z)').match(text, place)
    if closing is None:
        raise NotCsvError("a quoted field that does not end")
    return (closing[1].replace('""', '"'), True), closing.end()


def value_of(field: Field, kind: str, zone: str) -> Any:
    """Return a field's value as its type says.

    Raises:
        MisfitError: it does not fit.
    """
    text, is_quoted = field
    if text == "":
        return "" if is_quoted and kind == "string" else None
    return READ[kind](text, zone)


def _int(text: str, _zone: str) -> int:
    if not re.fullmatch("[+-]?[0-9]+", text, re.ASCII) or not -(2**63) <= int(text) < 2**63:
        raise MisfitError
    return int(text)


def _float(text: str, _zone: str) -> float:
    shape = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
    if not re.fullmatch(shape, text, re.ASCII) or not math.isfinite(float(text)):
        raise MisfitError
    return float(text)


def _bool(text: str, _zone: str) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in known:
        raise MisfitError
    return known[text.lower()]


def _date(text: str, _zone: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        raise MisfitError
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise MisfitError from None


def _datetime(text: str, zone: str) -> datetime:
    shape = (
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
        r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
    )
    match = re.fullmatch(shape, text, re.ASCII)
    if match is None:
        raise MisfitError
    day, clock, fraction, offset = match.groups()
    try:
        naive = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}")
        if offset is None:
            # With fold 0: the first of a repeated time, and the offset before a gap.
            return naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if offset == "Z":
            return naive.replace(tzinfo=UTC)
        sign, hours, minutes = offset[0], int(offset[1:3]), int(offset[-2:])
        if hours > 14 or minutes > 59:
            raise MisfitError
        shift = timedelta(hours=hours, minutes=minutes)
        return (naive + shift if sign == "-" else naive - shift).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise MisfitError from None


def _refuse(_text: str) -> None:
    raise MisfitError


def _json(text: str, _zone: str) -> str:
    def number(written: str) -> float:
        if not math.isfinite(float(written)):
            raise MisfitError
        return float(written)

    try:
        json.loads(text, parse_constant=_refuse, parse_float=number)
    except ValueError:
        raise MisfitError from None
    return text


def _list(text: str, _zone: str) -> list[str | None]:
    if '"' in text:
        return _quoted_list(text)
    if not (text.startswith("[") and text.endswith("]") and len(text) > 1):
        raise MisfitError
    inner = text[1:-1].strip()
    if re.search(r"[\[\]{}]", inner):
        raise MisfitError
    items = [item.strip() for item in inner.split(",")] if inner else []
    if "" in items:
        raise MisfitError
    return [None if item == "null" else item for item in items]


def _quoted_list(text: str) -> list[str | None]:
    try:
        items = json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except ValueError:
        raise MisfitError from None
    if not isinstance(items, list) or any(isinstance(item, list | dict) for item in items):
        raise MisfitError
    # JSON may hold half of a surrogate pair, text may not.
    if any("\ud800" <= sign <= "\udfff" for item in items for sign in str(item)):
        raise MisfitError
    return [str(item).lower() if isinstance(item, bool) else item for item in items]


def _string(text: str, _zone: str) -> str:
    return text


READ: dict[str, Callable[[str, str], Any]] = {
    "string": _string,
    "int": _int,
    "bytes": _int,
    "float": _float,
    "duration": _float,
    "bool": _bool,
    "date": _date,
    "datetime": _datetime,
    "list": _list,
    "json": _json,
}
