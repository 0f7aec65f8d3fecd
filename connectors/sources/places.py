"""Where the files of a source are: a path or a pattern, in folders or in a bucket."""

import glob
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol, cast

import httpx

from connectors.errors import AccessError, DataRefusedError, StorageError, UnavailableError
from connectors.extras import require

logger = logging.getLogger(__name__)

MAGIC = re.compile(r"[*?]")
CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
# In the message of the client for object storage.
OBJECT = re.compile(r'ath "([^"]*)"')
NAMES_SHOWN = 5
# Column chunks and blocks are read in pieces; each piece is a request.
READ_AHEAD = 1 << 20
DENIED = ("401", "403")


class FileLocation(Protocol):
    """A path or a pattern; every error is a PipelineError that names the source."""

    def find(self) -> list[str]:
        """Return the paths of the files, in order.

        Raises:
            UnavailableError: there is none.
        """

    def open(self, path: str) -> Any:
        """Open one of the files for reading, as bytes."""


def open_place(source: str, path: str) -> FileLocation:
    """Open a place; reads nothing yet."""
    return Bucket(source, path) if "://" in path else Folders(source, path)


class Folders:
    """Files on this machine."""

    def __init__(self, source: str, pattern: str) -> None:
        self._source = source
        self._pattern = os.path.expanduser(pattern)  # noqa: PTH111 - a pattern is not a path

    def find(self) -> list[str]:
        """Return the paths of the files, in order."""
        pattern = self._pattern
        found = glob.glob(pattern, recursive=True) if MAGIC.search(pattern) else [pattern]  # noqa: PTH207 - absolute patterns
        if MAGIC.search(pattern):
            self._require_readable(pattern)
        files = sorted(path for path in found if os.path.isfile(path))  # noqa: PTH113 - likewise
        if MAGIC.search(pattern):
            # A folder of this name is not part of the data, and `**` also finds folders.
            _warn(self._source, [path for path in found if path not in set(files)], pattern)
        return files or _nothing(self._source, pattern)

    def _require_readable(self, pattern: str) -> None:
        """Require that all folders can be listed in which the pattern looks for files."""

        def refuse(error: OSError) -> None:
            if isinstance(error, PermissionError):
                raise AccessError(
                    f"source {self._source}: cannot list {safe_name(str(error.filename))}: allow "
                    "this user to read it, or name the folders to read"
                ) from None

        parts = pattern.split("/")
        for place, part in enumerate(parts):
            if not MAGIC.search(part):
                continue
            for folder in glob.glob("/".join(parts[:place]) or "/"):  # noqa: PTH207 - likewise
                for _ in os.walk(folder, onerror=refuse):
                    if part != "**":
                        break
            if part == "**":
                return

    def open(self, path: str) -> IO[bytes]:
        """Open a file."""
        try:
            return open(path, "rb")  # noqa: PTH123 - the reader closes it
        except FileNotFoundError:
            raise UnavailableError(
                f"source {self._source}: {path} was removed while the files were read: run again"
            ) from None
        except OSError as error:
            raise AccessError(
                f"source {self._source}: cannot read {path} ({type(error).__name__}): allow "
                "this user to read it"
            ) from None


