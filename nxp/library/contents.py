"""What the library has: its datasets, syncs, actions and saved queries, and what each needs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from connectors.catalogue import ACTIONS, DATASETS, SYNCS, DatasetSpecification, read_specifications
from connectors.catalogue.yaml_text import read_text
from nxp.library import LIBRARY

QUERIES: Final = "queries"
QUESTIONS: Final = "questions"
KINDS: Final = {DATASETS: "dataset", SYNCS: "sync", ACTIONS: "action", QUERIES: "query"}
_HELD = re.compile(r"\b(?:from|join)\s+\"?([a-z][a-z0-9_]*)", re.IGNORECASE)
# Views that `nxp sql` has next to a dataset of snapshots.
_VIEWS: Final = ("_history", "_changes")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the library, which can be added to a project by its name.

    Attributes:
        folder: the folder of its file, such as `datasets`.
        file: its file, relative to the library.
        query_ids: the saved queries that it needs in the tenant.
        needs: other parts that it does not work without.
        wants: datasets that its columns refer to.
        dataset: the specification, if it is a dataset.
    """

    name: str
    folder: str
    file: str
    title: str
    query_ids: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    dataset: DatasetSpecification | None = None

    @property
    def kind(self) -> str:
        """The word for it: dataset, sync, action or query."""
        return KINDS[self.folder]

    @property
    def topic(self) -> str:
        """What it is about; parts without data of their own are listed by their kind."""
        return getattr(self.dataset, "topic", "") or self.folder


@dataclass(frozen=True)
class Library:
    """The parts of a library, by name, datasets first."""

    folder: Path = LIBRARY
    _parts: dict[str, Part] = field(default_factory=dict)

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """All parts; a saved query is one only where nothing else needs it."""
        found: dict[str, Part] = {}
        for part in (*self._datasets(), *self._syncs(), *self._actions()):
            found.setdefault(part.name, part)
        used = {query_id for part in found.values() for query_id in part.query_ids}
        for path in sorted((self.folder / QUERIES).glob("*.nql")):
            if f"#{path.stem}" not in used:
                found.setdefault(path.stem, _query(path))
        return found

    @property
    def datasets(self) -> dict[str, Part]:
        """The datasets, by name."""
        return {name: part for name, part in self.parts.items() if part.dataset}

    @property
    def topics(self) -> list[str]:
        """The topics of datasets, in the order of the alphabet."""
        return sorted({part.topic for part in self.datasets.values()})

    def complete(self, names: Iterable[str]) -> list[Part]:
        """Return these parts and, after them, those that they do not work without."""
        found: dict[str, Part] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = self.parts[name]
                waiting += self.parts[name].needs
        return list(found.values())

    def questions(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Yield the files of questions, each with the datasets that its SQL reads."""
        for path in sorted((self.folder / QUESTIONS).glob("*.sql")):
            read = {_dataset_of(name.lower()) for name in _HELD.findall(read_text(path))}
            yield f"{QUESTIONS}/{path.name}", frozenset(read & self.datasets.keys())

    def _datasets(self) -> Iterator[Part]:
        read = read_specifications(self.folder / DATASETS, DatasetSpecification)
        for name, each in read.all().items():
            yield Part(
                name=name,
                folder=DATASETS,
                file=f"{DATASETS}/{name}.yaml",
                title=getattr(each, "title", "")
                or _first_line(self.folder / DATASETS / f"{name}.yaml"),
                query_ids=tuple(each.query_ids()),
                wants=tuple(sorted(_referred(each) - {name})),
                dataset=each,
            )

    def _syncs(self) -> Iterator[Part]:
        # Half a second for databases, only for a library with syncs.
        from connectors.syncs.specification import SyncSpecification  # noqa: PLC0415

        read = read_specifications(self.folder / SYNCS, SyncSpecification)
        for name, each in read.all().items():
            yield Part(
                name=name,
                folder=SYNCS,
                file=f"{SYNCS}/{name}.yaml",
                title=_first_line(self.folder / SYNCS / f"{name}.yaml"),
                query_ids=(each.verify.query_id,) if each.verify else (),
                needs=(each.inventory.dataset,) if each.inventory else (),
            )

    def _actions(self) -> Iterator[Part]:
        from connectors.actions.specification import ActionSpecification  # noqa: PLC0415 - httpx

        read = read_specifications(self.folder / ACTIONS, ActionSpecification)
        for name, each in read.all().items():
            consent = each.targets.consent
            needs = [consent.campaign if consent else None, each.targets.answers_to, each.lands]
            needs += [choice.action for choice in each.answers.values()]
            yield Part(
                name=name,
                folder=ACTIONS,
                file=f"{ACTIONS}/{name}.yaml",
                title=_first_line(self.folder / ACTIONS / f"{name}.yaml"),
                query_ids=each.query_ids,
                needs=tuple(dict.fromkeys(filter(None, needs))),
            )


def query_file(query_id: str) -> str:
    """Return the file of a saved query, relative to a catalogue or the library."""
    return f"{QUERIES}/{query_id.removeprefix('#')}.nql"


def _query(path: Path) -> Part:
    return Part(
        name=path.stem,
        folder=QUERIES,
        file=f"{QUERIES}/{path.name}",
        title=_first_line(path),
        query_ids=(f"#{path.stem}",),
    )


def _referred(dataset: DatasetSpecification) -> set[str]:
    references = (getattr(column, "references", None) for column in dataset.columns)
    return {each.partition(".")[0] for each in references if each}


def _dataset_of(view: str) -> str:
    for ending in _VIEWS:
        view = view.removesuffix(ending)
    return view


def _first_line(path: Path) -> str:
    """Return the first sentence of the comment that a file begins with."""
    first = read_text(path).partition("\n")[0].strip("#/* ")
    return re.split(r"(?<=[.:]) ", first)[0].rstrip(".:")
