"""Columns that a dataset derives, as its YAML writes them: an expression, or one described."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from connectors.catalogue.columns import Column, ColumnType
from connectors.catalogue.descriptions import Described


class DerivedColumn(Described):
    """An expression of a derived column, and what is said of the column.

    Args:
        is: the expression, over the declared columns and the derived ones above it.
    """

    text: str = Field(alias="is")

    def landing_as(self, name: str, kind: ColumnType) -> Column:
        """Return the column that it lands as."""
        said = {each: getattr(self, each) for each in Described.model_fields}
        return Column(nql=self.text, name=name, type=kind, **said)


def _expression(value: Any) -> Any:
    """Return an expression alone as one that nothing is said of."""
    if isinstance(value, str):
        return {"is": value}
    if isinstance(value, dict | DerivedColumn):
        return value
    raise ValueError("must be a valid string, an expression, or {is: …, description: …}")


# `hours: uptime / 3600`, or `hours: {is: uptime / 3600, unit: hours}`.
DeriveSpecification = Annotated[
    DerivedColumn, BeforeValidator(_expression, json_schema_input_type=str | DerivedColumn)
]
