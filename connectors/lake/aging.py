"""Which files of a dataset are old enough to delete, from a listing. Nothing is changed here."""

from collections.abc import Iterable
from datetime import datetime

from connectors.lake.lake import Lake
from connectors.lake.naming import CHANGES, REJECTS, REJECTS_RAW, unit_end
from connectors.lake.plans import PLANS
from connectors.lake.stores import OLD, StoredFile

PROBES = "_probe"
PARTITIONED = ("date=", "snapshot=")


def superseded_files(lake: Lake, dataset: str, before: datetime) -> list[StoredFile]:
    """Return files, replaced or dropped, that were moved to `_old` before an instant."""
    return [file for file in lake.store.files(f"{OLD}/{dataset}") if file.modified_at < before]


def orphans(lake: Lake, dataset: str, before: datetime) -> list[StoredFile]:
    """Return data files older than an instant that the manifest does not name.

    Killed publishes and drops leave them. A newer one may belong to a publish in progress.
    """
    # Listed before the manifest is read: a file that this manifest does not name was not named at
    # the listing either, unless it was superseded in between, and then it belongs in `_old` too.
    listed = lake.store.files(dataset)
    manifest = lake.manifest(dataset)
    counted = manifest.paths() if manifest else set()
    return [
        file
        for file in _older(listed, before)
        if _is_data(path := file.path.removeprefix(f"{dataset}/")) and path not in counted
    ]


def probes(lake: Lake, before: datetime) -> list[StoredFile]:
    """Return the probes of object storage that killed first publishes left behind."""
    return _older(lake.store.files(PROBES), before)


def expired_rejects(lake: Lake, dataset: str, horizon: datetime) -> list[StoredFile]:
    """Return files of rejected rows, and their raw text, of units that ended by an instant."""
    found = []
    for kind in (REJECTS, REJECTS_RAW):
        for file in lake.store.files(f"{kind}/dataset={dataset}"):
            name = file.path.rpartition("/")[2]
            if (unit_end(name) or file.modified_at) <= horizon:
                found.append(file)
    return found


def expired_of_sync(lake: Lake, sync: str, horizon: datetime) -> list[StoredFile]:
    """Return the files of a sync's plans, changes and rejects that are older than an instant."""
    folders = (f"{PLANS}/sync={sync}", f"{CHANGES}/sync={sync}")
    found = [file for folder in folders for file in _older(lake.store.files(folder), horizon)]
    return found + expired_rejects(lake, sync, horizon)


def _is_data(path: str) -> bool:
    return path.startswith(PARTITIONED) and path.endswith(".parquet")


def _older(files: Iterable[StoredFile], before: datetime) -> list[StoredFile]:
    return [file for file in files if file.modified_at < before]
