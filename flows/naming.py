"""Names of flow runs, as an operator reads a list of them: verb, subject, and date or window."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from prefect import runtime
from prefect.context import FlowRunContext

# Created by a schedule, or by an automation that waits for an event.
_NO_PERSON = frozenset({"SCHEDULE", "AUTOMATION"})


def named(verb: str, *parameters: str) -> Callable[[], str]:
    """Return what names a flow run: a verb, its subject, and the day that it was scheduled for.

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
    """Return when the flow run was scheduled for, or began where that is not known."""
    return scheduled_at() or datetime.now(UTC)


def scheduled_at() -> datetime | None:
    """Return the time that the run was scheduled for, so that a late run lands its own slot."""
    scheduled = runtime.flow_run.scheduled_start_time
    # Prefect's own date-time class does not compute with the standard library's.
    return None if scheduled is None else datetime.fromtimestamp(scheduled.timestamp(), UTC)


def is_scheduled() -> bool:
    """Return whether a schedule or an automation started the run, and not a person."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None:
        return False
    by = run.created_by
    return bool(run.auto_scheduled or (by and by.type in _NO_PERSON))
