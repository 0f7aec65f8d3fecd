"""How far a run is, for progress bars and counts; and how its report reaches the caller.

The code that starts a run in this process listens here. A flow that fails returns nothing, so this
is also how reports of runs that end in an error are passed on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from connectors.listeners import Listeners

PLANNED = "planned"
LANDED = "landed"
SKIPPED = "landed by another run"
FAILED = "failed"
STOPPING = "stopping when they have ended; stop again to stop at once"
ENDS = (LANDED, SKIPPED, FAILED)
# Units that end at once say nothing about the pace of the others.
PACE_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a unit is: `stage` is what it is doing, one of ENDS at the end; `done` counts.

    With the stage PLANNED this is about the whole run, and `done` is its number of units.
    """

    dataset: str
    unit: str
    stage: str
    done: int = 0


_PROGRESS: Listeners[Progress] = Listeners()
tell = _PROGRESS.tell
listening = _PROGRESS.listening

_REPORTS: Listeners[dict[str, Any]] = Listeners()
tell_report = _REPORTS.tell
hearing = _REPORTS.listening


class Count:
    """Counts the units that have ended, of a total that runs may add to. Thread-safe."""

    def __init__(self, units: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.units = units
        self.done = 0
        self._clock = clock
        self._lock = Lock()
        self._began: float | None = None

    def add(self, progress: Progress) -> bool:
        """Count a unit that has ended, or the units that a run has planned.

        Returns:
            Whether a unit has ended.
        """
        if progress.stage == PLANNED:
            with self._lock:
                self.units += progress.done
            return False
        ended = progress.stage in ENDS
        with self._lock:
            # The pace counts from the first sign of work, without the time to start up.
            self._began = self._clock() if self._began is None else self._began
            self.done += ended
        return ended

    def pace(self) -> str:
        """Return how many units end in a minute; empty until that can be measured."""
        seconds = self._elapsed()
        if not self.done or seconds < PACE_AFTER_SECONDS:
            return ""
        return f"{60 * self.done / seconds:,.1f}/min"

    def left(self) -> str:
        """Return how long the rest takes at this pace; empty until there is a pace."""
        if not self.pace():
            return ""
        seconds = int(self._elapsed() / self.done * max(0, self.units - self.done))
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes} min {seconds:02} s left" if minutes else f"{seconds} s left"

    def __str__(self) -> str:
        """Return count, pace and time left in one line."""
        return ", ".join(
            part
            for part in (f"{self.done:,} of {self.units:,} windows", self.pace(), self.left())
            if part
        )

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else self._clock() - self._began


class Seldom:
    """Lets something happen at most once in a number of seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._last = clock()

    def is_time(self) -> bool:
        """Return whether it is time again; the next time counts from then."""
        with self._lock:
            if self._clock() - self._last < self._seconds:
                return False
            self._last = self._clock()
            return True
