"""Opening a Parquet file of the lake by its path, in a folder or on object storage."""

import io

import pyarrow.parquet as pq

from connectors.lake.lake import Lake
from connectors.lake.stores.local import LocalStore


def open_parquet(lake: Lake, path: str) -> pq.ParquetFile:
    """Return one file, opened; from object storage it is first read completely.

    Raises:
        OSError: it is missing, or may not be read.
    """
    if isinstance(lake.store, LocalStore):
        return pq.ParquetFile(lake.folder / path)
    found = lake.store.read(path)
    if found is None:
        raise FileNotFoundError(path)
    return pq.ParquetFile(io.BytesIO(found[0]))
