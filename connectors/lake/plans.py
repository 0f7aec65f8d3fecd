"""Plan files of syncs: what will be sent, value by value. Personal data, for its owner only.

Object storage has no file modes: there the bucket's policy protects `_plans`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa

from connectors.errors import StorageError
from connectors.lake.lake import Lake
from connectors.lake.stage import Stage

PLANS: Final = "_plans"
FILE: Final = "plan"
PLAN_FILE: Final = re.compile(rf"{PLANS}/(sync|action)=[a-z0-9_]+/[A-Za-z0-9_-]+\.parquet")
_PRIVATE_FOLDER: Final = 0o700


def plan_path(sync: str, plan_id: str) -> str:
    """Return the path of a plan's file within the tenant's part of the lake."""
    return f"{PLANS}/sync={sync}/{plan_id}.parquet"


@contextmanager
def staged_plan(lake: Lake, plan_id: str, schema: pa.Schema) -> Iterator[Stage]:
    """Yield a stage for a plan's file, readable by its owner only and removed afterwards."""
    stage = lake.stage(PLANS, plan_id, FILE, schema)
    stage.folder.chmod(_PRIVATE_FOLDER)
    try:
        with stage:
            stage.write(FILE, schema.empty_table())
            yield stage
    finally:
        lake.discard_stage(plan_id)


def keep_plan(lake: Lake, source: Path, path: str) -> None:
    """Move a finished plan file to its place in the lake."""
    lake.store.bring_in(source, path, private=True)


def fetch_plan(lake: Lake, path: str, scratch: Path) -> Path | None:
    """Return a plan's file as a local one (from a bucket a copy), None if there is none.

    Raises:
        StorageError: the path, which the ledger kept, is not one of a plan's file.
    """
    if not PLAN_FILE.fullmatch(path):
        raise StorageError(
            "the ledger names a plan's file outside of the lake's _plans: restore the ledger, or "
            "plan again"
        )
    return lake.store.fetch(path, scratch / path.rpartition("/")[2])
