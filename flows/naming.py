"""Names of flow runs for an operator's list: verb, subject, and date or window."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from prefect import runtime

from tasks.runs.recorded import is_scheduled

__all__ = ["day", "is_scheduled", "named", "scheduled_at", "subjects"]


def named(verb: str, *parameters: str) -> Callable[[], str]:
    """Return a function that names a flow run: verb, subject, and the day it was scheduled for.

    Args:
        verb: what the flow does.
        parameters: of the flow, whose values name the subject; empty ones are left out.
    """

    def name() -> str:
        return " ".join([verb, *subjects(runtime.flow_run.parameters, *parameters), f"{day():%F}"])

    return name


def subjects(given: Mapping[str, Any], *parameters: str) -> list[str]:
    """Return the values of parameters as words; a list is joined by commas."""
    values = [given.get(each) for each in parameters]
    return [
        ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for value in values
        if value
    ]


def day() -> datetime:
    """Return the time that the flow run was scheduled for, or now if that is not known."""
    return scheduled_at() or datetime.now(UTC)


def scheduled_at() -> datetime | None:
    """Return the time that the run was scheduled for, so that a late run lands its own slot."""
    scheduled = runtime.flow_run.scheduled_start_time
    # Prefect's own date-time class cannot be mixed with the standard library's.
    return None if scheduled is None else datetime.fromtimestamp(scheduled.timestamp(), UTC)
