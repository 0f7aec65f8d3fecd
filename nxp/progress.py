"""Progress of a run, on stderr: a bar of its units on a terminal, elsewhere a line now and then.

With `rate` it also shows how many units land a minute, and how long the rest will take.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nxp.output import is_json_asked, say
from tasks.runs.progress import PLANNED, Count, Progress, Seldom, listening

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

# Without a terminal these lines end up in a log, so they are rare.
LINE_EVERY_SECONDS = 15.0


@contextmanager
def shown(units: int = 0, *, rate: bool = False) -> Iterator[None]:
    """Show the progress of runs in this process, over `units` and those that the runs plan."""
    count = Count(units)
    if is_json_asked() or not sys.stderr.isatty():
        seldom = Seldom(LINE_EVERY_SECONDS)

        def say_count(progress: Progress) -> None:
            if count.add(progress) and rate and seldom.is_time():
                say(str(count))

        with listening(say_count):
            yield
        return
    with _bars(rate=rate) as bars:
        line = bars.add_task("starting", total=units or None, pace="")

        def show(progress: Progress) -> None:
            ended = count.add(progress)
            bars.update(
                line,
                description=describe(progress),
                total=count.units or None,
                advance=int(ended),
                pace=count.pace(),
            )

        with listening(show):
            yield


def _bars(*, rate: bool) -> "Bars":
    """Return the bars of a terminal; on a narrow one the words are cut, not the bar."""
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415 - only in a terminal
    from rich.table import Column  # noqa: PLC0415

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    pace = (TextColumn("{task.fields[pace]}"), TimeRemainingColumn()) if rate else ()
    columns = (
        SpinnerColumn(),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        *pace,
        TextColumn("{task.description}", markup=False, table_column=rest),
    )
    return Bars(*columns, console=Console(stderr=True), transient=True, expand=True)


def describe(progress: Progress) -> str:
    """Return how far a unit is, in a few words."""
    if progress.stage == PLANNED:
        return f"{progress.dataset}: {progress.done:,} to land"
    amount = ""
    if progress.done:
        is_bytes = progress.stage == "downloading"
        amount = f" {progress.done / 1e6:,.1f} MB" if is_bytes else f" {progress.done:,} rows"
    return f"{progress.dataset} {progress.unit}: {progress.stage}{amount}"
