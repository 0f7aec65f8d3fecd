"""The watermark: up to where a dataset has landed without a gap. The scheduled export moves it."""

from datetime import datetime

from tasks.land.plan import landed_of
from tasks.land.run import Run
from tasks.land.schedule import Coverage


def move_watermark(run: Run) -> datetime | None:
    """Write the end of the contiguous landed stretch; a back-fill only reads it.

    What back-fills have landed counts too, from the next scheduled export on.
    """
    if run.plan.origin is None:
        known = run.ledger.marks.watermark(run.dataset)
        return known.position if known else None
    coverage = Coverage(known.window for known in landed_of(run.ledger.units(run.dataset)))
    position = coverage.end_from(run.plan.origin)
    run.ledger.marks.set_watermark(run.dataset, run.plan.origin, position)
    return position
