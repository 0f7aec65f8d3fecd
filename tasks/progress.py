"""Telling how far a run is, to whoever listens: the command's progress bars, or nobody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LANDED = "landed"
SKIPPED = "landed by another run"
FAILED = "failed"
ENDS = (LANDED, SKIPPED, FAILED)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a unit is: `stage` is what is being done, one of ENDS at the end; `done` counts."""

    dataset: str
    unit: str
    stage: str
    done: int = 0


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


def tell(progress: Progress) -> None:
    """Tell all listeners."""
    for listener in tuple(_listeners):
        listener(progress)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Pass the progress of all runs in this process to the listener."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