class Bucket:
    """Objects of a bucket or container, configured by the AWS_* or AZURE_* variables."""

    def __init__(self, source: str, url: str) -> None:
        require("obstore", f"source {source}: object storage")
        from obstore.store import from_url  # noqa: PLC0415 - slow, and only for object storage

        from connectors.lake.stores.remote import CLIENT, RETRIES, TRUE  # noqa: PLC0415 - obstore, for buckets

        scheme, _, rest = url.partition("://")
        bucket, _, self._pattern = rest.partition("/")
        self._source = source
        self._root = f"{scheme}://{bucket}"
        client = CLIENT.copy()
        if os.environ.get(f"{_family(scheme)}_ALLOW_HTTP", "").lower() in TRUE:
            client["allow_http"] = True
        with self._explaining(url):
            store = from_url(self._root, client_options=client, retry_config=RETRIES)
        self._store = cast("Any", store)

    def find(self) -> list[str]:
        """Return the paths of the objects, in order."""
        if not MAGIC.search(self._pattern):
            return [self._pattern]
        folder = MAGIC.split(self._pattern, maxsplit=1)[0].rpartition("/")[0]
        matches = _matcher(self._pattern)
        matching: list[str] = []
        skipped: list[str] = []
        for key, size in self._listed(folder):
            if not _is_path(key):
                if matches.fullmatch(key):
                    raise DataRefusedError(
                        f"source {self._source}: {safe_name(key)} matches the pattern, but is not "
                        "the path of an object that can be read: rename it"
                    )
                skipped.append(key)
            elif matches.fullmatch(key):
                # Some programs mark folders by objects without content, whose key ends in a slash.
                (skipped if size == 0 and self._is_marker(key) else matching).append(key)
        _warn(self._source, skipped)
        return sorted(matching) or _nothing(self._source, f"{self._root}/{self._pattern}")

    def _listed(self, folder: str) -> list[tuple[str, int]]:
        """Return the keys and sizes of the objects in a folder and below it."""
        from obstore.exceptions import InvalidPathError  # noqa: PLC0415 - slow

        from connectors.sources.s3_listing import can_list, list_objects  # noqa: PLC0415 - httpx

        with self._explaining(self._pattern):
            try:
                listed = self._store.list(folder or None).collect()
                return [(meta["path"], meta["size"]) for meta in listed]
            except InvalidPathError as error:
                if not (self._root.startswith("s3:") and can_list()):
                    raise self._unlistable(error) from None
        prefix = f"{folder}/" if folder else ""
        try:
            found = list(list_objects(self._root.partition("://")[2], prefix))
        except (httpx.HTTPError, ValueError, SyntaxError):
            raise UnavailableError(
                f"source {self._source}: {self._root}/{self._pattern} cannot be listed: try again"
            ) from None
        return [(key, size) for key, size in found if not key.endswith("/")]

    def _unlistable(self, error: Exception) -> DataRefusedError:
        found = OBJECT.search(str(error))
        return DataRefusedError(
            f"source {self._source}: {self._root}/{self._pattern}: the object "
            f"{safe_name(found[1]) if found else ''} has a name that is not a path, so the folder "
            "cannot be listed: rename or remove it"
        )

    def _is_marker(self, key: str) -> bool:
        with self._explaining(key):
            try:
                self._store.head(key)
            except FileNotFoundError:
                return True
        return False

    def open(self, path: str) -> "_Object":
        """Open an object."""
        import obstore  # noqa: PLC0415 - slow, and only for object storage

        with self._explaining(path):
            reader = obstore.open_reader(self._store, path, buffer_size=READ_AHEAD)
        return _Object(self, reader, path)

    @contextmanager
    def explaining(self, path: str) -> Iterator[None]:
        """Raise what the object storage refuses as a PipelineError."""
        with self._explaining(path):
            yield

    @contextmanager
    def _explaining(self, path: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - slow

        from connectors.lake.stores.refusals import CODE, STATUS, refusal  # noqa: PLC0415 - obstore, for buckets

        where = path if "://" in path else f"{self._root}/{path}"
        try:
            yield
        except FileNotFoundError as error:
            if re.search(r"NoSuchBucket|ContainerNotFound", str(error)):
                raise StorageError(
                    f"source {self._source}: {where}: there is no such bucket or container"
                ) from None
            _nothing(self._source, where)
        except (BaseError, ValueError, OSError) as error:
            status = STATUS.search(str(error))
            if status and status[1] in DENIED:
                code = CODE.search(str(error))
                raise AccessError(
                    f"source {self._source}: {where}: access denied ({code[1] if code else '-'}): "
                    "give the credential the right to list and read there"
                ) from None
            raise refusal(error, f"source {self._source}: {where}") from None


class _Object:
    """One object as a file, with the methods that Arrow uses."""

    closed = False

    def __init__(self, bucket: Bucket, reader: Any, path: str) -> None:
        self._bucket = bucket
        self._reader = reader
        self.name = path

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        with self._bucket.explaining(self.name):
            return bytes(self._reader.read(size if size is not None and size >= 0 else None))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset."""
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        """Return the current offset."""
        return int(self._reader.tell())

    def size(self) -> int:
        """Return the size in bytes."""
        return int(self._reader.size)

    def readable(self) -> bool:
        """Return True: the object can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: any offset can be read."""
        return True

    def writable(self) -> bool:
        """Return False: the object cannot be written."""
        return False

    def flush(self) -> None:
        """Do nothing: nothing is ever written."""

    def close(self) -> None:
        """Drop what was read ahead."""
        self.closed = True
        self._reader.close()


def _nothing(source: str, where: str) -> Any:
    """Raise: a file that was not delivered is not the same as an empty one."""
    raise UnavailableError(
        f"source {source}: no file at {where}: correct the path, or try again once it is there"
    )


def _is_path(key: str) -> bool:
    """Return whether a key of a bucket is a path: others cannot be read."""
    return not CONTROL.search(key) and not {"", ".", ".."} & set(key.split("/"))


def safe_name(name: str) -> str:
    """Return a name that any log can show, whatever bytes a file's name has."""
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], shown)


def _warn(source: str, skipped: list[str], pattern: str = "") -> None:
    """Log what is not read: objects that are not files, and names that are not paths."""
    if pattern.endswith("**") or not skipped:
        return
    shown = ", ".join(safe_name(name) for name in sorted(skipped)[:NAMES_SHOWN])
    more = f" and {len(skipped) - NAMES_SHOWN:,} more" if len(skipped) > NAMES_SHOWN else ""
    logger.warning("source %s: skipped, as they are not files: %s%s", source, shown, more)


def _family(scheme: str) -> str:
    return "AWS" if scheme == "s3" else "AZURE"


def _matcher(pattern: str) -> re.Pattern[str]:
    """Compile a shell pattern: `*` stops at a slash, `**/` is any folders."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts))
