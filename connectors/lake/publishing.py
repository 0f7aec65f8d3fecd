"""Making one unit's files the ones that count: files first, the manifest last.

In a folder, publishers exclude each other by a lock. A file that replaces the only file of the
same unit takes over its name in one rename, so that even a plain glob is exact. If a unit has
several files, the new ones are put next to the old ones under names of their own, the manifest
decides in one step, and the old ones are moved to `_old` afterwards.

On object storage nobody can be excluded, so every file gets a name that is never used again, and
the manifest is replaced only if it is still the version read before the first upload. The second
publisher of the same unit finds it published and gives up; a publisher of another unit just tries
again. What a killed publish left is listed before the manifest is replaced and removed afterwards:
a file on that list belongs to nobody, or to a publisher that has now come second.
"""

import hashlib
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors.errors import HeldError, PipelineError, StorageError, UnavailableError
from connectors.lake.layout import CURRENT, Layout
from connectors.lake.manifest import Entry, Manifest, ManifestFile, check_same_mode
from connectors.lake.manifests import Manifests
from connectors.lake.naming import is_within, partitions, targets_apart, targets_in_place
from connectors.lake.stores import Store

if TYPE_CHECKING:
    from connectors.lake.stage import StagedFile

logger = logging.getLogger(__name__)


class Publication:
    """One publish in progress: `decide` may be called again, each time with a newer manifest."""

    def __init__(
        self,
        store: Store,
        dataset: str,
        mode: str,
        entry: Entry,
        staged: Sequence["StagedFile"],
        columns: Mapping[str, str],
        why: str | None = None,
        *,
        apart: bool = False,
    ) -> None:
        self.entry = entry
        self._why = why or entry.run_id
        self._store = store
        self._manifests = Manifests(store)
        self._dataset = dataset
        self._mode = mode
        self._in_place = store.in_place and not apart
        self._staged = staged
        self._columns = dict(columns)
        self._seen: set[tuple[str, str]] | None = None
        self._layout: Layout | None = None
        self._gone: list[str] = []
        self._stale: list[str] = []
        self._targets: list[str] = []
        self._decided = False

    def decide(self, manifest: Manifest | None) -> Manifest:
        """Return the new manifest; the first call also brings the files in.

        If the dataset was migrated after an earlier call, they are brought in to the new place.

        Raises:
            DataRefusedError: another mode, or a window that overlaps part of another.
            HeldError: another run has published the unit since the first call.
        """
        base = manifest or Manifest(dataset=self._dataset, mode=self._mode, layout=CURRENT.version)
        check_same_mode(base, self._mode)
        superseded = base.superseded_by(self.entry)
        self._gone = [file.path for old in superseded for file in old.files]
        found = {(old.unit, old.run_id) for old in superseded}
        if self._seen is not None and not found <= self._seen:
            raise HeldError(
                f"{self._dataset} {self.entry.unit} was published by another run in the meantime: "
                "its files stay, nothing was published by this one"
            )
        self._seen = found if self._seen is None else self._seen
        if self._layout is not base.places:
            if self._layout is not None:
                self._store.delete(self._in_lake(path) for path in self._targets)
            self._layout = base.places
            self._bring_in(base)
        digest = hashlib.sha256(repr(self._columns).encode()).hexdigest()[:16]
        self._decided = True
        return base.with_entry(self.entry, digest, self._columns)

    def is_done(self, manifest: Manifest | None) -> bool:
        """Return whether the manifest holds exactly this publication."""
        return bool(manifest and self._decided and self.entry in manifest.entries)

    def _bring_in(self, base: Manifest) -> None:
        self._stale = self._left_behind(base)
        if self._in_place:
            self._targets = targets_in_place(self.entry, self._staged, base, self._gone)
        else:
            token = uuid.uuid4().hex[:12]
            self._targets = targets_apart(self.entry, self._staged, base, token)
        for path in self._gone:
            self._store.keep(self._in_lake(path), self._old(path))
        files = []
        for file, target in zip(self._staged, self._targets, strict=True):
            self._store.bring_in(file.path, self._in_lake(target))
            files.append(ManifestFile(path=target, rows=file.rows, bytes=file.bytes))
        self.entry = self.entry.model_copy(update={"files": tuple(files)})

    def _left_behind(self, base: Manifest) -> list[str]:
        """Return files of killed publishes: within the unit's time, and in no manifest."""
        counted = base.paths()
        found = []
        for partition in partitions(self.entry, base):
            for file in self._store.files(self._in_lake(partition)):
                path = file.path.removeprefix(self._in_lake(""))
                if path not in counted and is_within(path, self.entry, self._mode):
                    found.append(path)
        return found

    def clear_away(self) -> None:
        """Move what no longer counts to `_old`. A failure here does not affect readers."""
        old = set(self._gone) - set(self._targets)
        stale = set(self._stale) - set(self._targets) - old
        try:
            self._store.delete(self._in_lake(path) for path in sorted(old))
            for path in sorted(stale):
                self._store.move(self._in_lake(path), self._old(path))
            self._store.tidy(self._in_lake("").rstrip("/"))
        except PipelineError as error:
            logger.warning(
                "%s %s is published; replaced files are left next to it until nxp maintain: %s",
                self._dataset,
                self.entry.unit,
                error,
            )

    @contextmanager
    def withdrawn_on_failure(self) -> Iterator[None]:
        """Remove the new files on a failure after which certainly no manifest will name them.

        Raises:
            PipelineError: the failure, raised again.
        """
        try:
            yield
        except UnavailableError:
            # The manifest may have been replaced: nxp maintain removes the files if it was not.
            raise
        except StorageError as error:
            self._withdraw()
            raise StorageError(_once(error)) from None
        except PipelineError:
            self._withdraw()
            raise

    def _withdraw(self) -> None:
        new = set(self._targets) - set(self._gone)
        if not new:
            return
        try:
            current = self._manifests.read(self._dataset).manifest
            if current and current.places is self._layout:
                new -= current.paths()
            self._store.delete(self._in_lake(path) for path in sorted(new))
        except PipelineError as error:
            kind = type(error).__name__
            logger.warning("new files of %s are left for nxp maintain: %s", self._dataset, kind)

    def _old(self, path: str) -> str:
        return self._store.old_path(self._in_lake("").rstrip("/"), self._why, path)

    def _in_lake(self, path: str) -> str:
        """Return a path, relative to the dataset's folder, as one of the tenant's lake."""
        if self._layout is None:
            raise AssertionError("files are brought in once a manifest has decided where to")
        return f"{self._layout.folder(self._dataset)}/{path}"


def _once(error: StorageError) -> str:
    note = "nothing was published"
    return error.message if note in error.message else f"{error.message}; {note}"
