"""Which files of a dataset or a sync are old enough to delete. Nothing is changed here."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from connectors.lake.lake import Lake
from connectors.lake.layout import LAYOUTS, checked_name
from connectors.lake.naming import CHANGES, REJECTS, REJECTS_RAW, is_data, unit_end
from connectors.lake.plans import PLANS
from connectors.lake.record_upgrade import first_written
from connectors.lake.stores import OLD, StoredFile

PROBES = "_probe"
DATED = re.compile(r"/date=(\d{4}-\d{2}-\d{2})/")


def superseded_files(lake: Lake, dataset: str, before: datetime) -> list[StoredFile]:
    """Return files, replaced or dropped, that were moved to `_old` before an instant."""
    found = [file for folder in old_folders(dataset) for file in lake.store.files(folder)]
    return _older(found, before)


def old_folders(dataset: str) -> list[str]:
    """Return the folders in `_old` of a dataset, one of each layout."""
    return [f"{OLD}/{layout.folder(dataset)}" for layout in LAYOUTS.values()]


def orphans(lake: Lake, dataset: str, before: datetime) -> dict[str, list[StoredFile]]:
    """Return data files older than an instant that the manifest does not name, by folder.

    Killed publishes, drops and migrations leave them. A newer one may belong to a publish in
    progress.
    """
    # Listed before the manifest is read: a file that this manifest does not name was not named at
    # the listing either, unless it was superseded in between, and then it belongs in `_old` too.
    folders = [layout.folder(dataset) for layout in LAYOUTS.values()]
    listed = {folder: lake.store.files(folder) for folder in folders}
    manifest = lake.manifest(dataset)
    counted = {f"{manifest.folder}/{path}" for path in manifest.paths()} if manifest else set()
    return {
        folder: [
            file
            for file in _older(files, before)
            if is_data(file.path.removeprefix(f"{folder}/")) and file.path not in counted
        ]
        for folder, files in listed.items()
    }


def probes(lake: Lake, before: datetime) -> list[StoredFile]:
    """Return the probes of object storage that killed first publishes left behind."""
    return _older(lake.store.files(PROBES), before)


def expired_rejects(lake: Lake, dataset: str, horizon: datetime) -> list[StoredFile]:
    """Return files of rejected rows, and their raw text, of units that ended by an instant."""
    found = []
    for kind in (REJECTS, REJECTS_RAW):
        for file in lake.store.files(f"{kind}/dataset={checked_name(dataset)}"):
            name = file.path.rpartition("/")[2]
            if (unit_end(name) or file.modified_at) <= horizon:
                found.append(file)
    return found


def expired_of_sync(lake: Lake, sync: str, horizon: datetime) -> list[StoredFile]:
    """Return the files of a sync's plans, changes and rejects that are older than an instant."""
    found = _older(lake.store.files(f"{PLANS}/sync={sync}"), horizon)
    changes = lake.store.files(f"{CHANGES}/sync={sync}")
    found += [file for file in changes if _is_older(lake, file, horizon)]
    return found + expired_rejects(lake, sync, horizon)


def _is_older(lake: Lake, file: StoredFile, horizon: datetime) -> bool:
    """Return whether a file's rows were first written before an instant."""
    if file.modified_at < horizon:
        return True
    match = DATED.search(file.path)
    if match is None or datetime.fromisoformat(match[1]).replace(tzinfo=UTC) >= horizon:
        return False
    # Its rows may be older than the file: only then it is worth opening.
    first = first_written(lake, file.path)
    return first is not None and first < horizon


def _older(files: Iterable[StoredFile], before: datetime) -> list[StoredFile]:
    return [file for file in files if file.modified_at < before]
