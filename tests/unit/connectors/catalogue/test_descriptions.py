"""What a dataset says of itself: read, checked, and without effect on what lands."""

from pathlib import Path

import pytest

from connectors.catalogue import DatasetSpecification, load_dataset
from connectors.errors import ConfigurationError
from nxp.catalogue import read_catalogue
from tests.unit.connectors.catalogue.test_catalogue import catalogue_with

DESCRIBED = """
dataset: things
title: Things
description: >
  Everything that is one,
  in any place.
grain: one row per thing and snapshot
owner: Workplace analytics
tags: [inventory, daily]
topic: Inventory
query_id: "#things"
mode: snapshot
columns:
  - {nql: thing.uid, name: uid, key: true, description: "Its id, forever."}
  - {nql: thing.owner, name: owner, personal: true, references: people.uid}
  - {nql: thing.size, name: size, type: bytes, unit: bytes}
  - {nql: thing.version, name: version, sortable: version}
derive:
  kilobytes: {is: size / 1000, description: The size again., unit: kB, personal: true}
  megabytes: size / 1000000
"""


def test_a_dataset_and_its_columns_are_described(tmp_path: Path) -> None:
    things = load_dataset(catalogue_with(tmp_path, DESCRIBED), "things")
    assert (things.title, things.topic, things.tags) == (
        "Things",
        "Inventory",
        ("inventory", "daily"),
    )
    assert things.description == "Everything that is one, in any place."
    assert things.owner == "Workplace analytics"
    said = {
        column.name: (column.description, column.unit, column.references, column.personal)
        for column in things.known_columns
    }
    assert said == {
        "uid": ("Its id, forever.", None, None, False),
        "owner": (None, None, "people.uid", True),
        "size": (None, "bytes", None, False),
        "version": (None, None, None, False),
        "kilobytes": ("The size again.", "kB", None, True),
        "megabytes": (None, None, None, False),
    }
    assert [column.name for column in things.known_columns if column.sortable] == ["version"]


@pytest.mark.parametrize(
    ("line", "wrong", "words"),
    [
        ("title: Things", "title: ''", "title: must not be empty"),
        ("title: Things", "title: [Things]", "title: "),
        ("title: Things", f"title: {'x' * 201}", "title: "),
        ("title: Things", 'title: "a\\u001bb"', "title: has a control character"),
        ("unit: bytes", 'unit: "  "', "columns.2.unit: must not be empty"),
        ("tags: [inventory, daily]", "tags: inventory", "tags: "),
        ("tags: [inventory, daily]", "tags: [daily, daily]", "tags: daily is given twice"),
        ("people.uid", "people", "columns.1.references: "),
        ("people.uid", "People.uid", "columns.1.references: "),
        ("sortable: version", "sortable: natural", "columns.3.sortable: "),
        (
            "sortable: version",
            "type: int, sortable: version",
            "columns.3: sortable: version is for",
        ),
        ("personal: true, references", "personal: maybe, references", "columns.1.personal: "),
        ("unit: kB", "sortable: version", "derive.kilobytes: sortable: version is for text"),
        ("megabytes: size / 1000000", "megabytes: {unit: MB}", "derive.megabytes.is: "),
        ("megabytes: size / 1000000", "megabytes: 5", "derive.megabytes: must be a valid string"),
        ("unit: kB", "key: true", "derive.kilobytes.key: "),
    ],
)
def test_a_wrong_description_is_named_in_one_line(
    tmp_path: Path, line: str, wrong: str, words: str
) -> None:
    assert DESCRIBED.count(line) == 1
    with pytest.raises(ConfigurationError) as raised:
        load_dataset(catalogue_with(tmp_path, DESCRIBED.replace(line, wrong)), "things")
    (problem,) = raised.value.problems
    assert problem.startswith(f"things.yaml: {words}")
    assert "\n" not in problem


def test_references_are_checked_as_far_as_the_catalogue_knows_the_other(tmp_path: Path) -> None:
    catalogue_with(tmp_path, DESCRIBED)
    unknown = "things.yaml: the column owner references people.uid"
    read = read_catalogue(tmp_path)
    assert (read.problems, read.notes) == ([], [])

    people = DESCRIBED.replace("dataset: things", "dataset: people")
    catalogue_with(tmp_path, people, "people")
    read = read_catalogue(tmp_path)
    assert (read.problems, read.notes) == ([], [])
    catalogue_with(tmp_path, DESCRIBED.replace("people.uid", "peoples.uid"))
    (note,) = read_catalogue(tmp_path).notes
    assert note.endswith(
        "references peoples.uid: the catalogue has no peoples; did you mean people?"
    )
    catalogue_with(tmp_path, DESCRIBED)

    catalogue_with(tmp_path, people.replace("name: uid", "name: id"), "people")
    assert f"{unknown}, but people.yaml has no column uid" in read_catalogue(tmp_path).problems
    # Readers are misled by it; an export is not.
    assert load_dataset(tmp_path, "things").columns

    # A dataset that cannot be read has a problem of its own.
    catalogue_with(tmp_path, "nothing", "people")
    assert not [each for each in read_catalogue(tmp_path).problems if unknown in each]


def test_what_is_said_of_a_column_stays_with_it_wherever_it_lands() -> None:
    things = DatasetSpecification.model_validate(
        {
            "dataset": "things",
            "query_id": "#things",
            "mode": "snapshot",
            "title": "Things",
            "columns": [{"nql": "thing.size", "name": "size", "type": "int", "unit": "MB"}],
            "derive": {"n": {"is": "size * 2", "unit": "MB"}},
        }
    )
    landing = things.landing(things.known_columns)
    assert [column.unit for column in landing.known_columns] == ["MB", "MB"]
    assert landing.title == "Things"
