"""What a dataset does to rows that fit their types: derive, then where, then transform."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from connectors.catalogue import Column, DatasetSpecification
from connectors.errors import DataRefusedError
from tasks.columns.derived import Computed, Derivation, derivation
from tasks.columns.transform import Transform

# Marks the rows that `where` lets land, on their way.
KEEP: Final = "_nxp_keep"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one dataset; at least one of them is there."""

    dataset: str
    derivation: Derivation | None
    transform: Transform | None

    def columns(self, of: Sequence[Column]) -> tuple[Column, ...]:
        """Return the columns that land if a result has these.

        Raises:
            DataRefusedError: the tenant sends an undeclared column under a derived name.
            ConfigurationError: the transform fails without rows.
        """
        derived = self.derivation.columns if self.derivation else ()
        names = {column.name for column in of}
        if twice := [column.name for column in derived if column.name in names]:
            raise DataRefusedError(
                f"{self.dataset}: the result has an undeclared column that lands as "
                f"{', '.join(twice)}, which the dataset derives: declare it under another name"
            )
        columns = (*of, *derived)
        return self.transform.columns(columns) if self.transform else columns

    def compute(self, rows: pl.DataFrame) -> Computed:
        """Return all rows with their derived columns, and what is wrong with which.

        Raises:
            DataRefusedError: an expression fails on too many rows.
        """
        if self.derivation is None:
            return Computed(rows, {}, None)
        computed = self.derivation.compute(rows)
        if computed.keep is None:
            return computed
        marked = computed.rows.with_columns(computed.keep.alias(KEEP))
        return Computed(marked, computed.problems, computed.keep)

    def choose(
        self,
        rows: pl.DataFrame,
        columns: Sequence[Column],
        within: tuple[datetime, datetime] | None,
    ) -> pl.DataFrame:
        """Return the rows that land, of computed ones that fit and lie in the window.

        Raises:
            DataRefusedError: the transform fails, or does what it may not.
        """
        if KEEP in rows.columns:
            rows = rows.filter(KEEP).drop(KEEP)
        return self.transform.apply(rows, columns, within) if self.transform else rows


def rules_of(specification: DatasetSpecification, transform: Transform | None) -> Rules | None:
    """Return the rules of a dataset, for one unit; None if it has none."""
    computing = derivation(specification)
    if computing is None and transform is None:
        return None
    return Rules(specification.dataset, computing, transform)


def landing_as(
    specification: DatasetSpecification, transform: Transform | None
) -> DatasetSpecification:
    """Return a dataset as its landings know it: with the columns that its transform returns.

    Raises:
        ConfigurationError: the transform fails without rows.
    """
    if transform is None:
        return specification
    return specification.landing(transform.columns(specification.known_columns))
