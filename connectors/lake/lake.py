"""One tenant's lake: its datasets and manifests, staging, publishing, dropping old units.

How a unit is published is in connectors.lake.publishing.
"""

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import HeldError, PipelineError, UnavailableError
from connectors.lake.layout import CURRENT, FIRST
from connectors.lake.manifest import Entry, Manifest, check_same_mode
from connectors.lake.manifests import Manifests
from connectors.lake.naming import RUN, RUNS, unit_name
from connectors.lake.publishing import Publication
from connectors.lake.storage import storage_errors
from connectors.lake.stores import Conflict, Store, is_remote, open_store
from connectors.lake.stores.local import STAGING, LocalStore

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.lake.stage import Budget, Stage, StagedFile

__all__ = ["Lake", "unit_name"]

# A failed try means that another publisher succeeded, which is common when there are many. But
# this many refusals in a row of a manifest that nobody has changed are a fault of the storage.
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
        self.manifests = Manifests(self.store)
        self._staging = scratch if is_remote(root) else Path(root) / tenant / STAGING

    @property
    def folder(self) -> Path:
        """The lake's folder; a lake on object storage has none."""
        if not isinstance(self.store, LocalStore):
            raise TypeError(f"{self.location()} is not a folder")
        return self.store.folder

    def data_folder(self, dataset: str) -> str:
        """Return the folder of a dataset's files, relative to the tenant's part of the lake.

        It moves when the dataset is migrated to another layout.
        """
        return self.manifests.read(dataset).layout.folder(dataset)

    def dataset_folder(self, dataset: str) -> Path:
        """Return the folder of a dataset's files, for a lake in a folder."""
        return self.folder / self.data_folder(dataset)

    def dataset_location(self, dataset: str) -> str:
        """Return the path or URL of a dataset's files; of the lake, if no dataset has that name."""
        try:
            return self.location(self.data_folder(dataset))
        except PipelineError:
            # Only shown in reports: what is wrong with it is another message.
            return self.location()

    def location(self, path: str = "") -> str:
        """Return the path or URL of the tenant's part of the lake, or of a path in it."""
        return self.store.location(path)

    def datasets(self) -> list[str]:
        """Return the names of the datasets that have published units."""
        return self.manifests.names()

    def manifest(self, dataset: str) -> Manifest | None:
        """Return a dataset's manifest, None if nothing was published yet.

        Raises:
            StorageError: it cannot be read, or is damaged.
            UsageError: that is not the name of a dataset.
        """
        return self.manifests.read(dataset).manifest

    def has_reports(self) -> bool:
        """Return whether any run has left its report here."""
        return bool(self.store.folders(RUNS))

    def check_mode(self, dataset: str, mode: str) -> Manifest | None:
        """Return a dataset's manifest; raise unless it was landed in the same mode.

        Raises:
            DataRefusedError: the modes differ: a dataset holds either windows or snapshots.
        """
        manifest = self.manifest(dataset)
        if manifest:
            check_same_mode(manifest, mode)
        return manifest

    def check_writable(self) -> None:
        """Raise unless files can be staged; called before any request to the tenant.

        Raises:
            StorageError: they cannot; the message says where, and what to do.
        """
        if self._staging is not None:
            with storage_errors(self._staging):
                self._staging.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self._staging).close()

    @contextmanager
    def exclusive(self, dataset: str) -> Iterator[None]:
        """Keep other publishers of a dataset out, as far as the place can do that.

        Programs of the last release have their lock in the dataset's folder of layout 1.
        """
        with ExitStack() as held:
            held.enter_context(self.store.exclusive(CURRENT.place(dataset)))
            if self.store.in_place and self.manifests.has_first():
                held.enter_context(self.store.exclusive(FIRST.place(dataset)))
            yield

    def stage(
        self,
        dataset: str,
        run_id: str,
        unit: str,
        schema: "pa.Schema",
        budget: "Budget | None" = None,
    ) -> "Stage":
        """Return a stage for one unit's files: on the lake's own file system, or locally."""
        if self._staging is None:
            raise AssertionError("a lake on object storage is published from a scratch folder")
        from connectors.lake.stage import Stage  # noqa: PLC0415 - pyarrow, not for reading

        return Stage(self._staging / run_id / f"{dataset}-{unit}", schema, budget)

    @property
    def staging(self) -> Path | None:
        """The folder in which each run stages files, in a folder with its id; None without one."""
        return self._staging

    def discard_stage(self, run_id: str) -> None:
        """Remove what a run staged and did not publish."""
        if self._staging is not None and RUN.fullmatch(run_id):
            shutil.rmtree(self._staging / run_id, ignore_errors=True)

    def publish(
        self,
        dataset: str,
        mode: str,
        entry: Entry,
        staged: Sequence["StagedFile"],
        schema: "pa.Schema",
        *,
        columns: Mapping[str, str] | None = None,
        why: str | None = None,
        apart: bool = False,
    ) -> Entry:
        """Make a unit's staged files the ones that count; return the entry with its files.

        A kill at any moment leaves either the old unit or the new one, never a mixture.

        Args:
            dataset: its name.
            mode: window or snapshot.
            entry: the unit, without files.
            staged: its files.
            schema: of these files.
            columns: the dataset's columns and types from now on, if other than the files'.
            why: the folder in `_old` for files that are replaced, if other than the unit's run.
            apart: never replace a file under its own name, as for a lake in a bucket.

        Raises:
            DataRefusedError: the unit overlaps part of another landed window.
            HeldError: another run published the unit since this one began; its files stay.
            StorageError: the lake cannot be written; nothing was published.
            UnavailableError: the object storage cannot be reached.
        """
        columns = columns or {field.name: str(field.type) for field in schema}
        publication = Publication(
            self.store, dataset, mode, entry, staged, columns, why, apart=apart
        )
        with self.exclusive(dataset), publication.withdrawn_on_failure():
            self.change(dataset, publication.decide, publication.is_done)
            publication.clear_away()
        return publication.entry

    def change(
        self,
        dataset: str,
        decide: Callable[[Manifest | None], Manifest | None],
        is_done: Callable[[Manifest | None], bool] = lambda _: False,
    ) -> None:
        """Replace a manifest with what `decide` makes of it, if it is still the version it saw.

        Call it within `exclusive`. If another publisher came first, the manifest is read and
        decided on again; `is_done` then recognizes a change of our own whose answer was lost.

        Raises:
            HeldError: others came first every time.
        """
        refusals, seen, longest = 0, None, 0.02
        for attempt in range(TRIES):
            found = self.manifests.read(dataset)
            if attempt and is_done(found.manifest):
                return
            refusals, seen = (refusals + 1 if found.tag == seen else 0), found.tag
            if refusals == REFUSALS:
                break
            changed = decide(found.manifest)
            if changed is None:
                return
            try:
                self.manifests.replace(dataset, changed, found)
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
        """Drop all units that ended before an instant; return how many rows they had.

        The newest snapshot is never dropped. The manifest is changed first, then the files are
        moved to `_old`.

        Raises:
            HeldError, StorageError, UnavailableError: the lake cannot be changed.
        """
        return sum(entry.rows for entry in self.dropped_before(dataset, instant, dry_run=dry_run))

    def dropped_before(
        self, dataset: str, instant: datetime, *, dry_run: bool = False
    ) -> tuple[Entry, ...]:
        """Do what drop_before does; return the units."""
        dropped: tuple[Entry, ...] = ()
        folder = ""

        def decide(manifest: Manifest | None) -> Manifest | None:
            nonlocal dropped, folder
            folder = manifest.folder if manifest else ""
            dropped = manifest.ended_by(instant) if manifest else ()
            return manifest.without(dropped) if manifest and dropped else None

        def is_done(manifest: Manifest | None) -> bool:
            return bool(manifest and dropped and not set(dropped) & set(manifest.entries))

        if dry_run:
            decide(self.manifest(dataset))
            return dropped
        with self.exclusive(dataset):
            self.change(dataset, decide, is_done)
            self.move_to_old(folder, DROPPED, [f.path for e in dropped for f in e.files])
        return dropped

    def move_to_old(self, folder: str, why: str, paths: Iterable[str]) -> None:
        """Move files of a dataset's folder to `_old`, where they are kept for a while."""
        for path in paths:
            self.store.move(f"{folder}/{path}", self.store.old_path(folder, why, path))
