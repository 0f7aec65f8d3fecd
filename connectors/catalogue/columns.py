"""Columns, declared and derived: where they come from, and the name and type they land with."""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from connectors.catalogue.descriptions import Described

RESERVED = re.compile(r"date|snapshot|_nxp_.*")
LANDED_NAME = re.compile(r"[a-z0-9_]+")
_WORD = re.compile(r"\w+")


class ColumnType(StrEnum):
    """The landed types; `bytes` and `duration` are numbers (bytes, seconds), `list` is of text."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATETIME = "datetime"
    DATE = "date"
    BYTES = "bytes"
    DURATION = "duration"
    LIST = "list"
    JSON = "json"


class Column(Described):
    """One declared column: the header that the tenant sends, and how it lands.

    Args:
        nql: the header as the tenant writes it, a full path such as device.operating_system.name.
        name: as it lands; by default the header in lower case, other characters as one _.
        type: what its values are; one that does not fit rejects its row.
        nullable: if false, a row without a value is rejected, and so is a result without the
            column.
        key: whether it is one of the columns that tell rows apart.
    """

    nql: str = Field(min_length=1)
    name: str = ""
    type: ColumnType = ColumnType.STRING
    nullable: bool = True
    key: bool = False

    @model_validator(mode="after")
    def _landed(self) -> Self:
        object.__setattr__(self, "name", self.name or landed_name(self.nql))
        if not LANDED_NAME.fullmatch(self.name) or RESERVED.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: only a-z, 0-9 and _, and not a reserved name")
        if self.sortable and self.type is not ColumnType.STRING:
            raise ValueError(
                f"sortable: {self.sortable} is for text, and {self.name} is {self.type}"
            )
        return self


def private_columns(columns: Iterable[Column], also: Collection[str] = ()) -> set[str]:
    """Return the names of personal columns, and those that are derived from one.

    Args:
        columns: of a dataset, derived ones after those that they are made of.
        also: names of columns that count as personal.
    """
    private: set[str] = set()
    for each in columns:
        # A derived column has its expression here; a declared one has its header, without these.
        if each.personal or each.name in also or private & set(_WORD.findall(each.nql)):
            private.add(each.name)
    return private


def landed_name(header: str) -> str:
    """Return a header as a landed name: lower case, each run outside [a-z0-9_] one underscore."""
    return re.sub(r"[^a-z0-9_]+", "_", header.lower())


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
