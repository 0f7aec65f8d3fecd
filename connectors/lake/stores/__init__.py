"""Where a lake's files are: a folder, or a prefix of a bucket. One protocol, two implementations.

The implementation for object storage is imported only for a lake that is there.
"""

from connectors.lake.stores.opening import open_store
from connectors.lake.stores.store import OLD, Conflict, Store, StoredFile, is_remote

__all__ = ["OLD", "Conflict", "Store", "StoredFile", "is_remote", "open_store"]
