"""Progress on a terminal: a bar of the units, and what is happening to the present one.

On stderr; nothing when nobody watches.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.progress import LANDED, Progress, listening


@contextmanager
def shown(units: int) -> Iterator[None]:
    """Show the progress of runs in this process, of so many units in all."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415

    # The words give way on a narrow terminal, not the bar.
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    happening = TextColumn("{task.description}", markup=False, table_column=rest)
    columns = (
        SpinnerColumn(),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        happening,
    )
    with Bars(*columns, console=Console(stderr=True), transient=True, expand=True) as bars:
        line = bars.add_task("starting Prefect", total=units)

        def show(progress: Progress) -> None:
            done = progress.stage == LANDED
            bars.update(line, description=describe(progress), advance=int(done))

        with listening(show):
            yield


def describe(progress: Progress) -> str:
    """Say in a few words how far a unit is."""
    amount = ""
    if progress.done:
        is_bytes = progress.stage == "downloading"
        amount = f" {progress.done / 1e6:,.1f} MB" if is_bytes else f" {progress.done:,} rows"
    return f"{progress.dataset} {progress.unit}: {progress.stage}{amount}"
