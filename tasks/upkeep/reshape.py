"""Converting landed rows to a specification that has changed since: exactly, or not at all.

Landed values are typed; the text they came from is gone. So a type may change only if the landed
value says everything that the text said.
"""

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from connectors.catalogue import Column, ColumnType
from connectors.errors import DataRefusedError
from tasks.columns.cast import POLARS_TYPES, cast, failed

# The only change that loses nothing: an integer is the same number as a float.
WIDENED = {(pl.Int64(), pl.Float64())}
OWN = ("_nxp_run_id", "_nxp_exported_at")


@dataclass(frozen=True, slots=True)
class RowShape:
    """The form that rows must have: the columns in order, and how they are written."""

    dataset: str
    unit: str
    columns: tuple[Column, ...]
    schema: pa.Schema
    zone: str

    def refuse(self, why: str) -> DataRefusedError:
        """Return the error that this unit cannot be replayed."""
        return DataRefusedError(
            f"{self.dataset} {self.unit}: {why}: export it again instead; nothing was published"
        )


def reshape(landed: pl.DataFrame, shape: RowShape) -> pl.DataFrame:
    """Convert rows as they landed to the present shape.

    Raises:
        DataRefusedError: a column is gone, is required but has nulls, or its values do not show
            what the text would be in the new type.
    """
    names = {column.name for column in shape.columns}
    if gone := [name for name in landed.columns if name not in names and name not in OWN]:
        raise shape.refuse(f"its landed rows have {', '.join(gone)}, which is no longer a column")
    values = [_column(landed, column, shape) for column in shape.columns]
    return pl.DataFrame([*values, *(landed[name] for name in OWN)])


def _column(landed: pl.DataFrame, column: Column, shape: RowShape) -> pl.Series:
    wanted = POLARS_TYPES[column.type]
    if column.name not in landed.columns:
        values = pl.Series(column.name, [None] * len(landed), wanted)
    else:
        values = _retype(landed[column.name], column, shape)
    if (not column.nullable or column.key) and values.null_count():
        raise shape.refuse(f"{column.name} is required now but null in landed rows")
    return values.alias(column.name)


def _retype(values: pl.Series, column: Column, shape: RowShape) -> pl.Series:
    wanted = POLARS_TYPES[column.type]
    if values.dtype == pl.String and column.type is not ColumnType.STRING:
        # Text landed as it came, so it can be read like a new export.
        typed = cast(values, column.type, shape.zone).values
        if failed(values, typed).any():
            raise shape.refuse(f"{column.name} is {column.type} now but landed rows do not fit")
        return typed
    if values.dtype == wanted:
        return values
    if (values.dtype, wanted) in WIDENED:
        return values.cast(wanted)
    raise shape.refuse(f"{column.name} has landed with a type other than {column.type}")
