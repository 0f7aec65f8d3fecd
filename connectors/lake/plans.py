"""Plan files of syncs: what is to be sent, value by value. Personal data, for its owner only.

On object storage there are no file modes: the bucket's policy protects `_plans`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa

from connectors.lake.lake import Lake
from connectors.lake.stage import Stage

PLANS: Final = "_plans"
FILE: Final = "plan"
_PRIVATE_FOLDER: Final = 0o700


def plan_path(sync: str, plan_id: str) -> str:
    """Name a plan's file within the tenant's part of the lake."""
    return f"{PLANS}/sync={sync}/{plan_id}.parquet"


@contextmanager
def staged_plan(lake: Lake, plan_id: str, schema: pa.Schema) -> Iterator[Stage]:
    """Open a place for a plan's file that nobody else reads; gone afterwards."""
    stage = lake.stage(PLANS, plan_id, FILE, schema)
    stage.folder.chmod(_PRIVATE_FOLDER)
    try:
        with stage:
            stage.write(FILE, schema.empty_table())
            yield stage
    finally:
        lake.discard_stage(plan_id)


def keep_plan(lake: Lake, source: Path, path: str) -> None:
    """Put a finished plan file in its place in the lake."""
    lake.store.bring_in(source, path, private=True)


def fetch_plan(lake: Lake, path: str, scratch: Path) -> Path | None:
    """Give a plan's file as a local one; None where it is gone. Of a bucket it is a copy."""
    return lake.store.fetch(path, scratch / path.rpartition("/")[2])
