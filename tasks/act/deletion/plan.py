"""A plan of deletions: which devices, in which requests, and when each was last seen.

Its file is for its owner only, and its hash covers all of it.
"""

import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from connectors.errors import StaleError, UsageError
from connectors.lake import Lake
from connectors.ledger import ActionPlanRecord, ActionPlanState
from connectors.ledger.action_requests import NOBODY, TARGETS, Requester, TargetBatch
from tasks.act.deletion.answers import DELETION
from tasks.act.deletion.inventory import QUERY, read_inventory
from tasks.act.deletion.lookup import look_up
from tasks.act.deletion.named import find_named, read_named
from tasks.act.deletion.run import ACTION, DeletionRun
from tasks.act.exclusions import IN_DOUBT
from tasks.act.plan_file import PLAN_LIFE, plan_path, read_rows, write_rows

_SCHEMA: Final = pa.schema(
    [
        ("position", pa.int64()),
        ("ordinal", pa.int32()),
        ("intent_id", pa.string()),
        ("target", pa.string()),
        ("name", pa.string()),
        ("last_seen", pa.timestamp("us", "UTC")),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """A plan and the rows of its file; rows without `ordinal` are left out."""

    record: ActionPlanRecord
    rows: pl.DataFrame = field(repr=False)

    @property
    def targets(self) -> pl.DataFrame:
        """The rows of devices that are to be deleted."""
        return self.rows.filter(pl.col("ordinal").is_not_null())

    def of(self, intent_id: str) -> pl.DataFrame:
        """Return the rows of one request."""
        return self.targets.filter(pl.col("intent_id") == intent_id)

    def batches(self) -> list[TargetBatch]:
        """Return the targets of each request, in order."""
        parts = self.targets.sort("ordinal", "position").partition_by(
            "ordinal", maintain_order=True
        )
        return [TargetBatch(part["intent_id"][0], _as_targets(part)) for part in parts]


def make_plan(
    run: DeletionRun, file: str, batch: int, ticket: str | None = None, asker: Requester = NOBODY
) -> DeletionPlan:
    """Find the devices of a file, leave some out for a reason, write the plan and record it.

    Call it under the lease. A plan may have no devices to delete; it then says why.

    Raises:
        UsageError: the file names no device.
        PipelineError: as `read_inventory`.
    """
    named = read_named(file)
    version = run.ledger.actions.version(*DELETION)
    inventory = read_inventory(run)
    look_up(run, inventory)
    found = _without_doubtful(run, find_named(named, inventory))
    rows = _batched(found, batch)
    plan_id = f"{run.now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    path = plan_path(ACTION, plan_id)
    sha256 = write_rows(run.lake, path, rows.to_arrow().cast(_SCHEMA), run.folder())
    kind, action_id = DELETION
    record = ActionPlanRecord(
        plan_id=plan_id,
        action=ACTION,
        kind=kind,
        action_id=action_id,
        sha256=sha256,
        location=path,
        # What was seen after the inventory was asked for was seen after the plan was made.
        created_at=inventory.read_at,
        specification=QUERY,
        version=version,
        summary=_summary(rows, inventory.devices),
        ticket=ticket,
        **asdict(asker),
    )
    run.ledger.action_plans.add(record)
    return DeletionPlan(record, rows)


def load_plan(run: DeletionRun, plan_id: str, sha256: str | None = None) -> DeletionPlan:
    """Open a plan to make or resume it.

    Args:
        run: of deletions.
        plan_id: the plan.
        sha256: its hash, or the beginning of it, as shown to the person who reviewed the plan.

    Raises:
        UsageError: there is no such plan.
        StaleError: it has another hash, devices were deleted since, or 24 hours are over.
    """
    record = plan_of(run.ledger.action_plans.get(plan_id), plan_id)
    if sha256 is not None and not (sha256 and record.sha256.startswith(sha256.lower())):
        raise StaleError(f"plan {plan_id} has another hash; nothing was deleted")
    is_begun = record.begun_at is not None
    if not is_begun and (reason := _staleness(run, record)):
        run.ledger.action_plans.outdate(plan_id)
        raise StaleError(f"{reason} since plan {plan_id} was made: plan again; nothing was deleted")
    return read_plan(run.lake, record, run.folder())


def read_plan(lake: Lake, record: ActionPlanRecord, scratch: Path) -> DeletionPlan:
    """Read a plan's file.

    Raises:
        StaleError: it is gone, or is not the one that was made.
    """
    return DeletionPlan(record, pl.DataFrame(read_rows(lake, record, scratch)))


def plan_of(record: ActionPlanRecord | None, plan_id: str | None) -> ActionPlanRecord:
    """Return a record if it is a plan of deletions.

    Raises:
        UsageError: it is not.
    """
    if record is None or (record.kind, record.action_id) != DELETION:
        raise UsageError(
            f"there is no plan of deletions {plan_id or 'yet'}: nxp devices plan --file FILE "
            "makes one"
        )
    return record


def is_too_old(record: ActionPlanRecord, now: datetime) -> bool:
    """Return whether a plan may not be made any more, even if it has begun."""
    age: timedelta = now - record.created_at
    return age > PLAN_LIFE


def _as_targets(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "target", pl.col("target").alias("device"), pl.lit(None, pl.String).alias("person")
    ).select(*TARGETS)


def _without_doubtful(run: DeletionRun, rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the devices of requests whose outcome is not known."""
    open_ones = run.ledger.actions.recent(*DELETION, run.now)
    is_doubtful = pl.col("reason").is_null() & pl.col("target").is_in(open_ones["target"].implode())
    doubted = pl.when(is_doubtful).then(pl.lit(IN_DOUBT)).otherwise("reason")
    return rows.with_columns(doubted.alias("reason"))


def _batched(rows: pl.DataFrame, batch: int) -> pl.DataFrame:
    """Divide the devices that are not left out into requests, each with its intent."""
    is_wanted = pl.col("reason").is_null()
    place = (is_wanted.cast(pl.Int64).cum_sum() - 1) // batch
    ordinals = rows.select(pl.when(is_wanted).then(place).alias("ordinal").cast(pl.Int32))
    intents = {
        ordinal: str(uuid.uuid4())
        for ordinal in ordinals["ordinal"].drop_nulls().unique(maintain_order=True)
    }
    intent = pl.Series("intent_id", [intents.get(each) for each in ordinals["ordinal"]], pl.String)
    return pl.concat([rows, ordinals], how="horizontal").with_columns(intent).select(_SCHEMA.names)


def _summary(rows: pl.DataFrame, devices: pl.DataFrame) -> dict[str, Any]:
    """Return the counts of a plan; they reveal nothing about a single device."""
    excluded = rows.drop_nulls("reason").group_by("reason").len().sort("reason")
    return {
        "candidates": rows.height,
        "targets": int(rows["ordinal"].is_not_null().sum()),
        "requests": rows["ordinal"].drop_nulls().n_unique(),
        "excluded": dict(excluded.iter_rows()),
        "inventory": devices["uid"].n_unique(),
    }


def _staleness(run: DeletionRun, record: ActionPlanRecord) -> str | None:
    if record.state == ActionPlanState.STALE:
        return "what it was made from has changed"
    if record.version != run.ledger.actions.version(*DELETION):
        return "devices were deleted"
    return "more than 24 hours have passed" if is_too_old(record, run.now) else None
