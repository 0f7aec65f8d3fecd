"""Declared checks of a dataset: what must hold for a result before it is published."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from connectors.catalogue.specification import Duration, Specification


class Severity(StrEnum):
    """Whether a failed check blocks publication or is only reported."""

    BLOCK = "block"
    WARN = "warn"


class _Check(Specification):
    severity: Severity = Severity.BLOCK

    @property
    def named(self) -> tuple[str, ...]:
        """The landed columns that the check names."""
        return ()


class RowsCheck(_Check):
    """The number of rows is between `min` and `max`, both included."""

    check: Literal["rows"]
    min: int = Field(default=0, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError("max is below min")
        return self


class NotNullCheck(_Check):
    """At most `max_share` of the column's values are null."""

    check: Literal["not_null"]
    column: str
    max_share: float = Field(default=0, ge=0, le=1)

    @property
    def named(self) -> tuple[str, ...]:
        """The landed columns that the check names."""
        return (self.column,)


class UniqueCheck(_Check):
    """No two rows have the same values in the columns."""

    check: Literal["unique"]
    columns: tuple[str, ...] = Field(min_length=1)

    @property
    def named(self) -> tuple[str, ...]:
        """The landed columns that the check names."""
        return self.columns


class FreshCheck(_Check):
    """The newest value of a datetime column is at most `within` older than the export."""

    check: Literal["fresh"]
    column: str
    within: Duration

    @property
    def named(self) -> tuple[str, ...]:
        """The landed columns that the check names."""
        return (self.column,)


class AllowedCheck(_Check):
    """All non-null values are among the listed ones, compared as text."""

    check: Literal["allowed"]
    column: str
    values: tuple[str, ...] = Field(min_length=1)

    @property
    def named(self) -> tuple[str, ...]:
        """The landed columns that the check names."""
        return (self.column,)


Check = Annotated[
    RowsCheck | NotNullCheck | UniqueCheck | FreshCheck | AllowedCheck,
    Field(discriminator="check"),
]
