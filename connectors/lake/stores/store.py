"""What a lake needs from the place where its files are."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

SCHEMES = ("s3", "az")
OLD = "_old"


class Conflict(Exception):  # noqa: N818 - not an error: the caller reads and decides again
    """Another publisher has replaced the file since it was read."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file, its path relative to the tenant's part of the lake.

    `modified_at` is when it was written or moved to this path.
    """

    path: str
    bytes: int
    modified_at: datetime


class Store(Protocol):
    """One tenant's part of a lake. All paths are relative to it and use `/`.

    Every method raises StorageError, with the place and the remedy, if the place refuses, and
    UnavailableError if it cannot be reached; the outcome of a change is then unknown.
    """

    # Whether the only file of a unit is replaced under its own name. That needs publishers that
    # exclude each other: otherwise two could write the same name, and the manifest of one would
    # name the file of the other.
    in_place: bool
    # DuckDB names a file by this, followed by its path.
    sql_root: str

    def location(self, path: str = "") -> str:
        """Return where a path is, for people to read."""

    def exclusive(self, folder: str) -> AbstractContextManager[None]:
        """Keep other publishers of a folder out in the meantime, if the place can do that."""

    def read(self, path: str) -> tuple[bytes, str] | None:
        """Return a small file and the tag of its version, None if there is no such file."""

    def swap(self, path: str, content: bytes, tag: str | None) -> None:
        """Replace the version with that tag (None: there is none yet), in one durable step.

        Raises:
            Conflict: another version is there.
        """

    def bring_in(self, source: Path, path: str, *, private: bool = False) -> None:
        """Put a finished local file in place, whole and durable; the local one may be moved.

        A private file is for its owner only, if the place knows owners.
        """

    def fetch(self, path: str, target: Path) -> Path | None:
        """Return a local path of a file: its own, or a copy at `target`; None if there is none."""

    def write(self, path: str, content: bytes, *, private: bool = False) -> None:
        """Write a small file whole; a private one for its owner only, if the place knows owners."""

    def old_path(self, dataset: str, why: str, path: str) -> str:
        """Return the path in `_old` for a dataset's file that no longer counts."""

    def keep(self, path: str, old_path: str, *, durable: bool = False) -> None:
        """Copy or link a file to a second path; a missing file is ignored.

        If it is to be durable, the second path survives a loss of power from now on.
        """

    def move(self, path: str, old_path: str) -> None:
        """Move a file to another path; a missing file is ignored."""

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; missing ones are ignored."""

    def tidy(self, folder: str) -> None:
        """Remove empty folders below a folder, if the place has folders."""

    def files(self, folder: str) -> list[StoredFile]:
        """Return all files below a folder, ordered by path."""

    def folders(self, folder: str = "") -> list[str]:
        """Return the names of the folders directly below a folder."""

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""

    def filesystem(self, readable: frozenset[str] | None) -> Any | None:
        """Return a file system for DuckDB to read these paths with; None if it needs none.

        Without paths, it reads all objects by what `location` returns for them.
        """


def is_remote(root: str) -> bool:
    """Return whether a lake's root is a URL of object storage, and not a folder."""
    return root.partition("://")[0] in SCHEMES
