"""A plan of an action as a file: each target with its request, each one left out with its reason.

It has people's data and is for its owner only. The file's metadata has what is sent in addition to
the targets, so that its sha-256 covers everything that will be sent.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import StaleError
from connectors.lake import Lake
from connectors.lake.plans import PLANS, fetch_plan, keep_plan
from connectors.lake.storage import storage_errors
from connectors.ledger import ActionPlanRecord
from connectors.ledger.action_requests import TARGETS, TargetBatch

# After this a plan is stale.
PLAN_LIFE: Final = timedelta(hours=24)
# What the plans of releases before the card lack.
_ADDED: Final = ("platform", "entity")
COLUMNS: Final = ("ordinal", "intent_id", "target", "device", "person", "name", "reason", *_ADDED)
_SCHEMA: Final = pa.schema(
    [(name, pa.int32() if name == "ordinal" else pa.string()) for name in COLUMNS]
)
_METADATA: Final = b"nxp_request"


@dataclass(frozen=True, slots=True)
class Sending:
    """What every request of a plan carries, whatever its targets."""

    kind: str
    action_id: str
    parameters: Mapping[str, str] = field(repr=False)
    expires_in_minutes: int | None
    reason: str
    source: str
    ticket: str | None


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """A plan and the rows of its file (`COLUMNS`); rows without `ordinal` are left out."""

    record: ActionPlanRecord
    sending: Sending
    rows: pl.DataFrame = field(repr=False)

    @property
    def plan_id(self) -> str:
        """The plan's id."""
        return self.record.plan_id

    @property
    def targets(self) -> pl.DataFrame:
        """The rows that are acted on."""
        return self.rows.filter(pl.col("ordinal").is_not_null())

    def batches(self) -> list[TargetBatch]:
        """Return the targets of each request, in order."""
        return batches_of(self.targets)


def batches_of(rows: pl.DataFrame) -> list[TargetBatch]:
    """Return the targets of each request in rows of a plan, in order."""
    parts = (
        rows.drop_nulls("ordinal")
        .sort("ordinal", "target")
        .partition_by("ordinal", maintain_order=True)
    )
    return [TargetBatch(part["intent_id"][0], part.select(*TARGETS)) for part in parts]


def plan_path(action: str, plan_id: str) -> str:
    """Return the path of a plan's file within the tenant's part of the lake."""
    return f"{PLANS}/action={action}/{plan_id}.parquet"


def page_path(location: str) -> str:
    """Return the path of the page next to a plan's file."""
    return f"{location.removesuffix('.parquet')}.html"


def write_page(lake: Lake, location: str, text: str, scratch: Path) -> None:
    """Write the page next to a plan's file, readable by its owner only."""
    path = page_path(location)
    staged = scratch / path.rpartition("/")[2]
    with storage_errors(staged):
        staged.write_text(text, "utf-8")
    keep_plan(lake, staged, path)


def write_plan(lake: Lake, path: str, rows: pl.DataFrame, sending: Sending, scratch: Path) -> str:
    """Write a plan's file, move it into place, and return its sha-256."""
    request = json.dumps(asdict(sending), sort_keys=True).encode()
    table = (
        rows.select(*COLUMNS).to_arrow().cast(_SCHEMA).replace_schema_metadata({_METADATA: request})
    )
    return write_rows(lake, path, table, scratch)


def write_rows(lake: Lake, path: str, rows: pa.Table, scratch: Path) -> str:
    """Write rows as the file of a plan, for its owner only, and return its sha-256."""
    staged = scratch / path.rpartition("/")[2]
    with storage_errors(staged):
        pq.write_table(rows, staged, compression="zstd")
    sha256 = _sha256(staged)
    keep_plan(lake, staged, path)
    return sha256


def read_plan(lake: Lake, record: ActionPlanRecord, scratch: Path) -> ActionPlan:
    """Read a plan's file, and verify that it is the one that was made.

    Raises:
        StaleError: it is gone, or is another file.
    """
    table = read_rows(lake, record, scratch)
    sending: dict[str, Any] = json.loads((table.schema.metadata or {})[_METADATA])
    rows = pl.DataFrame(table)
    missing = [pl.lit(None, pl.String).alias(name) for name in _ADDED if name not in rows.columns]
    return ActionPlan(record, Sending(**sending), rows.with_columns(missing))


def read_rows(lake: Lake, record: ActionPlanRecord, scratch: Path) -> pa.Table:
    """Return the rows of a plan's file, if it is the one that was made.

    Raises:
        StaleError: it is gone, or is another file.
    """
    path = fetch_plan(lake, record.location, scratch)
    if path is None or _sha256(path) != record.sha256:
        raise StaleError(
            f"{record.action}: the file of plan {record.plan_id} is gone, or is not the one that "
            "was made: plan again; nothing was sent"
        )
    return pq.read_table(path)


def _sha256(path: Path) -> str:
    with storage_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
