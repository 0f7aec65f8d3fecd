"""A sync of rows that a test provides, shaped without asking a source."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from connectors.lake import Lake
from connectors.sources import Completeness
from connectors.syncs import SyncSpecification
from tasks.sync.pull import Pulled, PulledSource
from tasks.sync.shape import Shaped, shaped
from tasks.sync.wanted import RANGE_KEYS, WantedRange

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
CENTRE = "device/device/#cost_center"
BROKER = "device/device/virtualization/desktop_broker"
TYPE = "device/device/virtualization/type"
UPDATED = "device/device/virtualization/last_update"

SYNC: dict[str, Any] = {
    "sync": "machines",
    "domain": "cmdb",
    "sources": {"cmdb": {"kind": "file", "path": "/nowhere/machines.csv"}},
    "sql": "SELECT * FROM cmdb",
    "identification": {"name": "device/device/name", "column": "name"},
    "fields": {CENTRE: {}},
}


def sync_of(**changes: Any) -> SyncSpecification:
    """Return a sync that differs from the plain one."""
    return SyncSpecification.model_validate(SYNC | changes)


def pulled_of(
    folder: Path,
    sources: Mapping[str, Mapping[str, Sequence[str | None]]],
    *,
    completeness: Completeness = Completeness.COMPLETE,
    changes_of: str | None = None,
) -> Pulled:
    """Write rows as a pull would, column by column, by source."""
    folder.mkdir(exist_ok=True)
    made = {}
    for name, columns in sources.items():
        path = folder / f"{name}.parquet"
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        frame.write_parquet(path)
        made[name] = PulledSource(path, tuple(columns), frame.height, completeness)
    return Pulled(made, {}, AT, changes_of)


@contextmanager
def shaping(
    folder: Path,
    sync: SyncSpecification,
    *,
    lake: Lake | None = None,
    range_keys: int = RANGE_KEYS,
    now: datetime = AT,
    **sources: Mapping[str, Sequence[str | None]],
) -> Iterator[tuple[Shaped, list[WantedRange]]]:
    """Shape rows and return all ranges."""
    pulled = pulled_of(folder / "run", sources)
    lake = lake or Lake(str(folder / "lake"), "sandbox.eu")
    with shaped(sync, pulled, lake, folder / "run", now, range_keys=range_keys) as shape:
        yield shape, list(shape.ranges())


def cells(ranges: Sequence[WantedRange]) -> dict[tuple[str, str], str]:
    """Return what is wanted, by key and field."""
    return {(key, field): value for each in ranges for key, field, value in each.rows.iter_rows()}


def keys(ranges: Sequence[WantedRange]) -> dict[str, str]:
    """Return the identity of each key."""
    return {key: identity for each in ranges for key, identity in each.keys.iter_rows()}
