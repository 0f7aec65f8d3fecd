"""Publishing into the lake, one unit at a time: files first, the manifest last.

A file that replaces the only file of the same unit takes its name in one rename, so that even a
plain glob is exact. Where a unit has several files the new ones stand beside the old ones under
names of their own, the manifest decides in one step, and the old ones move aside afterwards.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from connectors.errors import DataRefusedError
from connectors.lake.manifest import (
    Entry,
    Manifest,
    ManifestFile,
    locked,
    read_manifest,
    replace_manifest,
    sync_folder,
)
from connectors.lake.stage import Stage, StagedFile
from connectors.lake.storage import storage_errors

COMPACT = "%Y%m%dT%H%M%SZ"
WINDOW_FILE = re.compile(r"(\d{8}T\d{6}Z)-(\d{8}T\d{6}Z)(\.v\d+)?\.parquet")


def unit_name(starts_at: datetime, ends_at: datetime | None = None) -> str:
    """Name a window (`…Z-…Z`) or, without an end, a snapshot's slot."""
    start = f"{starts_at.astimezone(UTC):{COMPACT}}"
    return start if ends_at is None else f"{start}-{ends_at.astimezone(UTC):{COMPACT}}"


class Lake:
    """One tenant's part of the lake, `<lake>/<tenant>/`, on a file system."""

    def __init__(self, root: str, tenant: str) -> None:
        self.folder = Path(root) / tenant

    def datasets(self) -> list[str]:
        """Name the datasets that have something published."""
        return sorted(path.parent.name for path in self.folder.glob("*/_manifest.json"))

    def dataset_folder(self, dataset: str) -> Path:
        """Where a dataset's files and manifest are."""
        return self.folder / dataset

    def manifest(self, dataset: str) -> Manifest | None:
        """Read a dataset's manifest, None where nothing was published yet."""
        return read_manifest(self.dataset_folder(dataset))

    def check_mode(self, dataset: str, mode: str) -> Manifest | None:
        """Read a dataset's manifest, and make sure that it was landed in the same mode.

        Raises:
            DataRefusedError: windows and snapshots cannot stand in one dataset.
        """
        manifest = self.manifest(dataset)
        if manifest and manifest.mode != mode:
            raise DataRefusedError(
                f"{dataset} has landed as {manifest.mode} and cannot go on as {mode}: "
                "give it another name, or move its folder away"
            )
        return manifest

    def stage(self, dataset: str, run_id: str, unit: str, schema: pa.Schema) -> Stage:
        """Open a place aside, on the lake's own file system, for one unit's files."""
        return Stage(self.folder / "_staging" / run_id / f"{dataset}-{unit}", schema)

    def discard_stage(self, run_id: str) -> None:
        """Remove what a run has staged and not published."""
        shutil.rmtree(self.folder / "_staging" / run_id, ignore_errors=True)

    def publish(
        self,
        dataset: str,
        mode: str,
        entry: Entry,
        staged: Sequence[StagedFile],
        schema: pa.Schema,
    ) -> Entry:
        """Make a unit's staged files the ones that count; returns the entry with its files.

        A kill at any moment leaves the unit as it was or as it is now, never a mixture.

        Raises:
            DataRefusedError: the unit overlaps another landed window in part.
            StorageError: the lake cannot be written.
        """
        folder = self.dataset_folder(dataset)
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder):
                manifest = self.check_mode(dataset, mode) or Manifest(dataset=dataset, mode=mode)
                gone = [file.path for old in manifest.superseded_by(entry) for file in old.files]
                targets = _targets(entry, staged, mode, gone, manifest.version + 1)
                self._keep_aside(dataset, entry, set(gone) & set(targets))
                _move_in(folder, staged, targets)
                files = tuple(
                    ManifestFile(path=target, rows=file.rows, bytes=file.bytes)
                    for file, target in zip(staged, targets, strict=True)
                )
                entry = entry.model_copy(update={"files": files})
                columns = {field.name: str(field.type) for field in schema}
                digest = hashlib.sha256(repr(columns).encode()).hexdigest()[:16]
                replace_manifest(folder, manifest.with_entry(entry, digest, columns))
                if mode == "window":
                    gone += _left_behind(folder, entry)
                self._move_aside(dataset, entry, set(gone) - set(targets))
        return entry

    def _aside(self, dataset: str, entry: Entry, path: str) -> Path:
        aside = self.folder / "_old" / dataset / entry.run_id / path
        aside.parent.mkdir(parents=True, exist_ok=True)
        return aside

    def _keep_aside(self, dataset: str, entry: Entry, paths: Iterable[str]) -> None:
        """Give a file that is about to be replaced a second name, so that it is not lost."""
        for path in paths:
            aside = self._aside(dataset, entry, path)
            aside.unlink(missing_ok=True)
            try:
                os.link(self.dataset_folder(dataset) / path, aside)
            except FileNotFoundError:
                continue
            except OSError:
                shutil.copyfile(self.dataset_folder(dataset) / path, aside)

    def _move_aside(self, dataset: str, entry: Entry, paths: Iterable[str]) -> None:
        for path in paths:
            source = self.dataset_folder(dataset) / path
            if source.exists():
                source.replace(self._aside(dataset, entry, path))


def _targets(
    entry: Entry, staged: Sequence[StagedFile], mode: str, gone: Sequence[str], version: int
) -> list[str]:
    if mode == "snapshot":
        return [f"snapshot={entry.unit}/data.parquet" for _ in staged]
    plain = [f"{file.partition}/{entry.unit}.parquet" for file in staged]
    in_place = len(plain) == 1 and list(gone) == plain
    if in_place or not any(entry.unit in path for path in gone):
        return plain
    # Never a name that an older version had: a reader may still be on its way through that one.
    return [f"{file.partition}/{entry.unit}.v{version}.parquet" for file in staged]


def _move_in(folder: Path, staged: Sequence[StagedFile], targets: Sequence[str]) -> None:
    for file, target in zip(staged, targets, strict=True):
        path = folder / target
        path.parent.mkdir(exist_ok=True)
        file.path.replace(path)
        sync_folder(path.parent)
    sync_folder(folder)


def _left_behind(folder: Path, entry: Entry) -> list[str]:
    """Find files of a killed publish: within the entry's time, and in no manifest."""
    counted = {file.path for file in entry.files}
    day = entry.starts_at.astimezone(UTC).date()
    found = []
    while datetime(day.year, day.month, day.day, tzinfo=UTC) < entry.ends_at:
        for path in (folder / f"date={day}").glob("*.parquet"):
            name = f"{path.parent.name}/{path.name}"
            if name not in counted and _is_within(path.name, entry):
                found.append(name)
        day += timedelta(days=1)
    return found


def _is_within(file: str, entry: Entry) -> bool:
    match = WINDOW_FILE.fullmatch(file)
    if not match:
        return False
    start, end = (datetime.strptime(match[i], COMPACT).replace(tzinfo=UTC) for i in (1, 2))
    return entry.starts_at <= start and end <= entry.ends_at
