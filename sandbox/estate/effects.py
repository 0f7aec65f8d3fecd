"""What executions change on devices: disks get free space, restarted devices a recent boot."""

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate.feed import DeviceEffect, Feed
from sandbox.model.kinds import DATETIME
from sandbox.model.tables import Table

BOOTED = "device.boot.days_since_last_full_boot"
# Share of the drive, freed for good: disks that fill up again are not modelled.
FREED_SHARE = 0.3
_NEVER = np.iinfo(np.int64).max


def restarted(devices: pl.DataFrame, feed: Feed, now: datetime) -> pl.DataFrame:
    """Return the devices with the last full boot updated where they were restarted."""
    happened = feed.effects(DeviceEffect.RESTARTS, now)
    if not happened.height:
        return devices
    last = happened.group_by("uid").agg(pl.col("at").max())
    days = (pl.lit(now, dtype=DATETIME) - pl.col("at")).dt.total_days()
    joined = devices.join(
        last.select(pl.col("uid").alias("device.uid"), days.alias("#days")),
        on="device.uid",
        how="left",
        maintain_order="left",
    )
    return joined.with_columns(pl.min_horizontal(BOOTED, "#days").alias(BOOTED)).drop("#days")


def cleaned(
    feed: Feed, table: Table, devices: pl.DataFrame, now: datetime
) -> NDArray[np.int64] | None:
    """Return when each device's disk was first cleaned up, or None if the table has no disks."""
    if table.path != "device_performance.events":
        return None
    return _cleaned(feed, devices, now)


def _cleaned(feed: Feed, devices: pl.DataFrame, now: datetime) -> NDArray[np.int64] | None:
    happened = feed.effects(DeviceEffect.FREES_DISK, now)
    if not happened.height:
        return None
    first = happened.group_by("uid").agg(pl.col("at").min().dt.timestamp("us"))
    joined = devices.select("device.uid").join(
        first, left_on="device.uid", right_on="uid", how="left", maintain_order="left"
    )
    return joined["at"].fill_null(_NEVER).to_numpy()


def relieve(column: pl.Series, prefix: str, capacity: pl.Series, since: pl.Series) -> pl.Series:
    """Return a column of samples with the freed space where `since` holds."""
    if column.name == f"{prefix}.system_drive_free_space":
        freed = (capacity * FREED_SHARE).cast(pl.Int64)
        return (column + freed * since.cast(pl.Int64)).alias(column.name)
    if column.name == f"{prefix}.system_drive_usage":
        freed = (capacity * FREED_SHARE).cast(pl.Int64)
        return (column - freed * since.cast(pl.Int64)).alias(column.name)
    return column


def relieved(feed: Feed, rows: pl.DataFrame, devices: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the rows of a nested list, system volumes with the freed space."""
    free = "device.volume.free_space"
    at = _cleaned(feed, devices, now) if free in rows.columns else None
    if at is None:
        return rows
    clean = pl.Series("#clean", at != _NEVER).gather(rows["#device"])
    capacity = pl.col("device.volume.capacity")
    more = (pl.col(free) + (capacity * FREED_SHARE).cast(pl.Int64)).clip(upper_bound=capacity)
    chosen = pl.when(pl.col("#clean") & pl.col("device.volume.is_system")).then(more)
    return rows.with_columns(clean).with_columns(chosen.otherwise(free).alias(free)).drop("#clean")
