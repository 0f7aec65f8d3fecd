"""The manifest of one dataset: the exact list of the files that count."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import DataRefusedError, HeldError, StorageError

MANIFEST = "_manifest.json"
# A publish holds the lock for milliseconds; minutes mean a stuck file system.
LOCK_SECONDS = 60


class ManifestFile(BaseModel):
    """One Parquet file, its path relative to the dataset's folder."""

    model_config = ConfigDict(frozen=True)

    path: str
    rows: int
    bytes: int


class Entry(BaseModel):
    """One published unit (a window or a snapshot's slot) and its files; none when empty."""

    model_config = ConfigDict(frozen=True)

    unit: str
    starts_at: datetime
    ends_at: datetime
    run_id: str
    exported_at: datetime
    rows: int
    files: tuple[ManifestFile, ...]

    def overlaps(self, other: "Entry") -> bool:
        """Tell whether both cover some instant."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def covers(self, other: "Entry") -> bool:
        """Tell whether the other lies wholly within."""
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at


class Manifest(BaseModel):
    """What a reader of a dataset must read, in time order. `version` grows with every change."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    mode: str
    version: int = 0
    schema_hash: str = ""
    schema_columns: dict[str, str] = {}
    entries: tuple[Entry, ...] = ()

    def superseded_by(self, entry: Entry) -> list[Entry]:
        """Find the entries that this one replaces: the same unit, or ones wholly within it.

        Raises:
            DataRefusedError: an entry that overlaps only in part, which cannot be replaced whole.
        """
        if self.mode == "snapshot":
            return [known for known in self.entries if known.unit == entry.unit]
        found = [known for known in self.entries if known.overlaps(entry)]
        for known in found:
            if not entry.covers(known):
                raise DataRefusedError(
                    f"{self.dataset} {entry.unit} overlaps the landed window {known.unit} in part: "
                    "land a window that covers it whole"
                )
        return found

    def with_entry(
        self, entry: Entry, schema_hash: str, schema_columns: dict[str, str]
    ) -> "Manifest":
        """Give the next version, in which the entry stands for all that it supersedes."""
        gone = self.superseded_by(entry)
        kept = [known for known in self.entries if known not in gone]
        return self.model_copy(
            update={
                "version": self.version + 1,
                "schema_hash": schema_hash,
                "schema_columns": schema_columns,
                "entries": tuple(sorted([*kept, entry], key=lambda known: known.starts_at)),
            }
        )


def read_manifest(folder: Path) -> Manifest | None:
    """Read a dataset's manifest, None where nothing was published yet.

    Raises:
        StorageError: it cannot be read, or is damaged.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StorageError(f"cannot read {path}: {type(error).__name__}") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the dataset's manifest for a read-change-replace; released by the system on a kill."""
    try:
        with FileLock(folder / "_manifest.lock", timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise HeldError(f"{folder} is being published by another run: try again") from None


def replace_manifest(folder: Path, manifest: Manifest) -> None:
    """Put a new version in place, in one atomic and durable step. Call it under `locked`."""
    aside = folder / f"{MANIFEST}.new"
    with aside.open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(folder / MANIFEST)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make renames within a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
