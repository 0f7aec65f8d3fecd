"""What the library has: datasets, syncs, actions, notebooks, saved queries; what each needs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from connectors.catalogue import ACTIONS, DATASETS, SYNCS, DatasetSpecification, read_specifications
from connectors.catalogue.yaml_text import read_catalogue_text
from connectors.errors import UsageError
from connectors.lake.questions import question_files, read_question
from nxp.library import LIBRARY

QUERIES: Final = "queries"
NOTEBOOKS: Final = "notebooks"
_NEAR: Final = 3
KINDS: Final = {
    DATASETS: "dataset",
    SYNCS: "sync",
    ACTIONS: "action",
    NOTEBOOKS: "notebook",
    QUERIES: "query",
}
# The questions that a notebook may name.
_QUOTED: Final = re.compile(r'"([a-z0-9_]+)"')
# The head of a file that only names its JSON Schema.
_FOR_EDITORS: Final = "# yaml-language-server:"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the library, which can be added to a project by its name.

    Attributes:
        folder: the folder of its file, such as `datasets`.
        file: its file, relative to the library.
        query_ids: the saved queries that it needs in the tenant.
        needs: other parts that it does not work without.
        wants: datasets that its columns refer to, or that a notebook reads.
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
        """The word for it: dataset, sync, action, notebook or query."""
        return KINDS[self.folder]

    @property
    def topic(self) -> str:
        """What it is about; parts without data of their own are listed by their kind."""
        return ((self.dataset.topic if self.dataset else None) or self.folder).lower()


@dataclass(frozen=True)
class Library:
    """The parts of a library, by name, datasets first."""

    folder: Path = LIBRARY

    @cached_property
    def datasets(self) -> Mapping[str, Part]:
        """The datasets, by name."""
        return {part.name: part for part in self._datasets()}

    @cached_property
    def parts(self) -> Mapping[str, Part]:
        """All parts; a saved query is one only where nothing else needs it."""
        found = dict(self.datasets)
        for part in (*self._syncs(), *self._actions(), *self._notebooks()):
            found.setdefault(part.name, part)
        used = {query_id for part in found.values() for query_id in part.query_ids}
        for path in sorted((self.folder / QUERIES).glob("*.nql")):
            if f"#{path.stem}" not in used:
                found.setdefault(path.stem, _query(path))
        return found

    @property
    def topics(self) -> list[str]:
        """The topics of datasets, in the order of the alphabet."""
        return sorted({part.topic for part in self.datasets.values()})

    @property
    def by_topic(self) -> list[Part]:
        """All parts, the datasets by topic and name before the others."""
        kinds = list(KINDS)
        return sorted(
            self.parts.values(), key=lambda part: (kinds.index(part.folder), part.topic, part.name)
        )

    def complete(self, names: Iterable[str]) -> list[Part]:
        """Return these parts and, after them, those that they do not work without.

        Raises:
            UsageError: the library lacks some; the message has those that may be meant.
        """
        waiting = list(names)
        self._check(waiting)
        found: dict[str, Part] = {}
        while waiting:
            name = waiting.pop(0)
            part = self._named(name)
            if part and part.file not in found:
                found[part.file] = part
                waiting += part.needs
        return list(found.values())

    def _named(self, name: str) -> Part | None:
        """Return the part of a name; with # the saved query, or the dataset that lands it."""
        plain = name.removeprefix("#")
        dataset = self.datasets.get(plain)
        if dataset and (plain == name or name in dataset.query_ids):
            return dataset
        query = self.folder / query_file(plain)
        if plain != name and query.is_file():
            return _query(query)
        # Syncs take half a second to read, so they are only where datasets are not enough.
        return self.parts.get(plain) or (_query(query) if query.is_file() else None)

    def _check(self, names: Iterable[str]) -> None:
        unknown = [self._unknown(name) for name in dict.fromkeys(names) if not self._named(name)]
        if unknown:
            raise UsageError(f"{'; '.join(unknown)} (nxp add lists the library)")

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches  # noqa: PLC0415 - only after a mistake

        lower = (
            name.lower()
            .removeprefix("#")
            .replace("-", "_")
            .removesuffix(".yaml")
            .removesuffix(".nql")
        )
        within = [each for each in self.parts if lower and (lower in each or each in lower)]
        near = get_close_matches(lower, self.parts, n=_NEAR)
        meant = list(dict.fromkeys([*near, *within]))[:_NEAR]
        asked = f": did you mean {' or '.join(meant)}?" if meant else ""
        return f"the library has no {name!r}{asked}"

    def questions(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Yield the files of questions, each with the datasets that its SQL reads."""
        for path in question_files(self.folder).values():
            question = read_question(path)
            yield question.file, frozenset(question.datasets()) & self.datasets.keys()

    def _datasets(self) -> Iterator[Part]:
        read = read_specifications(self.folder / DATASETS, DatasetSpecification)
        for name, each in read.all().items():
            yield Part(
                name=name,
                folder=DATASETS,
                file=f"{DATASETS}/{name}.yaml",
                title=each.title or "",
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

    def _notebooks(self) -> Iterator[Part]:
        for path in sorted((self.folder / NOTEBOOKS).glob("*.py")):
            named = set(_QUOTED.findall(read_catalogue_text(path)))
            files = question_files(self.folder)
            reads = {
                dataset
                for name in named & files.keys()
                for dataset in read_question(files[name]).datasets()
            }
            yield Part(
                name=path.stem,
                folder=NOTEBOOKS,
                file=f"{NOTEBOOKS}/{path.name}",
                title=_first_line(path),
                wants=tuple(sorted(reads)),
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
    references = (column.references for column in dataset.columns)
    return {each.partition(".")[0] for each in references if each}


def _first_line(path: Path) -> str:
    """Return the first line of the comment that a file begins with."""
    lines = (
        line for line in read_catalogue_text(path).splitlines() if not line.startswith(_FOR_EDITORS)
    )
    return next(lines, "").strip("#/* ").rstrip(".")
