"""High-resolution samples to daily ones, as queries with a frame in days return them."""

from datetime import datetime

import polars as pl

from sandbox.model.tables import Table

_LINKS = ("#device", "#user", "#binary")
# Everything that is not a level or a rate adds up over the day.
_AVERAGED = frozenset(
    {
        "memory.avg",
        "real_memory",
        "incoming_throughput",
        "outgoing_throughput",
        "connection_establishment_time",
    }
)


def to_daily(samples: pl.DataFrame, table: Table, start: datetime, end: datetime) -> pl.DataFrame:
    """Return one sample for each device, user and binary; it stands at the day's first instant."""
    prefix = f"{table.prefix}."
    own = [path for path in samples.columns if path.startswith(prefix)]
    grouped = samples.group_by(_LINKS, maintain_order=True).agg(
        _aggregate(path, path.removeprefix(prefix), start, end) for path in own
    )
    return grouped.select(samples.columns)


def _aggregate(path: str, name: str, start: datetime, end: datetime) -> pl.Expr:
    column = pl.col(path)
    match name:
        case "start_time":
            return pl.lit(start, dtype=pl.Datetime("us", "UTC")).alias(path)
        case "end_time":
            return pl.lit(end, dtype=pl.Datetime("us", "UTC")).alias(path)
        case "bucket_duration":
            return pl.lit(int((end - start).total_seconds()), dtype=pl.Int64).alias(path)
        case "highest_process_visibility":
            # foreground sorts after background, and is the higher of the two
            return column.max()
        case _ if name in _AVERAGED:
            return _kept(column.mean(), name)
        case _:
            return pl.when(column.count() > 0).then(column.sum()).alias(path)


def _kept(mean: pl.Expr, name: str) -> pl.Expr:
    return mean.round(0).cast(pl.Int64) if name in ("memory.avg", "real_memory") else mean
