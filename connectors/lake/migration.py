"""Bringing a dataset from layout 1 to layout 2; every row stays as it was written.

Files get second names in the new place first (links in a folder, copies in a bucket), then the new
manifest is written, then a tombstone replaces the old manifest, if that is still the one that was
read. This one step decides: before it the old manifest counts, after it the new one. The old names
move to `_old` last. A kill at any step leaves one of the two, whole, and the next migration
finishes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connectors.errors import HeldError, StorageError, UnavailableError
from connectors.lake.lake import Lake
from connectors.lake.layout import CURRENT, FIRST
from connectors.lake.manifest import SNAPSHOT, Entry, Manifest
from connectors.lake.manifests import StoredManifest
from connectors.lake.naming import is_data
from connectors.lake.stores import Conflict

TRIES: Final = 20
WHY: Final = "layout-1"
MIDDAY: Final = timedelta(hours=12)
DAY: Final = timedelta(days=1)
MIGRATED: Final = "migrated"
CURRENT_ALREADY: Final = "has layout 2"
NOTHING: Final = "nothing has landed"


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration of one dataset did, or would do."""

    dataset: str
    state: str
    units: int = 0
    files: int = 0
    bytes: int = 0


def pending(lake: Lake, dataset: str) -> Migrated:
    """Return what a migration of a dataset would do.

    Raises:
        StorageError, UnavailableError: the lake cannot be read.
        UsageError: that is not the name of a dataset.
    """
    found = lake.manifests.read(dataset)
    manifest = found.manifest
    if manifest is None:
        return Migrated(dataset, NOTHING)
    if manifest.places is CURRENT:
        left = _left(lake, dataset)
        state = MIGRATED if left or manifest.migrates is not None else CURRENT_ALREADY
        return Migrated(dataset, state, files=len(left))
    return _counted(manifest)


def migrate(
    lake: Lake,
    dataset: str,
    zone: ZoneInfo | None = None,
    on_file: Callable[[], None] = lambda: None,
) -> Migrated:
    """Bring a dataset to layout 2, or finish a migration that was killed.

    Args:
        lake: the tenant's lake.
        dataset: the dataset's name.
        zone: of a dataset in mode slices, whose units are days of the tenant: its time zone.
        on_file: called before each file; what it raises ends the migration, to be finished later.

    Raises:
        HeldError: another run publishes it all the time.
        StorageError: a file that the manifest names is missing, or the lake cannot be written.
        UnavailableError: the object storage cannot be reached.
    """
    done = pending(lake, dataset)
    if done.state != MIGRATED:
        return done
    with lake.exclusive(dataset):
        for _ in range(TRIES):
            # The new one first: once it is replaced by a publish, the old one is a tombstone.
            new, old = lake.manifests.current(dataset), lake.manifests.read(dataset)
            if old.manifest is None or old.layout is CURRENT:
                break
            try:
                _move(lake, old.manifest, old, new, zone, on_file)
            except Conflict:
                continue
            done = _counted(old.manifest)
            break
        else:
            raise HeldError(f"{dataset} is being published by many runs at once: try again")
        _finish(lake, dataset, on_file)
    return done


