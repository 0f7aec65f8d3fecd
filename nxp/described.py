"""What a dataset of the catalogue says of itself and its columns, as commands print it."""

from dataclasses import dataclass

from connectors.catalogue import Column, DatasetSpecification


@dataclass(frozen=True, slots=True)
class ColumnShown:
    """A column as it lands; `nql` is the tenant's header, or the expression of a derived one."""

    name: str
    type: str
    unit: str | None
    key: bool
    nullable: bool
    personal: bool
    references: str | None
    sortable: str | None
    description: str | None
    nql: str
    derived: bool


@dataclass(frozen=True, slots=True)
class DatasetDescribed:
    """What a dataset is, and its columns; with the NAME of a dataset and --columns."""

    dataset: str
    title: str | None
    description: str | None
    grain: str | None
    owner: str | None
    tags: list[str]
    topic: str | None
    columns: list[ColumnShown]


def described(
    specification: DatasetSpecification, columns: tuple[Column, ...] | None = None
) -> DatasetDescribed:
    """Return what a dataset says of itself.

    Args:
        specification: the dataset.
        columns: what lands, if a transform decides that; by default the columns that it declares
            and derives.
    """
    declared = {column.name for column in specification.columns}
    return DatasetDescribed(
        specification.dataset,
        specification.title,
        specification.description,
        specification.grain,
        specification.owner,
        list(specification.tags),
        specification.topic,
        [_shown(each, declared) for each in columns or specification.known_columns],
    )


def _shown(column: Column, declared: set[str]) -> ColumnShown:
    return ColumnShown(
        column.name,
        str(column.type),
        column.unit,
        column.key,
        column.nullable and not column.key,
        column.personal,
        column.references,
        column.sortable and str(column.sortable),
        column.description,
        column.nql,
        column.name not in declared,
    )
