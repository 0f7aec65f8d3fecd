"""The lake: plain Parquet folders, published atomically, with a manifest of what counts.

The SQL view of it is in connectors.lake.query, apart because it loads DuckDB.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connectors.lake.lake import Lake
from connectors.lake.manifest import Entry, Manifest, ManifestFile

if TYPE_CHECKING:
    from connectors.lake.stage import Budget, Stage, StagedFile, keep_rows

__all__ = [
    "Budget",
    "Entry",
    "Lake",
    "Manifest",
    "ManifestFile",
    "Stage",
    "StagedFile",
    "keep_rows",
]


def __getattr__(name: str) -> Any:
    # Staging loads pyarrow (0.2 s), which reading the lake with SQL does not need.
    if name not in {"Budget", "Stage", "StagedFile", "keep_rows"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("connectors.lake.stage"), name)
