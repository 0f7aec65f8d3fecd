"""Combines high-resolution samples into daily ones, as queries with a time frame in days return."""

from datetime import datetime

import polars as pl

from nql.kinds import Kind
from sandbox.model.kinds import TEXTUAL
from sandbox.model.tables import Table, TableColumn

# Everything that is not a level, a rate or a share adds up over the day. How a tenant computes
# the daily sample of each field is not published, so all of this is a guess.
_AVERAGED = frozenset(
    {
        "memory.avg", "real_memory", "incoming_throughput", "outgoing_throughput",
        "connection_establishment_time",
        "cpu_usage", "normalized_cpu_usage", "cpu_queue_length", "number_of_logical_processors",
        "cpu.frequency_ratio", "cpu.dpc_usage", "installed_memory", "used_memory", "free_memory",
        "memory_swap_rate", "memory_pressure", "system_drive_capacity", "system_drive_free_space",
        "system_drive_usage", "non_system_drive_capacity", "non_system_drive_free_space",
        "failed_connection_ratio", "wifi.signal_strength", "wifi.noise_level",
        "wifi.receive_rate", "wifi.transmission_rate",
    }
)  # fmt: skip


def to_daily(samples: pl.DataFrame, table: Table, start: datetime, end: datetime) -> pl.DataFrame:
    """Return one sample per day for each device, user and so on, dated at the start of the day."""
    prefix = f"{table.prefix}."
    links = [path for path in samples.columns if path.startswith("#")]
    own = [path for path in samples.columns if path.startswith(prefix)]
    grouped = samples.group_by(links, maintain_order=True).agg(
        _aggregate(table.columns[path], path.removeprefix(prefix), start, end) for path in own
    )
    return grouped.select(samples.columns)


def _aggregate(  # noqa: PLR0911 - one per rule
    of: TableColumn, name: str, start: datetime, end: datetime
) -> pl.Expr:
    column = pl.col(of.path)
    match name:
        case "start_time":
            return pl.lit(start, dtype=pl.Datetime("us", "UTC")).alias(of.path)
        case "end_time":
            return pl.lit(end, dtype=pl.Datetime("us", "UTC")).alias(of.path)
        case "bucket_duration":
            seconds = int((end - start).total_seconds())
            return pl.lit(seconds, dtype=pl.Int64).alias(of.path)
        case "highest_process_visibility":
            # foreground sorts after background and wins
            return column.max()
        case _ if of.kind in TEXTUAL:
            return column.first()
        case _ if name in _AVERAGED:
            mean = column.mean()
            return mean if of.kind is Kind.FLOAT or of.kind is Kind.DURATION else _whole(mean)
        case _:
            return pl.when(column.count() > 0).then(column.sum()).alias(of.path)


def _whole(mean: pl.Expr) -> pl.Expr:
    return mean.round(0).cast(pl.Int64)
