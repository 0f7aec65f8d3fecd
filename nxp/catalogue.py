"""Reading the whole catalogue at once, with every problem in it, and notes that are not errors."""

import os
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.catalogue import (
    ACTIONS,
    QUESTIONS,
    SYNCS,
    Column,
    DatasetSpecification,
    read_datasets,
)
from connectors.catalogue.specification import describe
from connectors.counting import number_of
from connectors.errors import ConfigurationError
from connectors.settings.installation import Settings

if TYPE_CHECKING:
    from connectors.sources import Sources
    from nxp.saved_queries import SavedQueryUses


@dataclass(slots=True)
class Catalogue:
    """What the catalogue has, by name; `notes` say what cannot be used yet, or not in full."""

    datasets: dict[str, DatasetSpecification] = field(default_factory=dict)
    syncs: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def counted(self) -> str:
        """The counts of the kinds that it has, in words."""
        return _counted(
            dataset=self.datasets,
            sync=self.syncs,
            action=self.actions,
            question=self.questions,
        )


def read_catalogue(catalog: Path) -> Catalogue:
    """Return the catalogue: valid datasets, syncs with their connections, and actions."""
    read = Catalogue()
    try:
        datasets = read_datasets(catalog)
    except ConfigurationError as error:
        # Without the folder there is nothing else to read.
        read.problems.append(str(error))
        return read
    read.datasets, read.problems = datasets.valid, datasets.listed
    from connectors.catalogue.references import reference_findings  # noqa: PLC0415 - only here

    # Not where datasets are read: a wrong reference misleads readers, and must not stop an export.
    problems, read.notes = reference_findings(datasets.found, datasets.names)
    read.problems += problems
    from nxp.saved_queries import SavedQueryUses  # noqa: PLC0415 - lark, not for listing datasets

    queries = SavedQueryUses(catalog)
    for name, dataset in read.datasets.items():
        queries.check_dataset(name, dataset)
    read.syncs, notes = _syncs(catalog, read.problems, queries)
    read.notes += notes
    read.actions, notes = _actions(catalog, read.problems, queries)
    read.notes += notes
    read.questions, problems = _questions(catalog)
    read.problems += problems
    read.notes += [note for each in datasets.valid.values() if (note := _rarely(each))]
    read.problems += queries.findings.problems
    read.notes += queries.findings.notes
    return read


def landed_columns(specification: DatasetSpecification, settings: Settings) -> tuple[Column, ...]:
    """Return the columns that a dataset lands, with those that it derives or its transform adds.

    Raises:
        ConfigurationError: its transform cannot be used.
    """
    if not specification.transform:
        return specification.known_columns
    from tasks.columns.transform import load_transform  # noqa: PLC0415 - polars

    transform = load_transform(specification, settings.catalog, allow_code=settings.allow_code)
    known = specification.known_columns
    return transform.columns(known) if transform else known


def _rarely(dataset: DatasetSpecification) -> str | None:
    """Return a note if a dataset's schedule alone would make it stale."""
    _, longest = dataset.schedule.gaps if dataset.schedule else (None, timedelta(0))
    if longest < dataset.lasts:
        return None
    return (
        f"{dataset.dataset}: its schedule runs up to {describe(longest)} apart, but the dataset "
        f"counts as stale after {describe(dataset.lasts)}: set stale_after"
    )


def derived_columns(specification: DatasetSpecification, settings: Settings) -> dict[str, str]:
    """Return the columns that a dataset lands without the tenant sending them, and their types.

    Raises:
        ConfigurationError: its transform cannot be used.
    """
    known = {column.name for column in specification.columns}
    columns = landed_columns(specification, settings)
    return {column.name: str(column.type) for column in columns if column.name not in known}


def in_words(columns: Mapping[str, str]) -> str:
    """Return columns and their types for a line of text."""
    return ", ".join(f"{name} ({kind})" for name, kind in columns.items())


def _syncs(
    catalog: Path, problems: list[str], queries: "SavedQueryUses"
) -> tuple[list[str], list[str]]:
    """Validate the syncs and their connections; return their names, and notes."""
    if not any((catalog / SYNCS).glob("*.yaml")):
        return [], []
    # Half a second for databases and frames, only if there are syncs.
    from connectors.syncs import read_syncs, unreadable  # noqa: PLC0415

    syncs = read_syncs(catalog)
    # Problems of the datasets are listed already.
    problems += [each for each in syncs.listed if each not in problems]
    notes = []
    for name, sync in syncs.valid.items():
        queries.check_sync(name, sync)
        notes += _unconnected(name, sync.sources, problems)
        notes += [
            f"{name}: {field} cannot be emptied: the API has no value that does it"
            for field in sync.not_clearable
        ]
        if note := unreadable(sync):
            notes.append(note)
    return list(syncs.valid), notes


def _actions(
    catalog: Path, problems: list[str], queries: "SavedQueryUses"
) -> tuple[list[str], list[str]]:
    """Validate the actions; return their names, and notes."""
    if not any((catalog / ACTIONS).glob("*.yaml")):
        return [], []
    # httpx, only if there are some.
    from connectors.actions import read_actions, shared_ids  # noqa: PLC0415

    actions = read_actions(catalog)
    problems += actions.listed
    for name, action in actions.valid.items():
        queries.check_action(name, action)
    return list(actions.valid), shared_ids(actions)


def _questions(catalog: Path) -> tuple[list[str], list[str]]:
    """Validate the questions; return their names, and problems."""
    if not any((catalog / QUESTIONS).glob("*.sql")):
        return [], []
    # The lake's modules, only if there are some.
    from connectors.lake.questions import read_questions  # noqa: PLC0415

    questions, problems = read_questions(catalog)
    return [each.name for each in questions], problems


def _counted(**kinds: Sized) -> str:
    """Return the counts of the kinds that are not empty, in words."""
    counts = [number_of(len(found), kind) for kind, found in kinds.items() if found]
    return " and ".join(filter(None, [", ".join(counts[:-1]), *counts[-1:]])) or "no files"


def _unconnected(sync: str, sources: "Sources", problems: list[str]) -> list[str]:
    """Validate the connections of a sync; one without any variable set is not used here yet."""
    from connectors.sources import Sources, load_connections  # noqa: PLC0415 - only with syncs
    from connectors.sources.connection import is_begun, variable  # noqa: PLC0415

    names = {each.connection_name for each in sources.root.values()} - {None}
    unset = sorted(name for name in names if name and not is_begun(name, os.environ))
    begun = {name: each for name, each in sources.root.items() if each.connection_name not in unset}
    try:
        if begun:
            load_connections(Sources(begun))
    except ConfigurationError as error:
        problems += [f"{sync}.yaml: {problem}" for problem in error.problems]
    return [f"{sync}: cannot run yet: {variable(name, 'url')} is not set" for name in unset]
