"""Reading the catalogue's files: what is wrong with one stops only that one."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from connectors.catalogue.dataset import DATASET_PATTERN, DatasetSpecification
from connectors.catalogue.modes import Mode
from connectors.catalogue.names import DATASETS, names_in, unknown
from connectors.catalogue.specification import Specification
from connectors.catalogue.yaml_text import (
    UNREADABLE,
    parse_yaml,
    read_catalogue_text,
    read_yaml,
    why_unreadable,
)
from connectors.errors import ConfigurationError

# More than any catalogue has files.
TEXTS_KEPT = 4_096

AnySpecification = TypeVar("AnySpecification", bound=Specification)


@dataclass(slots=True)
class Loaded(Generic[AnySpecification]):
    """The specifications of a folder, by the names of their files, and what is wrong with which.

    Attributes:
        found: those that could be read, even if they do not fit the rest of the catalogue.
        problems: lists that are not empty; each problem begins with the name of its file.
    """

    folder: Path
    found: dict[str, AnySpecification] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All names, also of files with problems."""
        return sorted(self.found.keys() | self.problems.keys())

    @property
    def valid(self) -> dict[str, AnySpecification]:
        """Those without problems, by name."""
        return {name: each for name, each in self.found.items() if name not in self.problems}

    @property
    def listed(self) -> list[str]:
        """All problems of all files, each once."""
        return list(dict.fromkeys(one for each in self.problems.values() for one in each))

    def add(self, name: str, problems: Iterable[str]) -> None:
        """Record problems of a file, which begin with the name of a file already."""
        if new := list(problems):
            self.problems.setdefault(name, []).extend(new)

    def clash(self, name: str, other: str, problem: str) -> None:
        """Record that two cannot both be used: a problem of both, or only of one that is broken.

        A broken one is not used anyway, so it must not stop the other.
        """
        for each, its_other in ((name, other), (other, name)):
            if each in self.problems or its_other not in self.problems:
                self._clashes.append((each, problem))

    _clashes: list[tuple[str, str]] = field(default_factory=list)

    def settle(self) -> None:
        """Count clashes as problems, after all of them are known."""
        for name, problem in self._clashes:
            self.add(name, [problem])
        self._clashes.clear()

    def one(self, name: str, kind: str) -> AnySpecification:
        """Return one specification; problems of others do not matter.

        Raises:
            UsageError: none has this name; the message lists those that exist.
            ConfigurationError: with every problem of this one.
        """
        if name not in self.names:
            raise unknown(kind, [name], self.names)
        if name in self.problems:
            self._refuse(self.problems[name])
        return self.found[name]

    def all(self) -> dict[str, AnySpecification]:
        """Return all specifications.

        Raises:
            ConfigurationError: with every problem of every file.
        """
        if self.problems:
            self._refuse(self.listed)
        return self.found

    def _refuse(self, problems: Iterable[str]) -> None:
        raise ConfigurationError(f"catalogue {self.folder.parent}", problems=tuple(problems))


def read_datasets(catalog: Path) -> Loaded[DatasetSpecification]:
    """Return the dataset specifications, with the problems of each file.

    Raises:
        ConfigurationError: there is no such catalogue.
    """
    names_in(catalog, DATASETS)
    loaded = read_specifications(catalog / DATASETS, DatasetSpecification)
    for name, specification in loaded.found.items():
        loaded.add(name, _file_problems(catalog, name, specification))
    _check_tables(loaded)
    _check_views(loaded)
    return loaded


