"""Reading the catalogue's files, with all problems of all files told at once."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from connectors.catalogue.dataset import DatasetSpecification
from connectors.catalogue.specification import Specification
from connectors.errors import ConfigurationError, UsageError

# The folders of what connectors.syncs and connectors.actions read.
SYNCS = "syncs"
ACTIONS = "actions"

AnySpecification = TypeVar("AnySpecification", bound=Specification)


def load_datasets(catalog: Path) -> dict[str, DatasetSpecification]:
    """Read all dataset specifications, by name.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    folder = catalog / "datasets"
    if not folder.is_dir():
        raise ConfigurationError(f"no folder {folder}: set NXP_CATALOG to the catalogue")
    found: dict[str, DatasetSpecification] = {}
    read, problems = read_specifications(folder, DatasetSpecification)
    for path, specification in read.items():
        if specification.dataset != path.stem:
            problems.append(f"{path.name}: dataset {specification.dataset!r} is not the file's")
        queries = [query_path(catalog, query_id) for query_id in specification.query_ids()]
        problems += [
            f"{path.name}: no saved query queries/{query.name}"
            for query in queries
            if not query.is_file()
        ]
        found[specification.dataset] = specification
    problems += _shared_tables(found)
    if problems:
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
    return found


def read_specifications(
    folder: Path, kind: type[AnySpecification]
) -> tuple[dict[Path, AnySpecification], list[str]]:
    """Read the YAML files of a folder: those that are valid, and all problems of the others."""
    found: dict[Path, AnySpecification] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            found[path] = kind.model_validate(_read_yaml(path.read_text("utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            problems.append(f"{path.name}: {' '.join(str(error).split())}")
        except ValidationError as error:
            problems += [f"{path.name}: {_describe(problem)}" for problem in error.errors()]
    return found, problems


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: YAML would drop the first one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        met: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in met:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value} stands twice", key.start_mark
                )
            met.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def _read_yaml(text: str) -> Any:
    return _Loader(text).get_single_data()


def load_dataset(catalog: Path, dataset: str) -> DatasetSpecification:
    """Read one dataset's specification.

    Raises:
        UsageError: no such dataset; names those there are.
    """
    datasets = load_datasets(catalog)
    if dataset not in datasets:
        known = ", ".join(datasets) or "none"
        raise UsageError(f"unknown dataset {dataset!r}: the catalogue has {known}")
    return datasets[dataset]


def query_path(catalog: Path, query_id: str) -> Path:
    """Where the text of a saved query lives."""
    return catalog / "queries" / f"{query_id.removeprefix('#')}.nql"


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
