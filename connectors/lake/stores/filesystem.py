"""What DuckDB may read of a lake on object storage: exactly the named objects, read-only.

The paths have a scheme of their own (`nxplake://`) and no bucket, so that a statement cannot name
any other place. `NamedFiles` reads them by their URLs, for views that other programs use.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import obstore
from fsspec import AbstractFileSystem
from obstore.exceptions import BaseError
from obstore.store import AzureStore, S3Store

from connectors.errors import PipelineError, UsageError
from connectors.lake.stores.refusals import refusal
from connectors.lake.stores.store import OLD

# The parts of a pattern: folders at any depth, a piece of a name, one of some letters, one letter.
_PARTS = re.compile(r"\*\*/|\*|\?|\[[^]]*\]|.")
# Column chunks are read in pieces; each piece is a request.
READ_AHEAD = 1 << 20


class ReadableObjects:
    """The objects that may be read, as one value: fsspec calls repr() on its arguments.

    The repr() of an obstore for Azure that is configured by the environment panics.
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
    """Opens objects of one tenant for DuckDB, and keeps the reason for a failure.

    DuckDB shows an error from Python as a traceback within its own message; `failure` is the error
    itself.
    """

    protocol: str = "nxplake"
    cachable = False

    def __init__(self, objects: ReadableObjects) -> None:
        super().__init__()
        self._objects = objects.store
        self._location = objects.location
        self._readable = objects.readable
        self.failure: PipelineError | FileNotFoundError | None = None

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return size and time of an object."""
        key = self._key(path)
        head = self._either(key, self._objects.head)
        return {
            "name": key,
            "size": head["size"],
            "type": "file",
            "last_modified": head["last_modified"],
        }

    def modified(self, path: str) -> datetime:
        """Return when an object was written; one that a manifest names never changes."""
        at: datetime = self.info(path)["last_modified"]
        return at

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the path itself: what DuckDB reads is listed, not searched for."""
        self._key(path)
        return [path]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            self.failure = UsageError("nxp sql takes one SELECT statement: the lake is read-only")
            raise self.failure
        return ObjectReader(self, self._key(path))

    def _key(self, path: str) -> str:
        key: str = self._strip_protocol(path)
        if key not in self._readable:
            self.failure = UsageError(
                "SQL: only the views of the lake can be read: see nxp datasets"
            )
            raise self.failure
        return key

    def reader(self, key: str) -> Any:
        """Return an object, opened."""
        return self._either(
            key, lambda at: obstore.open_reader(self._objects, at, buffer_size=READ_AHEAD)
        )

    def _either(self, key: str, ask: Callable[[str], Any]) -> Any:
        """Request an object; one that has just been replaced is kept in `_old` for a while."""
        try:
            return ask(key)
        except FileNotFoundError:
            return self.request(key, lambda: ask(f"{OLD}/{key}"))
        except (BaseError, ValueError, OSError) as error:
            raise self._remembered(refusal(error, self._location(key))) from None

    def request(self, key: str, ask: Callable[[], Any]) -> Any:
        """Return the object store's answer; on a refusal raise its reason, and keep it."""
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


class NamedFiles(ReadOnlyFiles):
    """Opens a lake's objects by the URLs that other programs use, and finds those of a pattern.

    Args:
        objects: the lake's; which of them are readable is not looked at.
        listed: returns the paths of all objects whose paths begin with a folder.
    """

    def __init__(self, objects: ReadableObjects, listed: Callable[[str], list[str]]) -> None:
        super().__init__(objects)
        self._listed = listed
        # DuckDB asks for the file systems of a scheme.
        self.protocol = self._location("").partition(":")[0]

    def glob(self, path: str, **_: Any) -> list[str]:
        """Return the URLs that match a pattern of DuckDB's."""
        key = self._key(path)
        pattern = re.compile("".join(map(_as_expression, _PARTS.findall(key))))
        folder = re.split(r"[*?\[]", key)[0].rpartition("/")[0]
        return [self._location(each) for each in self._listed(folder) if pattern.fullmatch(each)]

    def _key(self, path: str) -> str:
        return path.removeprefix(f"{self._location('')}/")


def _as_expression(part: str) -> str:
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return known.get(part) or (part if part.startswith("[") else re.escape(part))


class ObjectReader:
    """One open object for DuckDB or pyarrow; if it is moved to `_old`, reading continues there."""

    def __init__(self, files: ReadOnlyFiles, key: str) -> None:
        self.closed = False
        self._files = files
        self._key = key
        self._reader = files.reader(key)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        place = self._reader.tell()
        try:
            return self._read(size)
        except FileNotFoundError:
            self._reader = self._files.reader(self._key)
            self._reader.seek(place)
            return bytes(self._files.request(self._key, lambda: self._read(size)))
        except (BaseError, ValueError, OSError):
            # Try once more: `request` turns the refusal into our own error.
            return bytes(self._files.request(self._key, lambda: self._read(size)))

    def _read(self, size: int) -> bytes:
        return bytes(self._reader.read(size if size >= 0 else None))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position and return it."""
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        """Return the position."""
        return int(self._reader.tell())

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return False."""
        return False

    def seekable(self) -> bool:
        """Return True: any position can be read."""
        return True

    def close(self) -> None:
        """Drop what was read ahead."""
        self.closed = True
        self._reader.close()
