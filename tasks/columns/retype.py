"""Landed values as another type: exactly, or counted as unfit. Text is read like a new export."""

import json
from typing import Final

import polars as pl
import pyarrow as pa

from connectors.catalogue import Column
from tasks.columns.cast import ARROW_TYPES, POLARS_TYPES, cast, failed

# Beyond this, a float does not say which whole number it stands for.
_EXACT: Final = 2**53


def has_type(column: Column, landed: pa.DataType) -> bool:
    """Return whether a landed type is the declared one, by whatever name its lists have inside."""
    declared = ARROW_TYPES[column.type]
    if pa.types.is_list(declared) and pa.types.is_list(landed):
        return bool(landed.value_type == declared.value_type)
    return bool(landed == declared)


def retyped(values: pl.Series, column: Column, zone: str) -> tuple[pl.Series, int]:
    """Return landed values in a column's declared type, and how many of them do not fit.

    Those are null then. Also counted are values that become null where the column may not be.
    """
    typed, unfit = _converted(values, column, zone)
    unfit_count = int(unfit.sum())
    if not column.nullable or column.key:
        unfit_count += int((typed.is_null() & ~unfit & values.is_not_null()).sum())
    return typed.alias(values.name), unfit_count


def _converted(values: pl.Series, column: Column, zone: str) -> tuple[pl.Series, pl.Series]:
    wanted = POLARS_TYPES[column.type]
    if values.dtype == wanted:
        return values, values.is_null() & False
    if values.dtype == pl.String:
        typed = cast(values, column.type, zone).values
        return typed, failed(values, typed)
    if wanted == pl.String:
        typed = _as_text(values)
    elif values.dtype == pl.Int64 and wanted == pl.Float64:
        typed = values.cast(wanted)
        typed = typed.set(values.abs() > _EXACT, None)
    elif values.dtype == pl.Float64 and wanted == pl.Int64:
        whole = (values.floor() == values) & (values.abs() <= _EXACT)
        typed = values.set(~whole.fill_null(value=False), None).cast(wanted)
    else:
        typed = pl.Series(values.name, [None] * len(values), wanted)
    return typed, typed.is_null() & values.is_not_null()


def _as_text(values: pl.Series) -> pl.Series:
    """Return values as the text that a new export would have, as far as the type still says it."""
    if isinstance(values.dtype, pl.List):
        found = [None if each is None else json.dumps(each.to_list()) for each in values]
        return pl.Series(values.name, found, pl.String)
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return values.cast(pl.String)
