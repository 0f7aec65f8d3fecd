"""Reading the catalogue's files; all problems of all files are reported at once."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from connectors.catalogue.dataset import DATASET_PATTERN, DatasetSpecification
from connectors.catalogue.specification import Specification
from connectors.catalogue.yaml_text import parse_yaml
from connectors.errors import ConfigurationError, UsageError

# The folders that connectors.syncs and connectors.actions read.
SYNCS = "syncs"
ACTIONS = "actions"
# More than any catalogue has files.
TEXTS_KEPT = 4_096

AnySpecification = TypeVar("AnySpecification", bound=Specification)


def load_datasets(catalog: Path) -> dict[str, DatasetSpecification]:
    """Return all dataset specifications, by name.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    folder = catalog / "datasets"
    if not folder.is_dir():
        raise ConfigurationError(f"no folder {folder}: set NXP_CATALOG to the catalogue")
    found: dict[str, DatasetSpecification] = {}
    read, problems = read_specifications(folder, DatasetSpecification)
    for path, specification in read.items():
        problems += _file_problems(catalog, path, specification)
        found[specification.dataset] = specification
    problems += _shared_tables(found)
    if problems:
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
    return found


def load_dataset(catalog: Path, dataset: str) -> DatasetSpecification:
    """Return one dataset's specification, reading other files only if necessary.

    It is not where the dataset lands in a table, which another one may name too.

    Raises:
        UsageError: no such dataset; the message lists those there are.
        ConfigurationError: with every problem of the dataset, or of all where all were read.
    """
    path = catalog / "datasets" / f"{dataset}.yaml"
    if re.fullmatch(DATASET_PATTERN, dataset) and path.is_file():
        specification, problems = _read(path, DatasetSpecification)
        if specification:
            problems += _file_problems(catalog, path, specification)
        if problems:
            raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
        if specification and not specification.sql:
            return specification
    datasets = load_datasets(catalog)
    if dataset not in datasets:
        known = ", ".join(datasets) or "none"
        raise UsageError(f"unknown dataset {dataset!r}: the catalogue has {known}")
    return datasets[dataset]


def read_specifications(
    folder: Path, kind: type[AnySpecification]
) -> tuple[dict[Path, AnySpecification], list[str]]:
    """Return the valid specifications of a folder's YAML files, and all problems of the others."""
    found: dict[Path, AnySpecification] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        specification, wrong = _read(path, kind)
        problems += wrong
        if specification:
            found[path] = specification
    return found, problems


def query_path(catalog: Path, query_id: str) -> Path:
    """Return where the text of a saved query is."""
    return catalog / "queries" / f"{query_id.removeprefix('#')}.nql"


def _read(path: Path, kind: type[AnySpecification]) -> tuple[AnySpecification | None, list[str]]:
    try:
        return _validated(kind, path.read_text("utf-8")), []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return None, [f"{path.name}: {' '.join(str(error).split())}"]
    except ValidationError as error:
        return None, [f"{path.name}: {_describe(problem)}" for problem in error.errors()]


# Cached by the text itself, which is always right: a command needs most files more than once, and a
# worker that lives for weeks sees every change.
@lru_cache(TEXTS_KEPT)
def _validated(kind: type[AnySpecification], text: str) -> AnySpecification:
    return kind.model_validate(parse_yaml(text))


def _file_problems(catalog: Path, path: Path, specification: DatasetSpecification) -> list[str]:
    problems = []
    if specification.dataset != path.stem:
        problems.append(f"{path.name}: dataset {specification.dataset!r} is not the file's name")
    queries = [query_path(catalog, query_id) for query_id in specification.query_ids()]
    problems += [
        f"{path.name}: no saved query queries/{query.name}"
        for query in queries
        if not query.is_file()
    ]
    return problems


def _shared_tables(datasets: dict[str, DatasetSpecification]) -> list[str]:
    owners: dict[tuple[str | None, str], str] = {}
    problems = []
    for name, specification in datasets.items():
        if not (sql := specification.sql):
            continue
        table = (sql.schema_, sql.table or name)
        if table in owners:
            problems.append(f"{name}.yaml: {owners[table]} lands in the same table {table[1]}")
        owners.setdefault(table, name)
    return problems


def _describe(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else str(text)
