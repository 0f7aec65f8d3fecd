"""Reading the catalogue's syncs: what is wrong with one stops only that one."""

import re
from collections.abc import Mapping
from pathlib import Path

from connectors.catalogue import (
    SYNCS,
    DatasetSpecification,
    Loaded,
    Mode,
    query_path,
    query_problems,
    read_datasets,
    read_raw,
    read_specifications,
)
from connectors.errors import ConfigurationError
from connectors.syncs.identity import InventorySpecification
from connectors.syncs.specification import SyncSpecification
from connectors.text_files import read_text

# What leaves objects out. The time frame is not a filter: every query has one.
_FILTERING = re.compile(r"\|\s*(where|limit|summarize)\b", re.IGNORECASE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def read_syncs(catalog: Path) -> Loaded[SyncSpecification]:
    """Return the syncs, with the problems of each file; a catalogue without the folder has none.

    A problem of a dataset counts for the syncs that look identities up in it.
    """
    loaded = read_specifications(catalog / SYNCS, SyncSpecification)
    if not loaded.names:
        return loaded
    datasets = read_datasets(catalog)
    for name, sync in loaded.found.items():
        problems = _catalogue_problems(sync, datasets, catalog)
        if sync.sync != name:
            problems.insert(0, f"sync {sync.sync!r} is not the file's name")
        loaded.add(name, [f"{name}.yaml: {problem}" for problem in problems])
        if sync.inventory:
            loaded.add(name, datasets.problems.get(sync.inventory.dataset, ()))
    _check_fields(loaded)
    return loaded


def load_syncs(catalog: Path) -> dict[str, SyncSpecification]:
    """Return all syncs, by name; a catalogue without the folder has none.

    Raises:
        ConfigurationError: with every problem of every file, and of the datasets.
    """
    loaded = read_syncs(catalog)
    if not loaded.names:
        return {}
    problems = dict.fromkeys(loaded.listed + read_datasets(catalog).listed)
    if problems:
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
    return loaded.found


def load_sync(catalog: Path, name: str) -> SyncSpecification:
    """Return one sync; problems of others do not matter, except that they write the same fields.

    Raises:
        UsageError: no such sync; the message lists those there are.
        ConfigurationError: with every problem of this sync.
    """
    return read_syncs(catalog).one(name, "sync")


def _catalogue_problems(
    sync: SyncSpecification, datasets: Loaded[DatasetSpecification], catalog: Path
) -> list[str]:
    """Return how the sync does not fit the rest of the catalogue: datasets and saved queries."""
    problems = []
    if sync.sync in datasets.names:
        # Reports and rejects are kept by name.
        problems.append(f"sync: {sync.sync} is the name of a dataset too")
    if sync.verify:
        found = query_problems(catalog, [sync.verify.query_id])
        problems += [f"verify: {problem}" for problem in found]
    if not sync.inventory:
        return problems
    name = sync.inventory.dataset
    if name not in datasets.names:
        known = ", ".join(datasets.names) or "none"
        problems.append(f"inventory.dataset: {name!r} is not one of {known}")
    elif dataset := datasets.valid.get(name):
        found = _unfit(sync.inventory, dataset, catalog)
        problems += [f"inventory: {problem}" for problem in found]
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
    names = {column.name for column in dataset.known_columns}
    problems += [
        f"{dataset.dataset} lands no column {name}"
        for name in dict.fromkeys((*inventory.match.values(), inventory.identity))
        if name not in names
    ]
    if dataset.where is not None or dataset.transform:
        by = "where" if dataset.where is not None else "transform"
        problems.append(
            f"{dataset.dataset} is filtered by its {by}: a second match may be among what is left "
            "out"
        )
    for query_id in dataset.query_ids():
        # Shards are filtered too, but together they are the whole inventory.
        text = _text_of(query_path(catalog, query_id))
        if not dataset.shards and (found := _FILTERING.search(_COMMENT.sub("", text))):
            problems.append(
                f"{dataset.dataset} is filtered by {found[1].lower()}: a second match may be among "
                "the rows left out"
            )
    return problems


def _text_of(query: Path) -> str:
    try:
        return read_text(query)
    except UnicodeDecodeError:
        return query.read_text("utf-8", "replace")


def _check_fields(loaded: Loaded[SyncSpecification]) -> None:
    """Record the fields that two syncs write: each would undo what the other has done."""
    owners: dict[str, str] = {}
    for name in loaded.names:
        for field in _fields(loaded, name):
            owner = owners.setdefault(field.lower(), name)
            if owner != name:
                loaded.clash(name, owner, f"{name}.yaml: {owner} writes {field} too")
    loaded.settle()


def _fields(loaded: Loaded[SyncSpecification], name: str) -> list[str]:
    """Return the fields that a sync writes; of one that is not valid, those its text has."""
    if name in loaded.found:
        return list(loaded.found[name].fields)
    fields = read_raw(loaded.folder / f"{name}.yaml").get("fields")
    return [str(field) for field in fields] if isinstance(fields, Mapping) else []
