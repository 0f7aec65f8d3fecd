"""What a dataset says of itself, as comments on tables and columns of a database have it."""

from typing import Final

from connectors.catalogue.columns import Column
from connectors.catalogue.dataset import DatasetSpecification

# As much as MySQL keeps of a comment on a column.
LONGEST: Final = 1_024


def comment_of_table(specification: DatasetSpecification) -> str:
    """Return the comment on a dataset's table: title, description and grain; empty without any."""
    grain = specification.grain and f"Grain: {specification.grain}"
    parts = filter(None, (specification.title, specification.description, grain))
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts)


def comment_of_column(column: Column) -> str:
    """Return the comment on a column: what it means, and its unit; empty without any."""
    unit = f"[{column.unit}]" if column.unit else None
    return " ".join(filter(None, (column.description, unit)))[:LONGEST]
