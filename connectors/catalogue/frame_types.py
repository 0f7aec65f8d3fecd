"""The declared types as types of frames, and back: which results of an expression can land.

Imports Polars, so it is imported only by what works with frames.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from connectors.catalogue.columns import ColumnType

UTC_TIME: Final = pl.Datetime("us", "UTC")
FRAME_TYPES: Final[Mapping[ColumnType, pl.DataType]] = {
    ColumnType.STRING: pl.String(),
    ColumnType.INT: pl.Int64(),
    ColumnType.FLOAT: pl.Float64(),
    ColumnType.BOOL: pl.Boolean(),
    ColumnType.DATETIME: UTC_TIME,
    ColumnType.DATE: pl.Date(),
    ColumnType.BYTES: pl.Int64(),
    ColumnType.DURATION: pl.Float64(),
    ColumnType.LIST: pl.List(pl.String()),
    ColumnType.JSON: pl.String(),
}
# Every value of these fits the wider type.
_WHOLE: Final = (pl.Int64, pl.Int32, pl.Int16, pl.Int8, pl.UInt32, pl.UInt16, pl.UInt8)
_FRACTIONS: Final = (pl.Float64, pl.Float32)
_PLAIN: Final = {
    pl.String: ColumnType.STRING,
    pl.Boolean: ColumnType.BOOL,
    pl.Date: ColumnType.DATE,
}
# What to write instead of a type that no landing has.
_INSTEAD: Final = (
    (pl.Decimal, "CAST(… AS DOUBLE)"),
    (pl.Datetime, "CAST(… AS TIMESTAMP WITH TIME ZONE), which reads it as UTC"),
    (pl.List, "CAST(… AS VARCHAR[]) or ARRAY_TO_STRING(…, ',')"),
    (pl.UInt64, "CAST(… AS BIGINT)"),
    (pl.Int128, "CAST(… AS BIGINT)"),
)
# The same in Python, for what a transform returns.
_CAST: Final = (
    (pl.Decimal, ".cast(pl.Float64)"),
    (pl.Datetime, '.dt.replace_time_zone("UTC")'),
    (pl.List, ".cast(pl.List(pl.String))"),
    (pl.UInt64, ".cast(pl.Int64)"),
    (pl.Int128, ".cast(pl.Int64)"),
    (pl.Struct, ".struct.json_encode()"),
)


def column_type(kind: pl.DataType) -> ColumnType | None:
    """Return the declared type that values of a frame land as without loss; None if none does.

    An interval lands as `duration`, in seconds.
    """
    if kind in _WHOLE:
        return ColumnType.INT
    if kind in _FRACTIONS:
        return ColumnType.FLOAT
    if isinstance(kind, pl.Duration):
        return ColumnType.DURATION
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return ColumnType.DATETIME
    if kind == pl.List(pl.String):
        return ColumnType.LIST
    return _PLAIN.get(type(kind))


def refused_type(kind: pl.DataType, *, in_python: bool = False) -> str:
    """Return in words that a type cannot land, and what to write instead, in SQL or in Python."""
    known, text = (_CAST, ".cast(pl.String)") if in_python else (_INSTEAD, "CAST(… AS VARCHAR)")
    instead = next((words for each, words in known if isinstance(kind, each)), text)
    return f"its type {_named(kind)} cannot land: write {instead}"


def landed(values: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Return values of a type that can land in the type that they land with."""
    wanted = column_type(kind)
    if wanted is None:
        raise AssertionError(f"{kind} cannot land")
    if isinstance(kind, pl.Duration):
        microseconds = values.dt.total_microseconds()
        return microseconds / divisor(pl.lit(1_000_000), microseconds)
    return values if kind == FRAME_TYPES[wanted] else values.cast(FRAME_TYPES[wanted])


def divisor(constant: pl.Expr, of: pl.Expr) -> pl.Expr:
    """Return a constant number as a column that divides other numbers exactly.

    By a constant Polars multiplies with the reciprocal, so that 5 / 1000000 is
    4.9999999999999996e-06, but only in frames of more than one row.
    """
    # What is added is 0, and null where the number is null; Polars takes NaN for equal to NaN.
    return constant + of.ne(of).cast(pl.Int64)


def _named(kind: pl.DataType) -> str:
    if isinstance(kind, pl.Datetime):
        return "timestamp without a zone"
    return str(kind).lower().partition("(")[0]
