"""The devices that the tenant has, and when it saw each: by exporting a saved query, complete."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.errors import DataRefusedError
from tasks.act.deletion.run import DeletionRun
from tasks.columns.times import UTC_TYPE, read_datetimes
from tasks.exports.saved_query import query_rows, require_columns

QUERY: Final = "#device_deletion"
_UID, _DEVICE_UID, _NAME = "device.collector.uid", "device.uid", "device.name"
_LAST_SEEN: Final = "device.last_seen"
_SUBJECT: Final = "deleting devices"
# By how much zones turn their clocks back: most by an hour, one by half an hour.
_TURNS: Final = (timedelta(minutes=30), timedelta(hours=1))


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the tenant had at a moment.

    Attributes:
        read_at: when reading it began.
        devices: uid (of the collector, lower case), device_uid, name, last_seen (UTC; null where it
            is not certain): a row for each device.
    """

    read_at: datetime
    devices: pl.DataFrame = field(repr=False)

    def has(self, uids: pl.Expr) -> pl.Expr:
        """Match the devices that are in it."""
        return uids.is_in(self.devices["uid"].implode())


def read_inventory(run: DeletionRun) -> Inventory:
    """Export all devices.

    Raises:
        DataRefusedError: the query lists no device at all, or lacks a column.
        PipelineError: as `query_rows`; a truncated result is refused.
    """
    read_at = run.now
    unit = f"inventory-{run.run_id}"
    rows = query_rows(run.tools, _SUBJECT, unit, QUERY, run.folder())
    require_columns(rows, (_UID, _NAME, _LAST_SEEN), QUERY)
    if rows.is_empty():
        raise DataRefusedError(
            f"{_SUBJECT}: {QUERY} lists no device at all, so it cannot be complete: compare it "
            f"with the file (nxp nql diff {QUERY.removeprefix('#')}); nothing was decided"
        )
    return Inventory(read_at, devices_of(rows, run.tenant.time_zone))


def devices_of(rows: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Return the rows of a result as the devices of an Inventory, read in the tenant's zone."""
    seen, repeated = read_datetimes(rows[_LAST_SEEN], zone)
    if repeated:
        seen = seen.zip_with(~_is_repeated(seen, zone), pl.Series([None], dtype=UTC_TYPE))
    of_device = rows[_DEVICE_UID] if _DEVICE_UID in rows.columns else rows[_UID]
    return pl.DataFrame(
        {
            "uid": rows[_UID].str.to_lowercase(),
            "device_uid": of_device.str.to_lowercase(),
            "name": rows[_NAME],
            "last_seen": seen,
        }
    ).drop_nulls("uid")


def _is_repeated(seen: pl.Series, zone: str) -> pl.Series:
    """Match times in an hour that the zone has twice: which of the two is meant, is not known."""

    def local(moments: pl.Series) -> pl.Series:
        return moments.dt.convert_time_zone(zone).dt.replace_time_zone(None)

    found = [(local(seen) == local(seen + turn)).fill_null(value=False) for turn in _TURNS]
    return found[0] | found[1]
