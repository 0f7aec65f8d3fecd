"""Deleting what is past its retention, of a dataset or a sync, and superseded files.

Files that leave the manifest move to `_old` and are deleted after the grace period. Until then a
reader with the previous manifest still finds its files, and a mistake can be undone.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from connectors.catalogue import SQL, DatasetSpecification, parse_duration, read_datasets
from connectors.catalogue.names import unknown
from connectors.errors import UsageError
from connectors.lake import Entry, Lake
from connectors.lake.aging import (
    expired_of_sync,
    expired_rejects,
    old_folders,
    orphans,
    probes,
    superseded_files,
)
from connectors.lake.record_upgrade import old_records, unfinished_writes, upgrade_records
from connectors.lake.stores import StoredFile
from connectors.landings import Landing, open_landings
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import tenant_name
from connectors.syncs import SyncSpecification, read_syncs

TRIGGER = "maintain"
# A publish takes less, and so does a reader from the manifest to its last file.
SHORTEST_GRACE = timedelta(hours=1)
ORPHANED = "orphaned"


class ClearedKind(StrEnum):
    """What a maintenance does; `MOVED` files move to `_old`, `DELETED` ones are gone at once."""

    PAST_RETENTION = "past retention"
    TABLE_ROWS = "table rows past retention"
    ORPHANED = "left by killed runs"
    SUPERSEDED = "kept in _old for the grace"
    DELTA = "left Delta tables before the grace"
    REJECTS = "rejects past retention"
    SYNC = "plans, changes and rejects past retention"
    REWRITTEN = "records of earlier releases, rewritten"


MOVED = (ClearedKind.PAST_RETENTION, ClearedKind.ORPHANED)
DELETED = (ClearedKind.SUPERSEDED, ClearedKind.DELTA, ClearedKind.REJECTS, ClearedKind.SYNC)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What a maintenance is about, as far as it can be known before the lake is read."""

    settings: Settings
    tenant: str
    specification: DatasetSpecification | SyncSpecification
    grace: timedelta

    @property
    def name(self) -> str:
        """The dataset's name, or the sync's."""
        of = self.specification
        return of.sync if isinstance(of, SyncSpecification) else of.dataset


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was cleared away of one kind, or would be."""

    what: ClearedKind
    units: int = 0
    rows: int = 0
    files: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, what: ClearedKind, files: Sequence[StoredFile]) -> "Cleared":
        """Count files."""
        return cls(what, files=len(files), bytes=sum(file.bytes for file in files))


def plan_upkeep(name: str, grace: str, tenant: str | None = None) -> Upkeep:
    """Check settings, catalogue and grace.

    Raises:
        ConfigurationError: settings or catalogue have problems; all are listed.
        UsageError: no such dataset or sync, or a grace too short for running readers.
    """
    settings = load_settings()
    specification = _find(settings.catalog, name)
    try:
        duration: timedelta = parse_duration(grace)
    except ValueError as error:
        raise UsageError(f"grace {grace!r} {error}") from None
    if duration < SHORTEST_GRACE:
        raise UsageError(
            f"grace {grace}: at least an hour, since running readers and publishes need the files"
        )
    return Upkeep(settings, tenant_name(settings, tenant), specification, duration)


def _find(catalog: Path, name: str) -> DatasetSpecification | SyncSpecification:
    datasets, syncs = read_datasets(catalog), read_syncs(catalog)
    if name in datasets.names:
        return datasets.one(name, "dataset")
    if name in syncs.names:
        return syncs.one(name, "sync")
    raise unknown("dataset or sync", [name], [*datasets.names, *syncs.names])


def clear(upkeep: Upkeep, lake: Lake, now: datetime, *, dry_run: bool = False) -> list[Cleared]:
    """Maintain a dataset or a sync.

    Raises:
        PipelineError: as maintain_dataset.
    """
    of = upkeep.specification
    if isinstance(of, DatasetSpecification):
        tables = tables_of(upkeep, of, lake)
        done = maintain_dataset(lake, of, upkeep.grace, now, tables=tables, dry_run=dry_run)
    else:
        found = expired_of_sync(lake, of.sync, now - of.retention) if of.retention else []
        if not dry_run:
            lake.store.delete(file.path for file in found)
        done = [Cleared.of(ClearedKind.SYNC, found)]
    return [*done, *_renew_records(lake, now - upkeep.grace, dry_run=dry_run)]


def _renew_records(lake: Lake, before: datetime, *, dry_run: bool) -> list[Cleared]:
    """Rewrite the tenant's records of earlier releases, once; nothing is listed if there are none.

    They belong to all datasets, syncs and actions, also to those that the catalogue has lost.
    """
    if not dry_run:
        lake.store.delete(file.path for file in unfinished_writes(lake, before))
    found = old_records(lake) if dry_run else upgrade_records(lake)
    return [Cleared.of(ClearedKind.REWRITTEN, found)] if found else []


def maintain_dataset(
    lake: Lake,
    specification: DatasetSpecification,
    grace: timedelta,
    now: datetime,
    *,
    tables: Sequence[Landing] = (),
    dry_run: bool = False,
) -> list[Cleared]:
    """Drop units past retention, and delete files that left the manifest before the grace period.

    Rows of `tables` past retention are deleted at once, since a database has no `_old`.

    Raises:
        HeldError, StorageError, UnavailableError: what was done before stays done, and the next
            maintenance does the rest.
    """
    dataset, before = specification.dataset, now - grace
    # First, so that what moves to `_old` now stays there for the grace period.
    done = [_delete_superseded(lake, dataset, before, dry_run=dry_run)]
    done.append(_take_orphans(lake, dataset, before, dry_run=dry_run))
    if specification.retention is not None:
        horizon = now - specification.retention
        done.append(_delete_rejects(lake, dataset, horizon, dry_run=dry_run))
        done.append(_drop(lake, dataset, horizon, dry_run=dry_run))
        if tables:
            rows = sum(table.drop_before(horizon, dry_run=dry_run) for table in tables)
            done.append(Cleared(ClearedKind.TABLE_ROWS, rows=rows))
    if specification.in_delta:
        done.append(_delta(lake, dataset, grace, dry_run=dry_run))
    return sorted(done, key=lambda part: list(ClearedKind).index(part.what))


def _delta(lake: Lake, dataset: str, grace: timedelta, *, dry_run: bool) -> Cleared:
    """Bring the dataset's Delta tables in line, and delete files that left them."""
    from connectors.lake.delta import follow, vacuum  # noqa: PLC0415 - for Delta tables only

    if not dry_run:
        follow(lake, dataset)
    return Cleared(ClearedKind.DELTA, files=vacuum(lake, dataset, grace, dry_run=dry_run))