def load_datasets(catalog: Path) -> dict[str, DatasetSpecification]:
    """Return all dataset specifications, by name.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    return read_datasets(catalog).all()


def declared_types(catalog: Path, query_id: str) -> dict[str, str]:
    """Return the types that the first dataset with a query declares, by header; {} without one.

    Problems of the catalogue do not matter: what it says about a result is only additional.
    """
    found = read_specifications(catalog / DATASETS, DatasetSpecification).valid
    for each in found.values():
        if query_id in each.query_ids():
            return {column.nql: column.type.value for column in each.columns}
    return {}


def load_dataset(catalog: Path, dataset: str) -> DatasetSpecification:
    """Return one dataset's specification; problems of others do not matter.

    Other files are read only where the dataset lands in a table, which another one may name too.

    Raises:
        UsageError: no such dataset; the message lists those there are.
        ConfigurationError: with every problem of the dataset.
    """
    path = catalog / "datasets" / f"{dataset}.yaml"
    if re.fullmatch(DATASET_PATTERN, dataset) and path.is_file():
        specification, problems = _read(path, DatasetSpecification)
        if specification:
            problems += _file_problems(catalog, path.stem, specification)
        if problems:
            raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
        if specification and not specification.sql:
            return specification
    return read_datasets(catalog).one(dataset, "dataset")


def read_specifications(folder: Path, kind: type[AnySpecification]) -> Loaded[AnySpecification]:
    """Return what a folder's YAML files say, and all problems of those that cannot be read."""
    loaded = Loaded[AnySpecification](folder)
    for path in sorted(folder.glob("*.yaml")):
        specification, problems = _read(path, kind)
        loaded.add(path.stem, problems)
        if specification:
            loaded.found[path.stem] = specification
    return loaded


def read_raw(path: Path) -> Mapping[Any, Any]:
    """Return the mapping in a YAML file as it is; an empty one if there is none."""
    try:
        raw = read_yaml(path)
    except UNREADABLE:
        return {}
    return raw if isinstance(raw, Mapping) else {}


def query_path(catalog: Path, query_id: str) -> Path:
    """Return where the text of a saved query is."""
    return catalog / "queries" / f"{query_id.removeprefix('#')}.nql"


def query_problems(catalog: Path, query_ids: Iterable[str]) -> list[str]:
    """Return which saved queries are missing or cannot be read."""
    problems = []
    for path in (query_path(catalog, query_id) for query_id in query_ids):
        name = f"queries/{path.name}"
        try:
            if not path.exists():
                problems.append(
                    f"no saved query {name}: write it, or nxp add '#{path.stem}' copies it if the "
                    "library has it"
                )
            elif not read_catalogue_text(path).strip():
                problems.append(f"{name}: it is empty")
        except UNREADABLE as error:
            problems.append(f"{name}: {why_unreadable(error)}")
    return problems


def _read(path: Path, kind: type[AnySpecification]) -> tuple[AnySpecification | None, list[str]]:
    try:
        return _validated(kind, read_catalogue_text(path)), []
    except UNREADABLE as error:
        return None, [f"{path.name}: {why_unreadable(error)}"]
    except ValidationError as error:
        return None, [f"{path.name}: {_describe(problem)}" for problem in error.errors()]


# Cached by the text itself, which is always right: a command needs most files more than once, and a
# worker that lives for weeks sees every change.
@lru_cache(TEXTS_KEPT)
def _validated(kind: type[AnySpecification], text: str) -> AnySpecification:
    return kind.model_validate(parse_yaml(text))


def _file_problems(catalog: Path, name: str, specification: DatasetSpecification) -> list[str]:
    problems = []
    if specification.dataset != name:
        problems.append(f"dataset {specification.dataset!r} is not the file's name")
    problems += query_problems(catalog, specification.query_ids())
    return [f"{name}.yaml: {problem}" for problem in problems]


def _check_tables(loaded: Loaded[DatasetSpecification]) -> None:
    owners: dict[tuple[str | None, str], str] = {}
    for name, specification in loaded.found.items():
        if not (sql := specification.sql):
            continue
        table = (sql.schema_, sql.table or name)
        if table in owners:
            problem = f"{name}.yaml: {owners[table]} lands in the same table {table[1]}"
            loaded.clash(name, owners[table], problem)
        owners.setdefault(table, name)
    loaded.settle()


def _check_views(loaded: Loaded[DatasetSpecification]) -> None:
    """Record the datasets named as a view of another: `nxp sql` shows all snapshots under it."""
    for name, specification in loaded.found.items():
        view = f"{name}_history"
        if specification.mode is Mode.SNAPSHOT and view in loaded.found:
            problem = f"{view}.yaml: nxp sql has a view of that name, of all snapshots of {name}"
            loaded.clash(view, name, problem)
    loaded.settle()


def _describe(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else str(text)