def _move(
    lake: Lake,
    known: Manifest,
    old: StoredManifest,
    new: StoredManifest,
    zone: ZoneInfo | None,
    on_file: Callable[[], None],
) -> None:
    """Give the files their second names, write the new manifest, and bury the old one.

    What a killed migration of an earlier version left in the new place is deleted then.

    Raises:
        Conflict: one of the manifests is not the one that was read any more.
    """
    dataset, store = known.dataset, lake.store
    moved = moved_manifest(known, zone)
    # In a bucket no name has two contents, so what a killed migration copied is not copied again.
    there = set() if store.in_place else _sizes(lake, dataset).items()
    for (path, size), (target, _) in zip(_files(known), _files(moved), strict=True):
        on_file()
        if (target, size) not in there:
            store.keep(path, target, durable=True)
    sizes = _sizes(lake, dataset)
    for (path, size), (target, _) in zip(_files(known), _files(moved), strict=True):
        if sizes.get(target) != size:
            raise StorageError(
                f"{store.location(path)} is missing, or not the file that the manifest names: "
                "land its unit again, then migrate; nothing was changed"
            )
    store.swap(CURRENT.manifest(dataset), moved.content(), new.tag)
    try:
        lake.manifests.bury(dataset, CURRENT.manifest(dataset), old.tag)
    except UnavailableError:
        # The answer was lost; it may be buried.
        if lake.manifests.read(dataset).layout is not CURRENT:
            raise
    # Until now only migrations wrote there, and this is the one that has decided.
    store.delete(sizes.keys() - {target for target, _ in _files(moved)})


def _finish(lake: Lake, dataset: str, on_file: Callable[[], None]) -> None:
    """Move the old names away, and mark the migration as finished."""
    for path in _left(lake, dataset):
        on_file()
        lake.move_to_old(FIRST.folder(dataset), WHY, [path])
    lake.store.tidy(FIRST.folder(dataset))

    def finished(manifest: Manifest | None) -> Manifest | None:
        under_way = manifest and manifest.migrates is not None
        return manifest.model_copy(update={"migrates": None}) if manifest and under_way else None

    lake.change(dataset, finished)


def moved_manifest(known: Manifest, zone: ZoneInfo | None) -> Manifest:
    """Return a manifest of layout 1 as one of layout 2, with the new path of each file."""
    taken: set[str] = set()
    entries = []
    for entry in known.entries:
        files = []
        for file in entry.files:
            path = _unused(_target(known, entry, file.path, zone), file.path, taken)
            taken.add(path)
            files.append(file.model_copy(update={"path": path}))
        entries.append(entry.model_copy(update={"files": tuple(files)}))
    update = {"entries": tuple(entries), "layout": CURRENT.version, "migrates": known.version}
    return known.model_copy(update=update)


def _target(known: Manifest, entry: Entry, path: str, zone: ZoneInfo | None) -> str:
    partition, _, name = path.partition("/")
    if known.mode == SNAPSHOT:
        return f"{CURRENT.slot(entry.unit)}/{name}"
    # A unit of two days, because a midnight came twice, keeps the dates that it has.
    if zone is not None and entry.ends_at - entry.starts_at < 2 * DAY - MIDDAY:
        partition = f"date={(entry.starts_at + MIDDAY).astimezone(zone):%Y-%m-%d}"
    return f"{partition}/{name}"


def _unused(target: str, path: str, taken: set[str]) -> str:
    """Return a name of its own for a file: two UTC dates of one day meet in one folder."""
    if target not in taken:
        return target
    date = path.partition("/")[0].removeprefix("date=").replace("-", "")
    stem = target.removesuffix(".parquet")
    mark = "" if "." in stem.rpartition("/")[2] else "."
    return f"{stem}{mark}d{date}.parquet"


def _files(manifest: Manifest) -> Iterator[tuple[str, int]]:
    for entry in manifest.entries:
        for file in entry.files:
            yield f"{manifest.folder}/{file.path}", file.bytes


def _sizes(lake: Lake, dataset: str) -> dict[str, int]:
    return {file.path: file.bytes for file in lake.store.files(CURRENT.folder(dataset))}


def _left(lake: Lake, dataset: str) -> list[str]:
    """Return the data files in a dataset's folder of layout 1, relative to it."""
    folder = FIRST.folder(dataset)
    found = [file.path.removeprefix(f"{folder}/") for file in lake.store.files(folder)]
    return [path for path in found if is_data(path)]


def _counted(manifest: Manifest) -> Migrated:
    sizes = [size for _, size in _files(manifest)]
    return Migrated(manifest.dataset, MIGRATED, len(manifest.entries), len(sizes), sum(sizes))
