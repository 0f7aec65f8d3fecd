"""Progress of a run: on a terminal a bar of its units, elsewhere a line now and then.

On stderr. With `rate` also how many units a minute land, and how long the rest will take.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nxp.output import is_json_asked, say
from tasks.runs.progress import PLANNED, Count, Progress, Seldom, listening

# Without a terminal: for logs, so not often.
LINE_EVERY_SECONDS = 15.0


@contextmanager
def shown(units: int = 0, *, rate: bool = False) -> Iterator[None]:
    """Show the progress of runs in this process: of so many units, and of those they plan."""
    count = Count(units)
    if is_json_asked() or not sys.stderr.isatty():
        seldom = Seldom(LINE_EVERY_SECONDS)

        def tell(progress: Progress) -> None:
            if count.add(progress) and rate and seldom.is_time():
                say(str(count))

        with listening(tell):
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


def describe(progress: Progress) -> str:
    """Return in a few words how far a unit is."""
    if progress.stage == PLANNED:
        return f"{progress.dataset}: {progress.done:,} to land"
    amount = ""
    if progress.done:
        is_bytes = progress.stage == "downloading"
        amount = f" {progress.done / 1e6:,.1f} MB" if is_bytes else f" {progress.done:,} rows"
    return f"{progress.dataset} {progress.unit}: {progress.stage}{amount}"
