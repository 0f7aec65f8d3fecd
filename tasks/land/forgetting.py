"""A unit that lands although the tenant may have forgotten some of its rows."""

from typing import Final

from connectors.errors import DataRefusedError
from tasks.land.doubts import Judgement, is_forgetting, judge
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Unit
from tasks.land.run import Run

ACCEPT: Final = "run the same again with --accept-shrink (in a flow: accept_shrink)"


def check_forgotten(run: Run, unit: Unit, rows: int, before: int) -> None:
    """Raise if fewer rows would replace fuller ones, and the tenant may have forgotten the others.

    Raises:
        DataRefusedError: they would; what has landed stays.
    """
    calendar = run.plan.calendar
    if rows >= before or run.plan.asked.accept_shrink or not unit.window or not calendar:
        return
    if is_forgetting(unit.window, run.tools.clock(), calendar):
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: {rows} rows, but {before} have landed before, and the "
            "tenant may have forgotten the others: what has landed stays; if fewer rows are right, "
            f"{ACCEPT}, or set how long the tenant keeps them "
            "(tenant_retention); nothing was published"
        )


def judge_unit(run: Run, unit: Unit, outcome: UnitOutcome) -> Judgement:
    """Return what is in doubt about a unit, by the moment at which its last export was started."""
    calendar = run.plan.calendar
    if unit.window is None or calendar is None:
        return Judgement()
    asked_at = outcome.last_exported_at or run.tools.clock()
    # What the tenant showed of it, whether it landed or not.
    shown = outcome.rows_landed + outcome.rows_rejected + outcome.rows_filtered
    # Only a window without rows needs the others as evidence.
    others = () if shown else run.ledger.units(run.dataset)
    began = {run.run_id: run.started_at}
    return judge(unit.window, shown, asked_at, calendar, others, run.run_id, began)
