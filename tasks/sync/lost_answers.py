"""Values that were sent and never answered, and that the read-back shows: they are acknowledged.

A value of others that an undo wrote back is theirs then.
"""

from datetime import datetime
from typing import Final

import polars as pl

from connectors.errors import StaleError
from connectors.lake.records import write_changes
from connectors.ledger.bulk import MOMENT
from connectors.ledger.enriched import KNOWN, ValueState
from tasks.sync.conflicts import CELL, US
from tasks.sync.objects import IDENTITY, field_of
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.plan_rows import Action
from tasks.sync.planning import Planning
from tasks.sync.readback import kept_as_compared, shown_as_compared
from tasks.sync.recovery import open_plan
from tasks.sync.run import SyncRun
from tasks.sync.settled import Tried, known_rows
from tasks.sync.tenant_values import SHOWN, TenantValues
from tasks.sync.wanted import EMPTY

# Numbers of `_changes` files from here on are of a read-back, and below of what was sent.
_FIRST_FILE: Final = 1_000_000
_RESTORED_FILE: Final = 2_000_000


def acknowledge_shown(run: SyncRun, number: int, page: pl.DataFrame, now: datetime) -> None:
    """Record open values that read back as sent, as if their answer had come.

    Args:
        run: the sync's run.
        number: of the page, from 0.
        page: rows of KNOWN that are open.
        now: when they were read back.
    """
    changes = page.select(
        "key",
        "field",
        pl.col("value").alias("before"),
        pl.col("open_value").alias("after"),
        pl.lit(Action.SETTLE.value).alias("action"),
        _by_us().alias("set_by"),
    )
    write_changes(run.lake, run.sync, run.run_id, _FIRST_FILE + number, now, changes.to_arrow())
    run.ledger.enriched.save(run.sync, _acknowledged(page, now))


def acknowledge_restored(run: SyncRun, values: TenantValues) -> int:
    """Record values of others that the last plan wrote back without an answer, and that show.

    The ledger still has them as this sync's own, since they might not have arrived.

    Args:
        run: the sync's run.
        values: what the tenant holds.

    Returns:
        The objects on which all of them show, and no value of this sync is in doubt.
    """
    last, now, objects = run.ledger.plans.last_begun(run.sync), run.tools.clock(), 0
    if last is None or not last.summary.get("undoes"):
        return 0
    planning = Planning(run.specification, run.ledger, run.lake, run.folder(), now)
    try:
        plan = open_plan(planning, last)
    except StaleError:
        return 0
    with plan:
        for number, rows in enumerate(plan.chunks()):
            restores = rows.filter(pl.col("action") == Action.RESTORE.value)
            known = run.ledger.enriched.read_keys(run.sync, restores["key"].unique())
            lost = _lost(restores, known, values)
            shown = lost.filter("is_shown")
            if shown.is_empty():
                continue
            tried = Tried(now, last.plan_id, planning.fields.mappings)
            _record_restored(run, _RESTORED_FILE + number, shown, tried)
            doubtful = pl.concat(
                [
                    lost.filter(~pl.col("is_shown"))["key"],
                    known.filter(pl.col("state") == ValueState.OPEN.value)["key"],
                ]
            )
            keys = shown["key"].unique()
            objects += keys.len() - int(keys.is_in(doubtful.implode()).sum())
    return objects


def _lost(restores: pl.DataFrame, known: pl.DataFrame, values: TenantValues) -> pl.DataFrame:
    """Return the restores that the ledger has as ours, and whether the tenant shows each."""
    columns = ("value", "acknowledged_at", "attempts", "code", "stood", "stood_by", "state")
    joined = restores.join(known.select(*CELL, *columns), on=CELL, how="inner").filter(
        (pl.col("state") == ValueState.ACKNOWLEDGED.value) & (pl.col("value") == pl.col("before"))
    )
    held = values.of(joined["key"].unique(), joined["field"].unique())
    parts = [
        part.with_columns(kept_as_compared(part["after"], field_of(name)).alias(SHOWN))
        for (name,), part in joined.partition_by("field", as_dict=True).items()
    ]
    if not parts:
        return joined.with_columns(is_shown=pl.lit(value=False))
    compared = held.select(*CELL, shown_as_compared(pl.col(SHOWN)))
    found = compared.unique().with_columns(is_shown=pl.lit(value=True))
    wanted = pl.concat(parts).join(found, on=[*CELL, SHOWN], how="left", maintain_order="left")
    return wanted.with_columns(pl.col("is_shown").fill_null(value=False))


def _record_restored(run: SyncRun, number: int, shown: pl.DataFrame, tried: Tried) -> None:
    changes = shown.select("key", "field", "before", "set_by", "after", "action")
    write_changes(run.lake, run.sync, run.run_id, number, tried.at, changes.to_arrow())
    outcomes = shown.select(
        pl.col(IDENTITY).alias("value"),
        outcome=pl.lit(ObjectOutcome.ACKNOWLEDGED.value),
        code=pl.lit(None, pl.String),
        reason=pl.lit(None, pl.String),
    ).unique()
    rows = known_rows(shown.drop("state", SHOWN, "is_shown"), outcomes, tried)
    run.ledger.enriched.save(run.sync, rows)


def _by_us() -> pl.Expr:
    """Return who had set the acknowledged value; nobody, where the field was emptied."""
    return pl.when(pl.col("value") != EMPTY).then(pl.lit(US))


def _acknowledged(page: pl.DataFrame, now: datetime) -> pl.DataFrame:
    nothing = {"open_value": None, "code": None, "retry_at": None}
    was_ours = pl.col("value").is_not_null()
    return page.with_columns(
        stood=pl.coalesce("value", "stood"),
        stood_by=pl.when(was_ours).then(_by_us()).otherwise("stood_by"),
        value=pl.col("open_value"),
        acknowledged_at=pl.lit(now, MOMENT),
        state=pl.lit(ValueState.ACKNOWLEDGED.value),
        attempts=pl.lit(0, pl.Int64),
        **{name: pl.lit(value, KNOWN[name]) for name, value in nothing.items()},
    ).select(*KNOWN)
