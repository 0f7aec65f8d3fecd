"""A back-fill's place in the ledger."""

from tasks.land.run import Run
from tasks.land.shared import finish_shared, record_plan
from tasks.land.units import Landed


def begin_backfill(run: Run) -> None:
    """Write the plan into the ledger: an interrupted run leaves what is pending to be seen."""
    if run.plan.asked.chunk is None:
        # Whoever started runs for its chunks has written a shared one.
        record_plan(run.plan, run.ledger)


def finish_backfill(run: Run, landed: Landed) -> None:
    """Forget a back-fill of everything whose windows have all landed: the next one begins anew.

    Also where rows were rejected: it would else take those windows for done when asked again.
    """
    backfill = run.plan.backfill
    if backfill is None:
        return
    if run.plan.asked.chunk:
        finish_shared(run.plan, run.ledger)
    elif len(landed.outcomes) == len(run.plan.units):
        run.ledger.marks.finish_backfill(run.dataset, backfill)
