"""The lake: plain Parquet folders, published atomically, with a manifest of what counts.

Its SQL views are in connectors.lake.query, a module of its own because it loads DuckDB.
"""

from connectors.lake.lake import Lake
from connectors.lake.manifest import Entry, Manifest, ManifestFile

__all__ = [
    "Entry",
    "Lake",
    "Manifest",
    "ManifestFile",
]
