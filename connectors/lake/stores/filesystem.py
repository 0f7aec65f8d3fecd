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
from connectors.lake.stores.store import OLD

# Column chunks are read in pieces; each piece is a request.
READ_AHEAD = 1 << 20


class Objects:
    """The objects that may be read: one value, since fsspec writes out what it is made with.

    An obstore for Azure that is configured by the environment panics when it is written out.
    """

    def __init__(
        self,
        store: S3Store | AzureStore,
        location: Callable[[str], str],
        readable: frozenset[str],
    ) -> None:
        self.store = store
        self.location = location
        self.readable = readable


class ReadOnlyFiles(AbstractFileSystem):  # type: ignore[misc] # fsspec is untyped
    """Opens objects of one tenant for DuckDB, and remembers why it could not.

    DuckDB shows an error from Python as a traceback within the text of its own: `failure` is ours.
    """

    protocol: ClassVar[str] = "nxplake"
    cachable = False

    def __init__(self, objects: Objects) -> None:
        super().__init__()
        self._objects = objects.store
        self._location = objects.location
        self._readable = objects.readable
        self.failure: PipelineError | FileNotFoundError | None = None

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Tell size and time of an object."""
        key = self._key(path)
        head = self._either(key, self._objects.head)
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
        return Reader(self, self._key(path))

    def _key(self, path: str) -> str:
        key: str = self._strip_protocol(path)
        if key not in self._readable:
            self.failure = UsageError(
                "SQL: only the views of the lake can be read: see nxp datasets"
            )
            raise self.failure
        return key

    def reader(self, key: str) -> Any:
        """Open an object."""
        return self._either(
            key, lambda at: obstore.open_reader(self._objects, at, buffer_size=READ_AHEAD)
        )

    def _either(self, key: str, ask: Callable[[str], Any]) -> Any:
        """Ask for an object; one that was replaced meanwhile is kept in `_old` for the grace."""
        try:
            return ask(key)
        except FileNotFoundError:
            return self.told(key, lambda: ask(f"{OLD}/{key}"))
        except (BaseError, ValueError, OSError) as error:
            raise self._remembered(refusal(error, self._location(key))) from None

    def told(self, key: str, ask: Callable[[], Any]) -> Any:
        """Ask the object store, and remember why it refused."""
        try:
            return ask()
        except FileNotFoundError:
            raise self._remembered(FileNotFoundError(self._location(key))) from None
        except (BaseError, ValueError, OSError) as error:
            raise self._remembered(refusal(error, self._location(key))) from None

    def _remembered(
        self, failure: PipelineError | FileNotFoundError
    ) -> PipelineError | FileNotFoundError:
        self.failure = failure
        return failure


class Reader:
    """One open object, as DuckDB uses it; one that moves while it is read is read on in `_old`."""

    def __init__(self, files: ReadOnlyFiles, key: str) -> None:
        self._files = files
        self._key = key
        self._reader = files.reader(key)

    def read(self, size: int = -1) -> bytes:
        """Read on from where we are."""
        place = self._reader.tell()
        try:
            return self._read(size)
        except FileNotFoundError:
            self._reader = self._files.reader(self._key)
            self._reader.seek(place)
            return bytes(self._files.told(self._key, lambda: self._read(size)))
        except (BaseError, ValueError, OSError):
            # Once more, to have the refusal told.
            return bytes(self._files.told(self._key, lambda: self._read(size)))

    def _read(self, size: int) -> bytes:
        return bytes(self._reader.read(size if size >= 0 else None))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        """Say where we are."""
        return int(self._reader.tell())

    def seekable(self) -> bool:
        """Any place can be read."""
        return True

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._reader.close()
