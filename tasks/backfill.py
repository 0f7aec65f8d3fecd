"""A back-fill's place in the ledger."""

from tasks.run import Run
from tasks.units import Landed


def begin_backfill(run: Run) -> None:
    """Write the plan into the ledger: an interrupted run leaves what is pending to be seen."""
    units = [(unit.name, unit.starts_at, unit.ends_at) for unit in run.plan.units]
    run.ledger.plan_units(run.dataset, units)
    if backfill := run.plan.backfill:
        run.ledger.marks.begin_backfill(
            run.dataset, backfill.starts_at, backfill.ends_at, backfill.step
        )


def finish_backfill(run: Run, landed: Landed) -> None:
    """Forget a back-fill of everything whose windows have all landed: the next one begins anew.

    Also where rows were rejected: it would else take those windows for done when asked again.
    """
    if run.plan.backfill and len(landed.outcomes) == len(run.plan.units):
        run.ledger.marks.finish_backfill(run.dataset, run.plan.backfill)
