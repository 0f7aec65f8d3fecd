"""What all tables share: ids, the fields that the instance maintains, all values as text."""

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate.chance import hexadecimal, pick, stream
from sandbox.hr.register import portion
from sandbox.servicenow.dates import WRITTEN
from sandbox.servicenow.schema import TABLES

_DAY = 86_400
# The nightly import that updates many rows in the same second.
_IMPORT_HOUR = 2 * 3600
IMPORTED = 0.2
FRESH = 0.1


def sys_ids(seed: int, table: str, count: int) -> pl.Series:
    """Return the ids of a table's rows."""
    ids = hexadecimal(stream(seed, "servicenow", table, "sys_id"), count, 32)
    return ids.cast(pl.String).alias("sys_id")


def instants(seconds: NDArray[np.int64]) -> pl.Series:
    """Return seconds since 1970 as the texts of UTC date-times."""
    return pl.Series(seconds * 1000).cast(pl.Datetime("ms")).dt.to_string(WRITTEN)


def days(seconds: NDArray[np.int64]) -> pl.Series:
    """Return seconds since 1970 as the texts of dates."""
    return instants(seconds).str.slice(0, 10)


def finished(frame: pl.DataFrame, table: str, seed: int, now: datetime) -> pl.DataFrame:
    """Return a table with all its fields as text, ordered by id."""
    rng = stream(seed, "servicenow", table, "system")
    frame = frame.with_columns(_system_fields(rng, frame.height, table, now))
    made = []
    for name in TABLES[table].fields:
        column = pl.col(name) if name in frame.columns else pl.lit("")
        made.append(column.cast(pl.String).fill_null("").alias(name))
    # Without an order, rows come as stored: in no meaningful order.
    lying = pl.Series("_lying", rng.random(frame.height))
    return frame.select(*made, lying).sort("sys_id")


def _system_fields(
    rng: np.random.Generator, count: int, table: str, now: datetime
) -> list[pl.Series]:
    present = int(now.timestamp())
    created = present - rng.integers(2 * _DAY, 1500 * _DAY, count)
    updated = created + (rng.random(count) * (present - created)).astype(np.int64)
    fresh = portion(rng, count, FRESH)
    updated = np.where(fresh, present - rng.integers(60, 2 * _DAY, count), updated)
    night = present // _DAY * _DAY - rng.integers(0, 3, count) * _DAY + _IMPORT_HOUR
    imported = portion(rng, count, IMPORTED) & (night < present) & (night > created)
    updated = np.where(imported, night, updated)
    return [
        instants(created).alias("sys_created_on"),
        pick(rng, count, ("admin", "discovery", "system")).alias("sys_created_by"),
        instants(updated).alias("sys_updated_on"),
        pick(rng, count, ("admin", "system", "svc.discovery")).alias("sys_updated_by"),
        pl.Series("sys_mod_count", rng.poisson(6, count)),
        pl.repeat(table, count, eager=True).alias("sys_class_name"),
    ]