def _delete_superseded(lake: Lake, dataset: str, before: datetime, *, dry_run: bool) -> Cleared:
    found = superseded_files(lake, dataset, before)
    if found and not dry_run:
        with lake.exclusive(dataset):
            lake.store.delete(file.path for file in found)
            for folder in old_folders(dataset):
                lake.store.tidy(folder)
    return Cleared.of(ClearedKind.SUPERSEDED, found)


def _take_orphans(lake: Lake, dataset: str, before: datetime, *, dry_run: bool) -> Cleared:
    found = orphans(lake, dataset, before)
    if any(found.values()) and not dry_run:
        with lake.exclusive(dataset):
            # Look again under the lock: a publish may have put a file in use under such a name.
            found = orphans(lake, dataset, before)
            for folder, files in found.items():
                paths = [file.path.removeprefix(f"{folder}/") for file in files]
                lake.move_to_old(folder, ORPHANED, paths)
    if not dry_run:
        lake.store.delete(file.path for file in probes(lake, before))
    return Cleared.of(ClearedKind.ORPHANED, [file for files in found.values() for file in files])


def _delete_rejects(lake: Lake, dataset: str, horizon: datetime, *, dry_run: bool) -> Cleared:
    """Delete expired rejects at once: their text is personal data, and no manifest names them."""
    found = expired_rejects(lake, dataset, horizon)
    if not dry_run:
        lake.store.delete(file.path for file in found)
    return Cleared.of(ClearedKind.REJECTS, found)


def _drop(lake: Lake, dataset: str, horizon: datetime, *, dry_run: bool) -> Cleared:
    manifest = lake.manifest(dataset)
    dropped: tuple[Entry, ...] = ()
    if manifest and manifest.ended_by(horizon):
        dropped = lake.dropped_before(dataset, horizon, dry_run=dry_run)
    files = [file for entry in dropped for file in entry.files]
    return Cleared(
        ClearedKind.PAST_RETENTION,
        units=len(dropped),
        rows=sum(entry.rows for entry in dropped),
        files=len(files),
        bytes=sum(file.bytes for file in files),
    )


def preview(upkeep: Upkeep, clock: Callable[[], datetime]) -> dict[str, Any]:
    """Return what a maintenance would do; nothing is changed and nothing recorded."""
    lake, now = Lake(upkeep.settings.lake, upkeep.tenant), clock()
    return {"state": "dry run", **describe(upkeep, clear(upkeep, lake, now, dry_run=True))}


def tables_of(upkeep: Upkeep, of: DatasetSpecification, lake: Lake) -> list[Landing]:
    """Open the tables that the dataset lands in.

    Raises:
        ConfigurationError: NXP_DATABASE_URL is not set, or cannot be used.
    """
    landings = open_landings(upkeep.settings, upkeep.tenant, of, lake)
    return [landing for landing in landings if landing.name == SQL]


def describe(upkeep: Upkeep, done: Sequence[Cleared]) -> dict[str, Any]:
    """Return the counts of a report."""
    moved = [part for part in done if part.what in MOVED]
    deleted = [part for part in done if part.what in DELETED]
    retention = upkeep.specification.retention
    return {
        "tenant": upkeep.tenant,
        "dataset": upkeep.name,
        "trigger": TRIGGER,
        "retention": None if retention is None else _short(retention),
        "units": sum(part.units for part in done),
        "rows_dropped": sum(part.rows for part in done),
        "files_moved": sum(part.files for part in moved),
        "bytes_moved": sum(part.bytes for part in moved),
        "files_deleted": sum(part.files for part in deleted),
        "bytes_deleted": sum(part.bytes for part in deleted),
        "cleared": [asdict(part) | {"what": part.what.value} for part in done],
    }


def _short(duration: timedelta) -> str:
    hours = duration // timedelta(hours=1)
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"
