"""Opening the store of a lake: the one place that knows both kinds."""

from pathlib import Path

from connectors.extras import require
from connectors.lake.stores.local import LocalStore
from connectors.lake.stores.store import Store, is_remote


def open_store(root: str, tenant: str) -> Store:
    """Return the store of one tenant's part of the lake at a folder or URL.

    Raises:
        StorageError: the environment configures the object storage in a way that makes no sense.
        ConfigurationError: the package for object storage is not installed.
    """
    if is_remote(root):
        require("obstore", "NXP_LAKE: a lake on object storage")
        from connectors.lake.stores.remote import open_remote  # noqa: PLC0415 - loads obstore

        return open_remote(f"{root.rstrip('/')}/{tenant}")
    return LocalStore(Path(root) / tenant)
