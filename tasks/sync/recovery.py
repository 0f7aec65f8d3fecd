"""After a kill: values that an apply may have sent without saving the answer become open.

Anything between a plan's `settled_to` and its `begun_to` may have reached the tenant.
"""

import logging

import polars as pl

from connectors.errors import StaleError
from connectors.lake.plans import fetch_plan
from connectors.ledger import PlanRecord, PlanState
from connectors.ledger.enriched import KNOWN, ValueState
from tasks.sync.plan_file import PlanSummary, SyncPlan
from tasks.sync.plan_rows import Action
from tasks.sync.planning import Planning

logger = logging.getLogger(__name__)


def recover(planning: Planning) -> int:
    """Record as open what a killed apply of a sync left in doubt. Call it under the sync's lease.

    Returns:
        How many values were opened; a second call opens none.
    """
    return sum(
        _recover(planning, record)
        for record in planning.ledger.plans.of(planning.sync, state=PlanState.APPLYING)
        if record.begun_to is not None and record.begun_to != record.settled_to
    )


def open_plan(planning: Planning, record: PlanRecord) -> SyncPlan:
    """Find and verify the file of a plan, and return the plan.

    Raises:
        StaleError: the file is gone, or is not the one that was planned.
    """
    path = fetch_plan(planning.lake, record.location, planning.scratch)
    if path is None:
        raise StaleError(
            f"{record.sync}: the file of plan {record.plan_id} is gone: plan again; nothing was "
            "sent"
        )
    is_copy = str(path) != planning.lake.location(record.location)
    plan = SyncPlan(record, PlanSummary.from_json(record.summary), path, is_copy=is_copy)
    try:
        plan.check()
    except BaseException:
        plan.close()
        raise
    return plan


def doubtful(rows: pl.DataFrame, known: pl.DataFrame, plan_id: str) -> pl.DataFrame:
    """Return as open rows the values of a plan that may have been sent but were not saved.

    Args:
        rows: rows of the plan.
        known: the ledger's rows of the same keys.
        plan_id: the plan.
    """
    # A restored value is not ours, wherever it is: the next read compares what was.
    ours = rows.filter(pl.col("action") != Action.RESTORE.value)
    cells = ours.group_by("key", "field", maintain_order=True).agg(
        pl.col("identity").last().alias("sent_as"),
        pl.col("after").first().alias("first"),
        pl.col("after").last().alias("last"),
        (pl.len() > 1).alias("is_settled_first"),
    )
    joined = cells.join(known, on=["key", "field"], how="left")
    saved = pl.coalesce("open_value", "value")
    is_mine = (pl.col("plan_id") == plan_id).fill_null(value=False)
    is_done = is_mine & (saved == pl.col("last")).fill_null(value=False)
    # What follows a settle is sent only once the settle is acknowledged.
    met_first = is_mine & pl.col("is_settled_first") & (saved == pl.col("first"))
    met_first = met_first.fill_null(value=False)
    is_taken = (pl.col("state") == ValueState.ACKNOWLEDGED.value).fill_null(value=False)
    opened = pl.when(met_first).then("last").otherwise("first")
    return joined.filter(~is_done & ~(met_first & ~is_taken)).with_columns(
        identity="sent_as",
        open_value=opened,
        state=pl.lit(ValueState.OPEN.value),
        code=pl.lit(None, pl.String),
        retry_at=pl.lit(None, KNOWN["retry_at"]),
        attempts=pl.col("attempts").fill_null(0),
        plan_id=pl.lit(plan_id),
    )


def _recover(planning: Planning, record: PlanRecord) -> int:
    try:
        plan = open_plan(planning, record)
    except StaleError:
        return _doubt_all(planning, record)
    after, opened = record.settled_to, 0
    with plan:
        for rows in plan.chunks(record.settled_to, record.begun_to):
            last = str(rows["key"][-1])
            known = planning.ledger.enriched.read(planning.sync, after, last)
            opened += _save(planning, doubtful(rows, known, record.plan_id))
            after = last
    logger.info("%s: %d values were in doubt after a kill", planning.sync, opened)
    return opened


def _doubt_all(planning: Planning, record: PlanRecord) -> int:
    """Open all known values of the keys under way: without its file the plan's rows are lost."""
    logger.warning(
        "%s: the file of plan %s is lost: the values of all keys under way will be sent again",
        planning.sync,
        record.plan_id,
    )
    known = planning.ledger.enriched.read(planning.sync, record.settled_to, record.begun_to)
    taken = known.filter(
        (pl.col("state") == ValueState.ACKNOWLEDGED.value) & pl.col("value").is_not_null()
    )
    opened = taken.with_columns(
        open_value="value", state=pl.lit(ValueState.OPEN.value), retry_at=None
    )
    return _save(planning, opened)


def _save(planning: Planning, rows: pl.DataFrame) -> int:
    mappings = planning.fields.mappings
    saved = rows.with_columns(
        tried_at=pl.lit(planning.now, KNOWN["tried_at"]),
        mapping=pl.col("field").replace_strict(
            list(mappings), list(mappings.values()), default=None, return_dtype=pl.String
        ),
    )
    planning.ledger.enriched.save(planning.sync, saved)
    return saved.height
