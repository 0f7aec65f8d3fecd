"""How long a tenant keeps its own data, by class of table. Not to be confused with the lake's."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator

from connectors.catalogue.specification import DAY, parse_duration


class RetentionClass(StrEnum):
    """Classes of tables that a tenant keeps for different times.

    `fine` are high-resolution samples, which live shorter than other events; `summaries` are daily
    summaries and custom trends, which live longer.
    """

    EVENTS = "events"
    FINE = "fine"
    INVENTORY = "inventory"
    SUMMARIES = "summaries"


def _parse(value: Any) -> Any:
    """Return `30d`, or `events=14d, fine=8d`, as a dictionary; `30d` is that of events."""
    if not isinstance(value, str):
        return value
    if "=" not in value:
        return {RetentionClass.EVENTS: _duration(value.strip())}
    kept: dict[RetentionClass, timedelta] = {}
    for part in value.split(","):
        name, _, length = (text.strip() for text in part.partition("="))
        try:
            of = RetentionClass(name)
        except ValueError:
            classes = ", ".join(RetentionClass)
            raise ValueError(f"must name classes of tables, of {classes}: not {name!r}") from None
        if of in kept:
            raise ValueError(f"names {name} twice")
        kept[of] = _duration(length)
    return kept


def _duration(text: str) -> timedelta:
    duration = parse_duration(text)
    if not isinstance(duration, timedelta) or duration < DAY:
        raise ValueError("must be at least a day")
    return duration


# How long a tenant keeps each class that was set; a class that was not is unknown.
TenantRetention = Annotated[Mapping[RetentionClass, timedelta], BeforeValidator(_parse)]


def kept_for(kept: Mapping[RetentionClass, timedelta], of: RetentionClass) -> timedelta | None:
    """Return how long a tenant keeps a class of tables; None if that is not known.

    No event is kept longer than `events` says, so that bounds the finer ones too.
    """
    if of is RetentionClass.FINE and of not in kept:
        return kept.get(RetentionClass.EVENTS)
    return kept.get(of)
