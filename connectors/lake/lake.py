"""One tenant's lake: its datasets and manifests, staging, publishing, dropping what is old.

How a unit becomes the one that counts is in connectors.lake.publishing.
"""

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from connectors.errors import HeldError, StorageError, UnavailableError
from connectors.lake.manifest import MANIFEST, Entry, Manifest, check_same_mode
from connectors.lake.naming import unit_name
from connectors.lake.publishing import Publication
from connectors.lake.storage import storage_errors
from connectors.lake.stores import Conflict, Store, is_remote, open_store
from connectors.lake.stores.local import LocalStore

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.lake.stage import Budget, Stage, StagedFile

__all__ = ["Lake", "unit_name"]

# A failed try means that somebody else succeeded, and with many publishers that is often. But so
# many refusals of what nobody has changed are no accident.
TRIES = 300
REFUSALS = 20
LONGEST_PAUSE_SECONDS = 1.0
DROPPED = "dropped"


class Lake:
    """One tenant's part of the lake, `<lake>/<tenant>/`, in a folder or on object storage.

    Args:
        root: a folder, or a URL (`s3://bucket/prefix`, `az://container/prefix`).
        tenant: the tenant's name.
        scratch: a local folder in which files for object storage are staged.
    """

    def __init__(self, root: str, tenant: str, scratch: Path | None = None) -> None:
        self.store: Store = open_store(root, tenant)
        self._staging = scratch if is_remote(root) else Path(root) / tenant / "_staging"

    @property
    def folder(self) -> Path:
        """The folder of a lake that lies in one; on object storage there is none."""
        if not isinstance(self.store, LocalStore):
            raise TypeError(f"{self.location()} is no folder")
        return self.store.folder

    def dataset_folder(self, dataset: str) -> Path:
        """Where a dataset's files and manifest are, for a lake in a folder."""
        return self.folder / dataset

    def location(self, dataset: str = "") -> str:
        """Say where the lake, or one dataset of it, is: a path or a URL."""
        return self.store.location(dataset)

    def datasets(self) -> list[str]:
        """Name the datasets that have something published."""
        return [
            name
            for name in self.store.folders()
            if not name.startswith("_") and self.store.exists(f"{name}/{MANIFEST}")
        ]

    def manifest(self, dataset: str) -> Manifest | None:
        """Read a dataset's manifest, None where nothing was published yet."""
        return self.tagged_manifest(dataset)[0]

    def tagged_manifest(self, dataset: str) -> tuple[Manifest | None, str | None]:
        """Read a dataset's manifest and the tag to replace it by.

        Raises:
            StorageError: it cannot be read, or is damaged.
        """
        path = f"{dataset}/{MANIFEST}"
        found = self.store.read(path)
        if found is None:
            return None, None
        try:
            return Manifest.model_validate_json(found[0]), found[1]
        except ValidationError as error:
            where = self.store.location(path)
            raise StorageError(f"cannot read {where}: {type(error).__name__}") from None

    def check_mode(self, dataset: str, mode: str) -> Manifest | None:
        """Read a dataset's manifest, and make sure that it was landed in the same mode.

        Raises:
            DataRefusedError: windows and snapshots cannot stand in one dataset.
        """
        manifest = self.manifest(dataset)
        if manifest:
            check_same_mode(manifest, mode)
        return manifest

    def check_writable(self) -> None:
        """Make sure that files can be staged, before anything is asked of a tenant.

        Raises:
            StorageError: they cannot; says where, and what to do.
        """
        if self._staging is not None:
            with storage_errors(self._staging):
                self._staging.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self._staging).close()

    def stage(
        self,
        dataset: str,
        run_id: str,
        unit: str,
        schema: "pa.Schema",
        budget: "Budget | None" = None,
    ) -> "Stage":
        """Open a place aside for one unit's files: on the lake's own file system, or locally."""
        if self._staging is None:
            raise AssertionError("a lake on object storage is published from a scratch folder")
        from connectors.lake.stage import Stage  # noqa: PLC0415 - pyarrow, not for reading

        return Stage(self._staging / run_id / f"{dataset}-{unit}", schema, budget)

    def discard_stage(self, run_id: str) -> None:
        """Remove what a run has staged and not published."""
        if self._staging is not None:
            shutil.rmtree(self._staging / run_id, ignore_errors=True)

    def publish(
        self,
        dataset: str,
        mode: str,
        entry: Entry,
        staged: Sequence["StagedFile"],
        schema: "pa.Schema",
    ) -> Entry:
        """Make a unit's staged files the ones that count; returns the entry with its files.

        A kill at any moment leaves the unit as it was or as it is now, never a mixture.

        Raises:
            DataRefusedError: the unit overlaps another landed window in part.
            HeldError: another run published the unit meanwhile; what it published stays.
            StorageError: the lake cannot be written; nothing was published.
            UnavailableError: the object storage is out of reach.
        """
        publication = Publication(self.store, dataset, mode, entry, staged, schema)
        with self.store.exclusive(dataset), publication.withdrawn_on_failure():
            self.change(dataset, publication.decide, publication.is_done)
            publication.clear_away()
        return publication.entry

    def change(
        self,
        dataset: str,
        decide: Callable[[Manifest | None], Manifest | None],
        is_done: Callable[[Manifest | None], bool] = lambda _: False,
    ) -> None:
        """Replace a manifest by what `decide` makes of it, against the very version it saw.

        Call it within `store.exclusive`. When another publisher came first, it is read and decided
        anew; `is_done` then tells a change of our own whose answer was lost.

        Raises:
            HeldError: others came first every time.
        """
        refusals, seen, longest = 0, None, 0.02
        for attempt in range(TRIES):
            manifest, tag = self.tagged_manifest(dataset)
            if attempt and is_done(manifest):
                return
            refusals, seen = (refusals + 1 if tag == seen else 0), tag
            if refusals == REFUSALS:
                break
            changed = decide(manifest)
            if changed is None:
                return
            content = changed.model_dump_json(indent=1).encode()
            try:
                self.store.swap(f"{dataset}/{MANIFEST}", content, tag)
            except Conflict:
                time.sleep(random.uniform(0, longest))
                longest = min(LONGEST_PAUSE_SECONDS, 2 * longest)
            except UnavailableError:
                # The answer was lost; the change may have been made.
                if is_done(self.manifest(dataset)):
                    return
                raise
            else:
                return
        raise HeldError(f"{dataset} is being published by many runs at once: try again")

    def drop_before(self, dataset: str, instant: datetime, *, dry_run: bool = False) -> int:
        """Drop all units that ended before an instant; returns their rows.

        The newest snapshot is never dropped. Files move to `_old`, the manifest goes first.

        Raises:
            HeldError, StorageError, UnavailableError: the lake cannot be changed.
        """
        return sum(entry.rows for entry in self.dropped_before(dataset, instant, dry_run=dry_run))

    def dropped_before(
        self, dataset: str, instant: datetime, *, dry_run: bool = False
    ) -> tuple[Entry, ...]:
        """Do what drop_before does; returns the units."""
        dropped: tuple[Entry, ...] = ()

        def decide(manifest: Manifest | None) -> Manifest | None:
            nonlocal dropped
            dropped = manifest.ended_by(instant) if manifest else ()
            return manifest.without(dropped) if manifest and dropped else None

        def is_done(manifest: Manifest | None) -> bool:
            return bool(manifest and dropped and not set(dropped) & set(manifest.entries))

        if dry_run:
            decide(self.manifest(dataset))
            return dropped
        with self.store.exclusive(dataset):
            self.change(dataset, decide, is_done)
            self.move_aside(dataset, DROPPED, [f.path for e in dropped for f in e.files])
        return dropped

    def move_aside(self, dataset: str, why: str, paths: Iterable[str]) -> None:
        """Move files that count no more to `_old`, where they are kept for a while."""
        for path in paths:
            self.store.move(f"{dataset}/{path}", self.store.aside(dataset, why, path))
