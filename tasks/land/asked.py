"""What a run that lands a dataset is asked to do, and whether it can be."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from connectors.catalogue import DatasetSpecification, Mode, parse_duration
from connectors.errors import UsageError
from tasks.land.chunks import Chunk

CONCURRENCY = 4
MOST_AT_ONCE = 16


class Only(StrEnum):
    """Which windows of a period a back-fill lands."""

    MISSING = "missing"
    FAILED = "failed"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller asks for, in the words of flow parameters and command options.

    Without dates a run lands what is missing up to now. `only` and `step` belong to a back-fill,
    `chunk` to one that several runs share. `is_scheduled` means that no person started the run.
    """

    dataset: str
    window_from: str | None = None
    window_to: str | None = None
    tenant: str | None = None
    accept_shrink: bool = False
    full_refresh: bool = False
    step: str | None = None
    only: Only | None = None
    concurrency: int = CONCURRENCY
    scheduled_at: datetime | None = None
    is_scheduled: bool = False
    chunk: Chunk | None = None


def read_step(text: str | None) -> timedelta | None:
    """Return the length of a window that was asked for; None if none was.

    Raises:
        UsageError: it is not a duration.
    """
    try:
        step = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"step {text!r} {error}") from None
    return step if isinstance(step, timedelta) else None


def check_asked(asked: Asked, specification: DatasetSpecification) -> None:
    """Raise unless what is asked for belongs together and suits the dataset.

    Raises:
        UsageError: it does not.
    """
    dated = asked.window_from is not None or asked.window_to is not None
    if dated and specification.mode is Mode.SNAPSHOT:
        raise UsageError(f"{asked.dataset} is a snapshot of how things are now: it takes no dates")
    if dated and (asked.window_from is None or asked.window_to is None):
        raise UsageError("a back-fill takes two dates, from and to")
    if dated and asked.full_refresh:
        raise UsageError("full_refresh lands everything: it takes no dates")
    if not dated and (asked.step or asked.only):
        raise UsageError("step and only belong to a back-fill: set window_from and window_to")
    if not 1 <= asked.concurrency <= MOST_AT_ONCE:
        raise UsageError(f"concurrency must be from 1 to {MOST_AT_ONCE}")
