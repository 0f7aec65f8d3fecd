"""Whether the columns that others reference are there."""

from collections.abc import Mapping

from connectors.catalogue.dataset import DatasetSpecification


def reference_findings(
    datasets: Mapping[str, DatasetSpecification], names: list[str]
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the references of columns, and notes on those not to be checked.

    Args:
        datasets: the specifications, by the names of their files.
        names: all datasets of the catalogue, also those that cannot be read.
    """
    problems: list[str] = []
    missing: dict[str, list[str]] = {}
    for name, specification in datasets.items():
        for column in specification.known_columns:
            if column.references is None:
                continue
            dataset, _, referred = column.references.partition(".")
            if dataset not in names:
                missing.setdefault(dataset, []).append(f"{name}.{column.name}")
            elif dataset in datasets and not _may_have(datasets[dataset], referred):
                problems.append(
                    f"{name}.yaml: the column {column.name} references {column.references}, but "
                    f"{dataset}.yaml has no column {referred}"
                )
    notes = [
        f"{dataset}: the catalogue does not have it, and {', '.join(columns)} "
        f"{'refers' if len(columns) == 1 else 'refer'} to it"
        for dataset, columns in missing.items()
    ]
    return problems, notes


def _may_have(specification: DatasetSpecification, column: str) -> bool:
    """Return whether a dataset may land a column: what a transform returns is not known here."""
    known = {each.name for each in specification.known_columns}
    return column in known or specification.transform is not None
