"""What DuckDB may read of a lake on object storage: exactly the named objects, read-only.

The paths have a scheme of their own (`nxplake://`) and hold no bucket, so that a statement has no
words for any other place.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import obstore
from fsspec import AbstractFileSystem
from obstore.exceptions import BaseError
from obstore.store import AzureStore, S3Store

from connectors.errors import PipelineError, UsageError
from connectors.lake.stores.refusals import refusal

# Column chunks are read in pieces; each piece is a request.
READ_AHEAD = 1 << 20


class ReadOnlyFiles(AbstractFileSystem):  # type: ignore[misc] # fsspec is untyped
    """Opens objects of one tenant for DuckDB, and remembers why it could not.

    DuckDB shows an error from Python as a traceback within the text of its own: `failure` is ours.
    """

    protocol: ClassVar[str] = "nxplake"
    cachable = False

    def __init__(
        self,
        store: S3Store | AzureStore,
        location: Callable[[str], str],
        readable: frozenset[str],
    ) -> None:
        super().__init__()
        self._objects = store
        self._location = location
        self._readable = readable
        self.failure: PipelineError | FileNotFoundError | None = None

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Tell size and time of an object."""
        key = self._key(path)
        head = self._told(key, lambda: self._objects.head(key))
        return {
            "name": key,
            "size": head["size"],
            "type": "file",
            "last_modified": head["last_modified"],
        }

    def modified(self, path: str) -> datetime:
        """Tell when an object came; one that is named in a manifest never changes."""
        at: datetime = self.info(path)["last_modified"]
        return at

    def glob(self, path: str, **_: Any) -> list[str]:
        """Find the path itself: what DuckDB is to read is listed, not searched."""
        self._key(path)
        return [path]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            self.failure = UsageError("nxp sql takes one SELECT statement: the lake is read-only")
            raise self.failure
        key = self._key(path)
        return self._told(
            key, lambda: obstore.open_reader(self._objects, key, buffer_size=READ_AHEAD)
        )

    def _key(self, path: str) -> str:
        key: str = self._strip_protocol(path)
        if key not in self._readable:
            self.failure = UsageError(
                "SQL: only the views of the lake can be read: see nxp datasets"
            )
            raise self.failure
        return key

    def _told(self, key: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except FileNotFoundError:
            self.failure = FileNotFoundError(self._location(key))
            raise self.failure from None
        except (BaseError, ValueError) as error:
            self.failure = refusal(error, self._location(key))
            raise self.failure from None
