"""A back-fill's place in the ledger."""

from datetime import datetime

from connectors.ledger import Ledger
from tasks.chunks import is_done
from tasks.plan import Only, Plan
from tasks.run import Run
from tasks.units import Landed


def begin_backfill(run: Run) -> None:
    """Write the plan into the ledger: an interrupted run leaves what is pending to be seen."""
    if run.plan.asked.chunk is None:
        # Whoever started runs for its chunks has written a shared one.
        record_plan(run.plan, run.ledger)


def record_plan(plan: Plan, ledger: Ledger) -> datetime | None:
    """Write a plan into the ledger; of a back-fill of everything give when it was begun."""
    dataset = plan.specification.dataset
    ledger.plan_units(dataset, [(unit.name, unit.starts_at, unit.ends_at) for unit in plan.units])
    if (asked := plan.backfill) is None:
        return None
    return ledger.marks.begin_backfill(dataset, asked.starts_at, asked.ends_at, asked.step).begun_at


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


def finish_shared(plan: Plan, ledger: Ledger) -> None:
    """Forget a shared back-fill of everything once all its windows have landed, by whichever run.

    Not another one of the same windows, which was begun since.
    """
    backfill, dataset = plan.backfill, plan.specification.dataset
    if backfill is None:
        return
    same = ledger.marks.find_backfill(dataset, backfill.starts_at, backfill.ends_at, backfill.step)
    if same != backfill:
        return
    within = ledger.units(dataset, backfill.starts_at, backfill.ends_at)
    known = {record.unit: record for record in within}
    if all(is_done(known.get(unit.name), Only.ALL, backfill.begun_at) for unit in plan.units):
        ledger.marks.finish_backfill(dataset, backfill)
