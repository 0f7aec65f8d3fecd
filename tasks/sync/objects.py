"""Rows of a plan as objects to send: one row per object, a typed column per field."""

from typing import Final

import polars as pl

from connectors.errors import DataRefusedError
from connectors.nexthink.encoding import ObjectLayout
from connectors.nexthink.fields import FieldError, FieldKind, WritableField, check_field
from tasks.sync.wanted import EMPTY

IDENTITY: Final = "identity"
# The columns of a plan. `before` is what Nexthink has acknowledged, null if nothing.
PLANNED: Final = {
    "key": pl.String,
    IDENTITY: pl.String,
    "field": pl.String,
    "before": pl.String,
    "after": pl.String,
    "action": pl.String,
}


def field_of(name: str) -> WritableField:
    """Return the field of a name in a plan: it was checked when the plan was made."""
    return check_field(name.partition("/")[0], name)


def as_objects(
    rows: pl.DataFrame, identification: str, domain: str
) -> tuple[pl.DataFrame, ObjectLayout]:
    """Return a plan's rows as a frame for `push_batches`, and the meaning of its columns.

    Args:
        rows: identity, field and after; each field of an object once. `after` "" empties it.
        identification: the API's name of the identifying field.
        domain: what the tenant records as the source.

    Raises:
        DataRefusedError: a value that its field does not accept, or two values for one field.
    """
    if rows.select(pl.struct(IDENTITY, "field").is_duplicated().any()).item():
        raise DataRefusedError("the plan gives a field of an object two values: plan again")
    wide = rows.select(IDENTITY, "field", "after").pivot(
        on="field", index=IDENTITY, values="after", maintain_order=True
    )
    names = [name for name in wide.columns if name != IDENTITY]
    typed = wide.with_columns(_typed(wide[name], field_of(name)) for name in names)
    return typed, ObjectLayout(identification, IDENTITY, {name: name for name in names}, domain)


def _typed(values: pl.Series, field: WritableField) -> pl.Series:
    if (values == EMPTY).any():
        try:
            values = values.replace(EMPTY, str(field.clearing))
        except FieldError as error:
            raise DataRefusedError(f"the plan empties {error}: plan again") from None
    if field.kind is not FieldKind.NUMBER:
        return values
    numbers = values.cast(pl.Int64, strict=False)
    if numbers.null_count() > values.null_count():
        raise DataRefusedError(f"the plan has values of {field.name} that are not numbers")
    return numbers
