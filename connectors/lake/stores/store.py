"""What a lake asks of the place that it lies in."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

SCHEMES = ("s3", "az")
OLD = "_old"


class Conflict(Exception):  # noqa: N818 - not an error: the caller reads again and decides anew
    """Somebody else has replaced the file since it was read."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file, its path relative to the tenant's part of the lake.

    `modified_at` is when it came to this path, also where it was moved there.
    """

    path: str
    bytes: int
    modified_at: datetime


class Store(Protocol):
    """One tenant's part of a lake. All paths are relative to it, with `/` in between.

    Every method raises StorageError, naming the place and the remedy, when the place refuses, and
    UnavailableError when it cannot be reached, so that the outcome of a change is not known.
    """

    # Whether the only file of a unit is replaced under its own name. Only where publishers exclude
    # each other: otherwise two of them could write one name and the manifest mean the other's file.
    in_place: bool
    # How DuckDB names the files: this and the path.
    sql_root: str

    def location(self, path: str = "") -> str:
        """Say where a path is, for people."""

    def exclusive(self, folder: str) -> AbstractContextManager[None]:
        """Keep other publishers of a folder out for a while, where the place can do that."""

    def read(self, path: str) -> tuple[bytes, str] | None:
        """Read a small file and the tag of its version; None where there is none."""

    def swap(self, path: str, content: bytes, tag: str | None) -> None:
        """Replace the version of that tag (None: there is none yet), in one durable step.

        Raises:
            Conflict: another version is there.
        """

    def bring_in(self, source: Path, path: str, *, private: bool = False) -> None:
        """Put a finished local file in place, whole and durable; it may then be gone locally.

        A private one is for its owner only, where the place knows owners.
        """

    def fetch(self, path: str, target: Path) -> Path | None:
        """Give a file as a local one: itself, or a copy at `target`; None where there is none."""

    def write(self, path: str, content: bytes, *, private: bool = False) -> None:
        """Write a small file whole, for its owner only where the place knows owners."""

    def aside(self, dataset: str, why: str, path: str) -> str:
        """Name the place in `_old` for a dataset's file that counts no more."""

    def keep(self, path: str, aside: str) -> None:
        """Give a file a second path; one that is not there is left out."""

    def move(self, path: str, aside: str) -> None:
        """Give a file another path; one that is not there is left out."""

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are gone already are none the worse."""

    def tidy(self, folder: str) -> None:
        """Remove empty folders below a folder, where the place has folders."""

    def files(self, folder: str) -> list[StoredFile]:
        """List all files below a folder, by path."""

    def folders(self, folder: str = "") -> list[str]:
        """Name the folders directly below a folder."""

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file."""

    def filesystem(self, readable: frozenset[str]) -> Any | None:
        """Give DuckDB a way to read these paths; None where it has its own."""


def is_remote(root: str) -> bool:
    """Tell a URL of object storage from a folder."""
    return root.partition("://")[0] in SCHEMES
