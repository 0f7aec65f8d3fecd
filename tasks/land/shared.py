"""The plan of a back-fill in the ledger: written before it begins, forgotten when all has landed.

Imports no Prefect, whose settings are not made yet when a command plans.
"""

from datetime import datetime

from connectors.ledger import Ledger
from tasks.land.chunks import is_done
from tasks.land.plan import Only, Plan


def record_plan(plan: Plan, ledger: Ledger) -> datetime | None:
    """Write a plan into the ledger; of a back-fill of everything give when it was begun."""
    dataset = plan.specification.dataset
    ledger.plan_units(dataset, [(unit.name, unit.starts_at, unit.ends_at) for unit in plan.units])
    if (asked := plan.backfill) is None:
        return None
    return ledger.marks.begin_backfill(dataset, asked.starts_at, asked.ends_at, asked.step).begun_at


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
