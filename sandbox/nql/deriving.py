"""What the functions behind a date-time make of it."""

from datetime import datetime

import polars as pl


def derived(column: pl.Expr, function: str, zone: str, now: datetime) -> pl.Expr:
    """Return the result of a function, as a column of its own."""
    if function == "time_elapsed":
        elapsed = pl.lit(now, dtype=pl.Datetime("us", "UTC")) - column
        return elapsed.dt.total_seconds().cast(pl.Float64)
    local = column.dt.convert_time_zone(zone).dt
    match function:
        case "hour":
            part = local.hour()
        case "day":
            # Of the month: a guess.
            part = local.day()
        case _:
            # Monday is 1, as ISO has it: a guess.
            part = local.weekday()
    return part.cast(pl.Int64)
