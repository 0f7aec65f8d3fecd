"""Progress on a terminal: one line per unit, on stderr; nothing when nobody watches."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.progress import Progress, listening


@contextmanager
def shown() -> Iterator[None]:
    """Show the progress of runs in this process while the block runs."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import Progress as Bars  # noqa: PLC0415
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        line = bars.add_task("starting Prefect")

        def show(progress: Progress) -> None:
            bars.update(line, description=describe(progress))

        with listening(show):
            yield


def describe(progress: Progress) -> str:
    """Say in a few words how far a unit is."""
    amount = ""
    if progress.done:
        is_bytes = progress.stage == "downloading"
        amount = f" {progress.done / 1e6:,.1f} MB" if is_bytes else f" {progress.done:,} rows"
    return f"{progress.dataset} {progress.unit}: {progress.stage}{amount}"
