"""What a Parquet file says of its columns and of itself, next to names and types.

Readers that compare schemas ignore it, and so does the manifest's schema hash: files that say
different things of the same columns are one dataset.
"""

from typing import Final

import pyarrow as pa

from connectors.catalogue import Column, DatasetSpecification

KEY: Final = "nxp.key"
OF_COLUMNS: Final = ("description", "unit", "references", "sortable")
OF_FILES: Final = ("title", "description", "grain", "owner")
YES: Final = "true"


def field_metadata(column: Column) -> dict[str, str] | None:
    """Return what Parquet says of a column, by its keys in YAML; None for nothing."""
    said = {name: str(value) for name in OF_COLUMNS if (value := getattr(column, name))}
    if column.personal:
        said["personal"] = YES
    if column.key:
        said[KEY] = YES
    return said or None


def file_schema(schema: pa.Schema, specification: DatasetSpecification) -> pa.Schema:
    """Return a schema for files of a dataset: what is said of the dataset is in its metadata."""
    said = {name: value for name in OF_FILES if (value := getattr(specification, name))}
    return schema.with_metadata({**(schema.metadata or {}), **said} or None)
