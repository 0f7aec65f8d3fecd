"""Reading the catalogue's syncs; all problems of all files are reported at once."""

import re
from collections.abc import Mapping
from pathlib import Path

from connectors.catalogue import (
    SYNCS,
    DatasetSpecification,
    Mode,
    load_datasets,
    query_path,
    read_specifications,
)
from connectors.errors import ConfigurationError, UsageError
from connectors.syncs.specification import InventorySpecification, SyncSpecification

# What leaves objects out. The time frame is not a filter: every query has one.
_FILTERING = re.compile(r"\|\s*(where|limit|summarize)\b", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def load_syncs(catalog: Path) -> dict[str, SyncSpecification]:
    """Return all syncs, by name; a catalogue without the folder has none.

    Raises:
        ConfigurationError: with every problem of every file, and of the datasets.
    """
    read, problems = read_specifications(catalog / SYNCS, SyncSpecification)
    if not read and not problems:
        return {}
    try:
        datasets = load_datasets(catalog)
    except ConfigurationError as error:
        problems += error.problems or [str(error)]
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems)) from None
    for path, sync in read.items():
        if sync.sync != path.stem:
            problems.append(f"{path.name}: sync {sync.sync!r} is not the file's name")
        found = _catalogue_problems(sync, datasets, catalog)
        problems += [f"{path.name}: {problem}" for problem in found]
    problems += _conflicts({path.name: sync for path, sync in read.items()})
    if problems:
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
    return {sync.sync: sync for sync in read.values()}


def load_sync(catalog: Path, name: str) -> SyncSpecification:
    """Return one sync.

    Raises:
        UsageError: no such sync; the message lists those there are.
    """
    syncs = load_syncs(catalog)
    if name not in syncs:
        known = ", ".join(syncs) or "none"
        raise UsageError(f"unknown sync {name!r}: the catalogue has {known}")
    return syncs[name]


def _catalogue_problems(
    sync: SyncSpecification, datasets: Mapping[str, DatasetSpecification], catalog: Path
) -> list[str]:
    """Return how the sync does not fit the rest of the catalogue: datasets and saved queries."""
    problems = []
    if sync.sync in datasets:
        # Reports and rejects are kept by name.
        problems.append(f"sync: {sync.sync} is the name of a dataset too")
    if sync.verify:
        query = query_path(catalog, sync.verify.query_id)
        if not query.is_file():
            problems.append(f"verify: no saved query queries/{query.name}")
    if sync.inventory:
        dataset = datasets.get(sync.inventory.dataset)
        if dataset is None:
            known = ", ".join(datasets) or "none"
            return [
                *problems,
                f"inventory.dataset: {sync.inventory.dataset!r} is not one of {known}",
            ]
        problems += [
            f"inventory: {problem}" for problem in _unfit(sync.inventory, dataset, catalog)
        ]
    return problems


def _unfit(
    inventory: InventorySpecification, dataset: DatasetSpecification, catalog: Path
) -> list[str]:
    """Return why identities cannot be looked up in a dataset."""
    if dataset.mode is not Mode.SNAPSHOT:
        return [f"{dataset.dataset} is not a snapshot"]
    problems = []
    if not dataset.in_lake:
        problems.append(f"{dataset.dataset} does not land in the lake")
    names = {column.name for column in dataset.columns}
    problems += [
        f"{dataset.dataset} lands no column {name}"
        for name in dict.fromkeys((*inventory.match.values(), inventory.identity))
        if name not in names
    ]
    for query_id in dataset.query_ids():
        # Shards are filtered too, but together they are the whole inventory.
        text = query_path(catalog, query_id).read_text("utf-8", "replace")
        if not dataset.shards and (found := _FILTERING.search(_COMMENT.sub("", text))):
            problems.append(
                f"{dataset.dataset} is filtered by {found[1].lower()}: a second match may be among "
                "the rows left out"
            )
    return problems


def _conflicts(syncs: Mapping[str, SyncSpecification]) -> list[str]:
    """Return the fields that two syncs write: each would undo what the other has done."""
    owners: dict[str, str] = {}
    problems = []
    for file, sync in syncs.items():
        for field in sync.fields:
            if field.lower() in owners:
                problems.append(f"{file}: {owners[field.lower()]} writes {field} too")
            owners.setdefault(field.lower(), sync.sync)
    return problems
