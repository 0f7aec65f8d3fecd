"""How far a run is: shown by the command's progress bars and counted; and reports passed on.

Whoever starts a run in this process listens here. A flow that fails returns nothing, so reports of
runs that end in an error are passed on this way too.
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
STOPPING = "stopping when they have ended; once more to stop at once"
ENDS = (LANDED, SKIPPED, FAILED)
# What ends at once says nothing about what is to come.
PACE_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a unit is: `stage` is what is being done, one of ENDS at the end; `done` counts.

    With the stage PLANNED it is the run that is meant, and `done` is its number of units.
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
    """Counts the units that have ended, out of a total that runs may add to; safe under threads."""

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
            # From the first sign of work: starting up is no part of the pace.
            self._began = self._clock() if self._began is None else self._began
            self.done += ended
        return ended

    def pace(self) -> str:
        """Return how many units end in a minute, empty until there was time to see it."""
        seconds = self._elapsed()
        if not self.done or seconds < PACE_AFTER_SECONDS:
            return ""
        return f"{60 * self.done / seconds:,.1f}/min"

    def left(self) -> str:
        """Return how long the rest takes at this pace, empty while there is none."""
        if not self.pace():
            return ""
        seconds = int(self._elapsed() / self.done * max(0, self.units - self.done))
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes} min {seconds:02} s left" if minutes else f"{seconds} s left"

    def __str__(self) -> str:
        """Return all of it in one line."""
        return ", ".join(
            part
            for part in (f"{self.done:,} of {self.units:,} windows", self.pace(), self.left())
            if part
        )

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else self._clock() - self._began


class Seldom:
    """Lets something happen at most once in so many seconds."""

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
