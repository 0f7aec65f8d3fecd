"""Values that were sent and never answered, and that the read-back shows: they are acknowledged."""

from datetime import datetime
from typing import Final

import polars as pl

from connectors.lake.records import write_changes
from connectors.ledger.bulk import MOMENT
from connectors.ledger.enriched import KNOWN, ValueState
from tasks.sync.conflicts import US
from tasks.sync.diff import Action
from tasks.sync.run import SyncRun
from tasks.sync.wanted import EMPTY

# Numbers of `_changes` files from here on are of a read-back, and below of what was sent.
_FIRST_FILE: Final = 1_000_000


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
