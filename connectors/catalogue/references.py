"""Whether the columns that others reference are there."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from connectors.catalogue.dataset import DatasetSpecification

# Names this near are those of one dataset, misspelt.
_NEAR: Final = 0.8


def reference_findings(
    datasets: Mapping[str, DatasetSpecification], names: list[str]
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the references of columns, and notes on those that look misspelt.

    A dataset that the catalogue does not have is nothing wrong: a column may refer to one that
    nobody needs here.

    Args:
        datasets: the specifications, by the names of their files.
        names: all datasets of the catalogue, also those that cannot be read.
    """
    problems: list[str] = []
    notes: list[str] = []
    for name, specification in datasets.items():
        for column in specification.known_columns:
            if column.references is None:
                continue
            dataset, _, referred = column.references.partition(".")
            if dataset not in names:
                if near := get_close_matches(dataset, names, n=1, cutoff=_NEAR):
                    notes.append(
                        f"{name}.yaml: the column {column.name} references {column.references}: "
                        f"the catalogue has no {dataset}; did you mean {near[0]}?"
                    )
            elif dataset in datasets and not _may_have(datasets[dataset], referred):
                problems.append(
                    f"{name}.yaml: the column {column.name} references {column.references}, but "
                    f"{dataset}.yaml has no column {referred}"
                )
    return problems, notes


def _may_have(specification: DatasetSpecification, column: str) -> bool:
    """Return whether a dataset may land a column: what a transform returns is not known here."""
    known = {each.name for each in specification.known_columns}
    return column in known or specification.transform is not None
