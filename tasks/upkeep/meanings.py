"""What is known of a column by its header: its meaning, its unit, whether it is about a person."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from connectors.catalogue import ColumnType, Described, Sortable
from nql.kinds import Kind
from nql.vocabulary.notes import is_personal
from nql.vocabulary.tables import TABLES, Field

NUMBERS: Final = frozenset(
    {ColumnType.INT, ColumnType.FLOAT, ColumnType.BYTES, ColumnType.DURATION}
)


def said_of(header: str, kind: ColumnType, known: Mapping[str, Described]) -> Described:
    """Return what a proposed column can say of itself.

    Args:
        header: as the tenant writes it.
        kind: the proposed type: only numbers have a unit, only text has an order of its own.
        known: columns of other datasets that are described, by header.
    """
    other, field = known.get(header, Described()), _fields().get(header)
    unit = other.unit or (field.unit if field else None)
    is_version = other.sortable or (field is not None and field.kind is Kind.VERSION)
    return Described(
        description=other.description,
        unit=(unit or None) if kind in NUMBERS else None,
        references=other.references,
        personal=other.personal or is_personal(header),
        sortable=Sortable.VERSION if is_version and kind is ColumnType.STRING else None,
    )


@cache
def _fields() -> Mapping[str, Field]:
    """Return all fields of the vocabulary, by their full names."""
    return {path: field for table in TABLES.values() for path, field in table.fields.items()}
