"""Whether the lake has what the ledger calls landed: it has not if NXP_LAKE names another lake."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from connectors.catalogue import DatasetSpecification, Mode
from connectors.counting import number_of
from connectors.errors import ConfigurationError
from connectors.lake import Lake, Manifest
from connectors.lake.manifests import entry_files
from connectors.ledger import UnitRecord

LANDED: Final = "landed"


def missing_units(
    specification: DatasetSpecification,
    manifest: Manifest | None,
    records: Sequence[UnitRecord],
    now: datetime,
) -> list[UnitRecord]:
    """Return the units that the ledger calls landed and the manifest does not have.

    A window counts as there if others cover it: one of another step has replaced it. Units past
    retention may have been dropped by a maintenance that was killed before it recorded that.
    """
    horizon = now - specification.retention if specification.retention else None
    landed = [
        record
        for record in records
        if record.state == LANDED and (horizon is None or record.ends_at > horizon)
    ]
    entries = manifest.entries if manifest else ()
    names = {entry.unit for entry in entries}
    if specification.mode is Mode.SNAPSHOT:
        return [record for record in landed if record.unit not in names]
    starts = [entry.starts_at for entry in entries]
    missing = []
    for record in landed:
        at, place = record.starts_at, bisect_right(starts, record.starts_at) - 1
        while 0 <= place < len(entries) and entries[place].starts_at <= at < record.ends_at:
            at = max(at, entries[place].ends_at)
            place += 1
        if record.unit not in names and at < record.ends_at:
            missing.append(record)
    return missing


def missing_files(lake: Lake, dataset: str) -> list[str]:
    """Return the files that a manifest names and the lake does not have, relative to the lake.

    Raises:
        StorageError, UnavailableError: the lake cannot be read.
    """
    manifest = lake.manifest(dataset)
    if manifest is None:
        return []
    named = {path for entry in manifest.entries for path in entry_files(manifest, entry)}
    return sorted(named - {file.path for file in lake.store.files(manifest.folder)})


def check_lake(
    specification: DatasetSpecification, lake: Lake, records: Sequence[UnitRecord], now: datetime
) -> None:
    """Raise unless the lake has what the ledger calls landed. Datasets of tables only are left out.

    A dataset that lands in a table too may have landed only there for a time: then it is enough
    that the lake has some of it, or the report of a run that landed it.

    Raises:
        ConfigurationError: it has not; the message names lake and dataset, and what to do.
        StorageError, UnavailableError: the lake cannot be read.
    """
    if not specification.in_lake:
        return
    manifest = lake.manifest(specification.dataset)
    missing = missing_units(specification, manifest, records, now)
    if not missing or (specification.sql and (manifest or lake.has_reports())):
        return
    name = specification.dataset
    raise ConfigurationError(
        f"{name}: the ledger calls {number_of(len(missing), 'unit')} landed (the first: "
        f"{missing[0].unit}) that "
        f"the lake {lake.location()} does not have: set NXP_LAKE to the lake that has them (see "
        "docs/howto/move-lake.md); if they are lost, forget them with "
        f"nxp state reset {name} --lost, with the same --tenant as here"
    )
