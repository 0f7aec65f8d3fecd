"""The columns of the library's datasets: the same thing has the same name everywhere."""

from collections import defaultdict

from connectors.catalogue import DatasetSpecification, read_specifications
from nxp.library import LIBRARY

DATASETS = read_specifications(LIBRARY / "datasets", DatasetSpecification).all()
# Headers of objects that rows belong to, not of the tables' own fields.
SHARED = ("device.", "user.", "binary.", "application.", "package.", "alert.monitor.")


def test_a_field_of_an_object_lands_under_one_name_in_all_datasets() -> None:
    names = defaultdict[str, set[str]](set)
    for specification in DATASETS.values():
        for column in specification.columns:
            if column.nql.startswith(SHARED):
                names[column.nql].add(column.name)
    assert {nql: found for nql, found in names.items() if len(found) > 1} == {}


def test_uids_refer_to_the_inventory_that_has_them_and_both_have_one_type() -> None:
    for specification in DATASETS.values():
        for column in specification.columns:
            dataset, _, referred = (column.references or "").partition(".")
            if dataset not in DATASETS:
                continue
            there = {each.name: each for each in DATASETS[dataset].columns}[referred]
            assert (column.name, column.nql, column.type) == (there.name, there.nql, there.type)
