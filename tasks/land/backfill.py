"""A back-fill's plan in the ledger: written before it begins, forgotten once all has landed."""

from datetime import datetime

from connectors.ledger import Ledger
from tasks.land.asked import Only
from tasks.land.chunks import is_done
from tasks.land.plan import Plan
from tasks.land.run import Run
from tasks.land.units import LandedUnits


def begin_backfill(run: Run) -> None:
    """Write the plan into the ledger, so that an interrupted run shows what is still pending."""
    if run.plan.asked.chunk is None:
        # The command that started runs for the chunks of a shared one has written it.
        record_plan(run.plan, run.ledger)


def finish_backfill(run: Run, landed: LandedUnits) -> None:
    """Forget a back-fill of everything once all its windows landed, so the next one starts over.

    Do this even if rows were rejected; otherwise the next back-fill skips those windows.
    """
    backfill = run.plan.backfill
    if backfill is None:
        return
    if run.plan.asked.chunk:
        finish_shared(run.plan, run.ledger)
    elif len(landed.outcomes) == len(run.plan.units):
        run.ledger.marks.finish_backfill(run.dataset, backfill)


def record_plan(plan: Plan, ledger: Ledger) -> datetime | None:
    """Write a plan into the ledger; return when its back-fill of everything was begun."""
    dataset = plan.specification.dataset
    ledger.plan_units(dataset, [(unit.name, unit.starts_at, unit.ends_at) for unit in plan.units])
    if (asked := plan.backfill) is None:
        return None
    return ledger.marks.begin_backfill(dataset, asked.starts_at, asked.ends_at, asked.step).begun_at


def finish_shared(plan: Plan, ledger: Ledger) -> None:
    """Forget a shared back-fill of everything once all its windows have landed, by any run.

    Another back-fill of the same windows that was begun later is kept.
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
