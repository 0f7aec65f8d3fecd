"""The lake: plain Parquet folders, published atomically, with a manifest of what counts.

The SQL view of it is in connectors.lake.query, apart because it loads DuckDB.
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
