"""Rows of a plan as objects to send: one row per object, a typed column per field."""

from typing import Final

import polars as pl

from connectors.errors import DataRefusedError
from connectors.nexthink.encoding import Layout
from connectors.nexthink.fields import Field, FieldError, Kind, check_field
from tasks.sync.wanted import EMPTY

IDENTITY: Final = "identity"
# As a plan has them. `before` is what Nexthink has acknowledged, null where that is nothing.
PLANNED: Final = {
    "key": pl.String,
    IDENTITY: pl.String,
    "field": pl.String,
    "before": pl.String,
    "after": pl.String,
    "action": pl.String,
}


def field_of(name: str) -> Field:
    """Give the field of a name as it stands in a plan: it was checked when the plan was made."""
    return check_field(name.partition("/")[0], name)


def as_objects(rows: pl.DataFrame, identification: str, domain: str) -> tuple[pl.DataFrame, Layout]:
    """Make a frame for `push_batches` of a plan's rows, and say what its columns mean.

    Args:
        rows: identity, field and after; each field of an object once. `after` "" empties it.
        identification: the API's name of what identifies an object.
        domain: what the tenant notes as the source.

    Raises:
        DataRefusedError: a value that its field does not take, or one too many of an object.
    """
    if rows.select(pl.struct(IDENTITY, "field").is_duplicated().any()).item():
        raise DataRefusedError("the plan gives a field of an object two values: plan anew")
    wide = rows.select(IDENTITY, "field", "after").pivot(
        on="field", index=IDENTITY, values="after", maintain_order=True
    )
    names = [name for name in wide.columns if name != IDENTITY]
    typed = wide.with_columns(_typed(wide[name], field_of(name)) for name in names)
    return typed, Layout(identification, IDENTITY, {name: name for name in names}, domain)


def _typed(values: pl.Series, field: Field) -> pl.Series:
    if (values == EMPTY).any():
        try:
            values = values.replace(EMPTY, str(field.clearing))
        except FieldError as error:
            raise DataRefusedError(f"the plan empties {error}: plan anew") from None
    if field.kind is not Kind.NUMBER:
        return values
    numbers = values.cast(pl.Int64, strict=False)
    if numbers.null_count() > values.null_count():
        raise DataRefusedError(f"the plan has values of {field.name} that are no numbers")
    return numbers
