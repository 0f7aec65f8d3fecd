"""A lake in a folder: publishers exclude each other by a file lock, files move by rename."""

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from connectors.errors import HeldError, StorageError
from connectors.lake.storage import advice, storage_errors
from connectors.lake.stores.store import OLD, StoredFile

# A publish holds the lock for milliseconds; a whole minute means a stuck file system.
LOCK_SECONDS = 60
LOCK = "_manifest.lock"
# Where files are made, on the same file system.
STAGING = "_staging"
PRIVATE = 0o600
PRIVATE_FOLDER = 0o700


class LocalStore:
    """One tenant's part of a lake on a file system."""

    in_place = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sql_root = f"{folder}/"

    def location(self, path: str = "") -> str:
        """Return the path on the file system."""
        return str(self.folder / path)

    @contextmanager
    def exclusive(self, folder: str) -> Iterator[None]:
        """Hold the folder's lock; the system releases it on a kill."""
        place = self._own(f"{folder}/{LOCK}").parent
        with storage_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            lock = FileLock(place / LOCK, timeout=LOCK_SECONDS)
            try:
                lock.acquire()
            except Timeout:
                raise HeldError(f"{place} is being published by another run: try again") from None
        try:
            yield
        finally:
            lock.release()

    def read(self, path: str) -> tuple[bytes, str] | None:
        """Return a file's content; the tag is empty, since the lock takes its place."""
        try:
            return (self.folder / path).read_bytes(), ""
        except FileNotFoundError:
            return None
        except OSError as error:
            where = self.folder / path
            raise StorageError(f"cannot read {where}: {advice(error)}") from None

    def swap(self, path: str, content: bytes, tag: str | None) -> None:
        """Replace a file in one atomic and durable step. Call it under `exclusive`."""
        del tag
        target = self._own(path)
        new = target.with_name(f"{target.name}.new")
        with storage_errors(target.parent), _removed_on_failure(new):
            with new.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(target)
            _sync(target.parent)

    def bring_in(self, source: Path, path: str, *, private: bool = False) -> None:
        """Rename a finished file on the same file system into place."""
        target = self._own(path)
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if private:
                target.parent.chmod(PRIVATE_FOLDER)
                source.chmod(PRIVATE)
            source.replace(target)
            _sync(target.parent)
            _sync(target.parent.parent)

    def fetch(self, path: str, target: Path) -> Path | None:
        """Return the path of the file itself."""
        del target
        found = self.folder / path
        return found if found.is_file() else None

    def write(self, path: str, content: bytes, *, private: bool = False) -> None:
        """Write a file elsewhere and rename it into place: no reader meets a half, nor its name."""
        target = self._own(path)
        new = self._own(f"{STAGING}/{uuid.uuid4().hex}.new")
        with storage_errors(target), _removed_on_failure(new):
            new.parent.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            if private:
                target.parent.chmod(PRIVATE_FOLDER)
                new.touch(mode=PRIVATE)
            with new.open("wb") as file:
                file.write(content)
                file.flush()
                # It may replace a file that is whole.
                os.fsync(file.fileno())
            new.replace(target)

    def old_path(self, dataset: str, why: str, path: str) -> str:
        """Return a path by run: on a file system a name may have had several contents."""
        return f"{OLD}/{dataset}/{why}/{path}"

    def keep(self, path: str, old_path: str, *, durable: bool = False) -> None:
        """Link a file that is about to be replaced to a second name, so that it is not lost."""
        source, target = self._own(path), self._own(old_path)
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                os.link(source, target)
            except FileNotFoundError:
                return
            except OSError:
                # This file system has no links, or the target is on another one.
                _copy(source, target)
            if durable:
                for place in (target, target.parent, target.parent.parent):
                    _sync(place)

    def move(self, path: str, old_path: str) -> None:
        """Rename a file; its folder is removed if that leaves it empty."""
        source, target = self._own(path), self._own(old_path)
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                source.replace(target)
            _drop_empty(source.parent)

    def delete(self, paths: Iterable[str]) -> None:
        """Unlink files."""
        for path in paths:
            with storage_errors(self.folder / path):
                self._own(path).unlink(missing_ok=True)

    def tidy(self, folder: str) -> None:
        """Remove the empty folders below a folder, innermost first; of a dataset, partitions.

        The folder of layout 1 of a dataset named `data` holds all datasets of layout 2.
        """
        place = self._own(f"{folder}/{LOCK}").parent
        inner = place.rglob("*/") if folder.startswith(f"{OLD}/") else place.glob("*=*/")
        for path in sorted(inner, reverse=True):
            _drop_empty(path)

    def files(self, folder: str) -> list[StoredFile]:
        """Return all files below a folder.

        Raises:
            PermissionError: a folder below it may not be listed, and so would look empty.
        """
        found = []
        for path in sorted(_below(self.folder / folder)):
            # Another publisher may move files while we look.
            with suppress(FileNotFoundError):
                if path.is_file():
                    found.append(self._stored(path))
        return found

    def _own(self, path: str) -> Path:
        """Return the place of a path that is about to be changed.

        The lake's folder and the tenant's may be links. One below them could lead out of the lake,
        to files that are not ours to move or delete.

        Raises:
            StorageError: a folder on the way is a symbolic link, or the path leads out of the lake.
        """
        place = self.folder
        *folders, last = path.split("/")
        for name in folders:
            place /= name
            if name in {"", ".", ".."} or place.is_symlink():
                raise StorageError(
                    f"{place} is a link, or leads out of the lake: nothing is written, moved or "
                    "deleted there; put a folder in its place"
                )
        if last in {"", ".", ".."}:
            raise StorageError(f"{place} has no file of that name")
        return place / last

    def _stored(self, path: Path) -> StoredFile:
        stat = path.stat()
        # A rename or a new link changes ctime, but not mtime.
        at = datetime.fromtimestamp(max(stat.st_mtime, stat.st_ctime), UTC)
        return StoredFile(path.relative_to(self.folder).as_posix(), stat.st_size, at)

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders directly below a folder."""
        return sorted(path.name for path in (self.folder / folder).glob("*/"))

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        return (self.folder / path).is_file()

    def filesystem(self, readable: frozenset[str] | None) -> None:
        """Return None: DuckDB reads folders by itself."""


@contextmanager
def _removed_on_failure(new: Path) -> Iterator[None]:
    """Remove a half-written file on failure: on a full disk it would keep that space taken."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _copy(source: Path, target: Path) -> None:
    """Copy a file elsewhere and rename it into place, so that nobody meets half of it."""
    new = target.with_name(f"{target.name}.new")
    with _removed_on_failure(new):
        shutil.copyfile(source, new)
        new.replace(target)


def _below(folder: Path) -> Iterator[Path]:
    def forbidden(error: OSError) -> None:
        # Another publisher may remove folders while we look.
        if isinstance(error, PermissionError):
            raise error

    for place, _, names in os.walk(folder, onerror=forbidden):
        yield from (Path(place, name) for name in names)


def _drop_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _sync(place: Path) -> None:
    """Make a file durable, or the renames within a folder."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
