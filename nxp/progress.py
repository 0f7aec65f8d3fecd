"""Progress of a run: on a terminal a bar of its units, elsewhere a line now and then.

On stderr. With `rate` also how many units a minute land, and how long the rest will take.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from tasks.progress import ENDS, Progress, listening

# Without a terminal: for logs, so not often.
LINE_EVERY_SECONDS = 15.0


@contextmanager
def shown(units: int, *, rate: bool = False) -> Iterator[None]:
    """Show the progress of runs in this process, of so many units in all."""
    if not sys.stderr.isatty():
        with listening(Lines(units)) if rate else _nothing():
            yield
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415

    # The words give way on a narrow terminal, not the bar.
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    happening = TextColumn("{task.description}", markup=False, table_column=rest)
    pace = (TextColumn("{task.fields[pace]}"), TimeRemainingColumn()) if rate else ()
    columns = (
        SpinnerColumn(),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        *pace,
        happening,
    )
    with Bars(*columns, console=Console(stderr=True), transient=True, expand=True) as bars:
        line = bars.add_task("starting Prefect", total=units, pace="")
        lines = Lines(units)

        def show(progress: Progress) -> None:
            ended = lines.count(progress)
            bars.update(line, description=describe(progress), advance=int(ended), pace=lines.pace())

        with listening(show):
            yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class Lines:
    """Counts units that ended, and says a line about it when some time has passed."""

    def __init__(
        self,
        units: int,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    ) -> None:
        self._units = units
        self._clock = clock
        self._say = say
        self._lock = Lock()
        self._done = 0
        self._began: float | None = None
        self._said = clock()

    def __call__(self, progress: Progress) -> None:
        """Count, and say a line when it is time."""
        self.count(progress)
        with self._lock:
            if self._done == 0 or self._clock() - self._said < LINE_EVERY_SECONDS:
                return
            self._said = self._clock()
            self._say(f"{self._done:,} of {self._units:,} windows, {self.pace()}, {self.left()}")

    def count(self, progress: Progress) -> bool:
        """Count a unit that has ended; tells whether one has."""
        with self._lock:
            if self._began is None:
                self._began = self._clock()
            ended = progress.stage in ENDS
            self._done += ended
        return ended

    def pace(self) -> str:
        """Say how many units end in a minute."""
        seconds = self._elapsed()
        return f"{60 * self._done / seconds:,.1f}/min" if self._done and seconds else ""

    def left(self) -> str:
        """Say how long the rest takes at this pace."""
        if not self._done:
            return ""
        minutes, seconds = divmod(
            int(self._elapsed() / self._done * (self._units - self._done)), 60
        )
        return f"{minutes} min {seconds:02} s left" if minutes else f"{seconds} s left"

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else self._clock() - self._began


def describe(progress: Progress) -> str:
    """Say in a few words how far a unit is."""
    amount = ""
    if progress.done:
        is_bytes = progress.stage == "downloading"
        amount = f" {progress.done / 1e6:,.1f} MB" if is_bytes else f" {progress.done:,} rows"
    return f"{progress.dataset} {progress.unit}: {progress.stage}{amount}"
