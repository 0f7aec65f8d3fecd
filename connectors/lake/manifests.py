"""Reading and replacing manifests, in both layouts; what a manifest says is checked here.

A manifest of layout 1 counts until a tombstone has replaced it. Programs of earlier releases cannot
read the tombstone and stop, so that two programs never publish into two layouts.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from connectors.errors import StorageError
from connectors.lake.layout import CURRENT, DATASET, FIRST, MANIFEST, Layout
from connectors.lake.manifest import SNAPSHOT, Entry, Manifest
from connectors.lake.naming import RUN, SNAPSHOT_FILE, UNIT, WINDOW_PATH
from connectors.lake.stores import Store

MODES: Final = {SNAPSHOT, "window"}
MOVED: Final = "moved_to"
NOTE: Final = "this dataset has layout 2, see docs/lake.md: an older nxp cannot publish here"


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A dataset's manifest, the tag that is needed to replace it, and where it is or will be.

    It is `buried` if a tombstone keeps programs of earlier releases from publishing.
    """

    manifest: Manifest | None
    tag: str | None
    layout: Layout
    buried: bool = False


class Manifests:
    """The manifests of one tenant's part of the lake."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def names(self) -> list[str]:
        """Return the names of the datasets that have a manifest, or had one in layout 1."""
        old = [name for name in self._store.folders() if DATASET.fullmatch(name)]
        new = self._store.folders(CURRENT.manifests.rstrip("/"))
        found = {name for name in old if self._store.exists(FIRST.manifest(name))}
        found |= {
            name
            for name in new
            if DATASET.fullmatch(name) and self._store.exists(CURRENT.manifest(name))
        }
        return sorted(found)

    def has_first(self) -> bool:
        """Return whether any dataset of the lake is or was in layout 1."""
        return any(
            self._store.exists(f"{name}/{MANIFEST}")
            for name in self._store.folders()
            if DATASET.fullmatch(name)
        )

    def read(self, dataset: str) -> StoredManifest:
        """Return a dataset's manifest; without one, where the first will be.

        Raises:
            StorageError: it cannot be read, is damaged, or both layouts have one.
            UsageError: that is not the name of a dataset.
        """
        old = self._store.read(FIRST.manifest(dataset))
        if old is None:
            return self.current(dataset)
        if (moved := _moved_to(old[0])) is not None:
            found = self.current(dataset, buried=True)
            if moved and found.manifest is None:
                where = self._store.location(CURRENT.manifest(dataset))
                raise StorageError(
                    f"{where} is missing, though {dataset} has been migrated: restore the file"
                )
            return found
        manifest = self._parsed(old[0], dataset, FIRST)
        new = self.current(dataset).manifest
        if new and new.migrates is None:
            where = self._store.location(FIRST.place(dataset))
            raise StorageError(
                f"{dataset} has a manifest in both layouts: an older nxp has published into "
                f"{where}: stop it, move that folder away, and land those units again"
            )
        return StoredManifest(manifest, old[1], FIRST)

    def replace(self, dataset: str, manifest: Manifest, found: StoredManifest) -> None:
        """Write the next version of a manifest, if the one that was found is still there.

        Raises:
            Conflict: another version is there.
        """
        if found.manifest is None and not found.buried and self.has_first():
            # Programs of the last release may still run here, and must not begin a second one.
            self.bury(dataset, None, None)
        self._store.swap(found.layout.manifest(dataset), manifest.content(), found.tag)

    def bury(self, dataset: str, moved_to: str | None, tag: str | None) -> None:
        """Put a tombstone in the place of a dataset's manifest of layout 1.

        Raises:
            Conflict: another version than the one with that tag is there.
        """
        self._store.swap(FIRST.manifest(dataset), tombstone(moved_to), tag)

    def current(self, dataset: str, *, buried: bool = False) -> StoredManifest:
        """Return the manifest of layout 2, whether or not it counts yet."""
        found = self._store.read(CURRENT.manifest(dataset))
        if found is None:
            return StoredManifest(None, None, CURRENT, buried)
        return StoredManifest(self._parsed(found[0], dataset, CURRENT), found[1], CURRENT, buried)

    def _parsed(self, content: bytes, dataset: str, layout: Layout) -> Manifest:
        where = self._store.location(layout.manifest(dataset))
        try:
            manifest = Manifest.model_validate_json(content)
        except ValidationError as error:
            raise StorageError(f"cannot read {where}: {type(error).__name__}") from None
        if manifest.layout > CURRENT.version:
            raise StorageError(f"{where} is from a newer nxp: upgrade this one")
        if reason := next(_problems(manifest, dataset, layout), None):
            raise StorageError(
                f"cannot read {where}: {reason}; nothing was changed: restore the file, or move "
                f"the dataset away and land it again"
            )
        return manifest


def tombstone(moved_to: str | None) -> bytes:
    """Return what takes the place of a manifest of layout 1, for datasets that begin in layout 2.

    Programs of earlier releases need `dataset` and `mode` in it, and refuse it.
    """
    return json.dumps({"layout": CURRENT.version, MOVED: moved_to, "note": NOTE}, indent=1).encode()


def _moved_to(content: bytes) -> str | None:
    """Return where a tombstone says the manifest is ("": nowhere yet), None if it is not one."""
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(read, dict) or MOVED not in read or "entries" in read:
        return None
    return str(read[MOVED] or "")


def _problems(manifest: Manifest, dataset: str, layout: Layout) -> Iterator[str]:
    """Yield what keeps a manifest from being used; nothing that it says is part of the text."""
    if manifest.layout != layout.version:
        yield "it belongs to another layout"
    if manifest.dataset != dataset:
        yield "it belongs to another dataset"
    if manifest.mode not in MODES:
        yield "its mode is neither window nor snapshot"
    named = set[str]()
    for number, entry in enumerate(manifest.entries, 1):
        if not UNIT.fullmatch(entry.unit) or not RUN.fullmatch(entry.run_id):
            yield f"the unit or run of entry {number} is not a name"
        if entry.starts_at > entry.ends_at:
            yield f"entry {number} ends before it starts"
        form = SNAPSHOT_FILE if manifest.mode == SNAPSHOT else WINDOW_PATH
        paths = [file.path for file in entry.files]
        if not all(form.fullmatch(path) for path in paths):
            yield f"entry {number} names a file that is not one of a dataset"
        if len(set(paths)) < len(paths) or not named.isdisjoint(paths):
            yield f"entry {number} names a file twice"
        named.update(paths)


def entry_files(manifest: Manifest, entry: Entry) -> list[str]:
    """Return the paths of a unit's files, relative to the tenant's part of the lake."""
    return [f"{manifest.folder}/{file.path}" for file in entry.files]
