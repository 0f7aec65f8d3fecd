"""The lake: plain Parquet folders, published atomically, with a manifest of what counts.

Its SQL views are in connectors.lake.query, a module of its own because it loads DuckDB.
"""

from connectors.lake.lake import Lake
from connectors.lake.manifest import Entry, Manifest, ManifestFile
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
