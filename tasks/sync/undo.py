"""Taking a plan back: what stood in the fields before it, where its values still stand.

A value that others, or a later run, have set since stays. What others had set is written again and
is theirs again; fields that were empty are emptied, if they can be.
"""

from collections import Counter
from collections.abc import Iterator

import polars as pl

from connectors.errors import UsageError
from connectors.ledger import PlanRecord, PlanState
from connectors.ledger.enriched import ValueState
from tasks.sync.conflicts import CELL, OTHERS
from tasks.sync.diff import SyncDifference
from tasks.sync.plan_file import SyncPlan
from tasks.sync.plan_rows import PLAN, Action, DiffCounts, count_rows
from tasks.sync.planning import Planning
from tasks.sync.recovery import open_plan
from tasks.sync.wanted import EMPTY


def plan_to_undo(planning: Planning, plan_id: str) -> SyncPlan:
    """Open the plan that is to be taken back.

    Raises:
        UsageError: the sync has no such plan, or it was never begun.
        StaleError: its file is gone.
    """
    record: PlanRecord | None = planning.ledger.plans.get(plan_id)
    if record is None or record.sync != planning.sync:
        raise UsageError(
            f"{planning.sync} has no plan {plan_id}: nxp runs {planning.sync} lists them"
        )
    if record.state == PlanState.PLANNED.value or record.begun_at is None:
        raise UsageError(f"plan {plan_id} of {planning.sync} was not applied: nothing to take back")
    return open_plan(planning, record)


def undone(
    planning: Planning, plan: SyncPlan, not_clearable: Counter[str]
) -> Iterator[SyncDifference]:
    """Yield the rows that take a plan back, and count by field what cannot be emptied.

    Only values that the ledger knows as this sync's, still the plan's own, are taken back; whether
    the tenant still holds them is seen when it is read.
    """
    earlier = [
        each.plan_id
        for each in planning.ledger.plans.of(planning.sync)
        if each.summary.get("undoes") == plan.plan_id
    ]
    for chunk in plan.chunks():
        rows = chunk.filter(pl.col("action") != Action.SETTLE.value)
        known = planning.ledger.enriched.read_keys(planning.sync, rows["key"].unique())
        # What an earlier undo of the plan sent without an answer is taken back again.
        is_lost = (pl.col("state") == ValueState.OPEN.value) & pl.col("plan_id").is_in(earlier)
        ours = known.filter((pl.col("state") == ValueState.ACKNOWLEDGED.value) | is_lost)
        still = rows.join(ours.select(*CELL, "value"), on=CELL, how="inner").filter(
            (pl.col("value") == pl.col("after"))
            & (pl.col("field").is_in(list(planning.fields.mappings)))
        )
        back = pl.col("before").fill_null(EMPTY)
        turned = still.filter(back != pl.col("after")).with_columns(
            after=back, before=pl.col("after"), was_theirs=pl.col("set_by") == OTHERS
        )
        stuck = (pl.col("after") == EMPTY) & ~pl.col("field").is_in(list(planning.fields.clearable))
        not_clearable.update(turned.filter(stuck)["field"].to_list())
        action = (
            pl.when(pl.col("was_theirs").fill_null(value=False))
            .then(pl.lit(Action.RESTORE.value))
            .when(pl.col("after") == EMPTY)
            .then(pl.lit(Action.CLEAR.value))
            .when(pl.col("before") == EMPTY)
            .then(pl.lit(Action.SET.value))
            .otherwise(pl.lit(Action.CHANGE.value))
        )
        made = turned.filter(~stuck).with_columns(action=action, set_by=pl.lit(None, pl.String))
        counts = DiffCounts()
        count_rows(made, counts)
        yield SyncDifference(
            made.select(*PLAN).sort(*CELL), counts, pl.Series("key", [], pl.String)
        )
