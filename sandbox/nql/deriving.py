"""The functions that derive a value from a date-time."""

from datetime import datetime

import polars as pl

# The fields of a metric within one sample; here a sample holds one value.
METRIC_PARTS = ("avg", "sum", "count", "min", "max")


def derived(column: pl.Expr, function: str, zone: str, now: datetime) -> pl.Expr:
    """Return the result of a function as a column."""
    if function == "count":
        # A sample stands for one measured value, or for none.
        return column.is_not_null().cast(pl.Int64)
    if function in METRIC_PARTS:
        return column
    if function == "time_elapsed":
        elapsed = pl.lit(now, dtype=pl.Datetime("us", "UTC")) - column
        return elapsed.dt.total_seconds().cast(pl.Float64)
    local = column.dt.convert_time_zone(zone).dt
    match function:
        case "hour":
            part = local.hour()
        case "day":
            # The day of the month: a guess.
            part = local.day()
        case _:
            # Monday is 1, as in ISO 8601: a guess.
            part = local.weekday()
    return part.cast(pl.Int64)
