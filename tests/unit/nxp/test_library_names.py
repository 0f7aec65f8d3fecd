"""The columns of the library's datasets: described, and the same thing has one name everywhere."""

from collections import defaultdict

from connectors.catalogue import ColumnType, DatasetSpecification, read_specifications
from nxp.library import LIBRARY

DATASETS = read_specifications(LIBRARY / "datasets", DatasetSpecification).all()
COLUMNS = [(name, column) for name, each in DATASETS.items() for column in each.columns]
# Headers of objects that rows belong to, not of the tables' own fields.
SHARED = ("device.", "user.", "binary.", "application.", "package.", "alert.monitor.")
NAMING = (
    "user_name",
    "username",
    "full_name",
    "email",
    "upn",
    "sid",
    "account_name",
    "local_ip",
    "user_uid",
)


def test_every_dataset_and_column_is_described_and_every_measure_has_its_unit() -> None:
    for name, each in DATASETS.items():
        assert all((each.title, each.description, each.grain, each.topic, each.tags)), name
        assert all((each.rows, each.permission, each.evidence)), name
    bare = [f"{name}.{column.name}" for name, column in COLUMNS if not column.description]
    assert bare == []
    measures = (ColumnType.BYTES, ColumnType.DURATION)
    units = {(column.type, column.unit) for _, column in COLUMNS if column.type in measures}
    assert units == {(ColumnType.BYTES, "bytes"), (ColumnType.DURATION, "seconds")}


def test_a_measure_lands_under_a_name_with_its_unit() -> None:
    endings = {ColumnType.BYTES: "_bytes", ColumnType.DURATION: "_seconds"}
    for name, column in COLUMNS:
        assert column.name.endswith(endings.get(column.type, "")), f"{name}.{column.name}"


def test_columns_that_name_people_are_marked_as_personal() -> None:
    naming = [(name, column) for name, column in COLUMNS if column.name.endswith(NAMING)]
    assert len(naming) > len(NAMING) - 1
    assert [(name, column.name) for name, column in naming if not column.personal] == []


def test_a_field_of_an_object_lands_under_one_name_in_all_datasets() -> None:
    names = defaultdict[str, set[str]](set)
    for _, column in COLUMNS:
        if column.nql.startswith(SHARED):
            names[column.nql].add(column.name)
    assert {nql: found for nql, found in names.items() if len(found) > 1} == {}


def test_references_are_to_columns_of_the_same_name_header_and_type() -> None:
    referring = [(name, column) for name, column in COLUMNS if column.references]
    assert len(referring) > len(DATASETS)
    for name, column in referring:
        dataset, _, referred = (column.references or "").partition(".")
        there = {each.name: each for each in DATASETS[dataset].columns}[referred]
        assert (column.name, column.nql, column.type) == (there.name, there.nql, there.type), name
