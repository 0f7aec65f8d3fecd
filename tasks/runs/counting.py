"""Counting the units of a run as they end: how many, at what pace, how long the rest takes."""

import time
from collections.abc import Callable
from threading import Lock

from tasks.runs.progress import ENDS, Progress

# What ends at once says nothing of what is to come.
PACE_AFTER_SECONDS = 1.0


class Count:
    """Counts units that have ended, of so many; safe under threads."""

    def __init__(self, units: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.units = units
        self.done = 0
        self._clock = clock
        self._lock = Lock()
        self._began: float | None = None

    def add(self, progress: Progress) -> bool:
        """Count a unit that has ended; tells whether one has."""
        ended = progress.stage in ENDS
        with self._lock:
            # From the first sign of work: starting up is no part of the pace.
            self._began = self._clock() if self._began is None else self._began
            self.done += ended
        return ended

    def pace(self) -> str:
        """Say how many units end in a minute, once there was time to see it."""
        seconds = self._elapsed()
        if not self.done or seconds < PACE_AFTER_SECONDS:
            return ""
        return f"{60 * self.done / seconds:,.1f}/min"

    def left(self) -> str:
        """Say how long the rest takes at this pace."""
        if not self.pace():
            return ""
        seconds = int(self._elapsed() / self.done * max(0, self.units - self.done))
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes} min {seconds:02} s left" if minutes else f"{seconds} s left"

    def __str__(self) -> str:
        """Say all of it in one line."""
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
        """Tell whether it is time again; the next time counts from then."""
        with self._lock:
            if self._clock() - self._last < self._seconds:
                return False
            self._last = self._clock()
            return True
