"""Reading dataset specifications."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.catalogue import landed_name, load_dataset, load_datasets, parse_duration
from connectors.errors import ConfigurationError, UsageError
from tests.landing import CATALOG


def catalogue_with(tmp_path: Path, text: str, name: str = "things") -> Path:
    (tmp_path / "datasets").mkdir(exist_ok=True)
    (tmp_path / "queries").mkdir(exist_ok=True)
    (tmp_path / "queries" / "things.nql").write_text("devices")
    (tmp_path / "datasets" / f"{name}.yaml").write_text(text)
    return tmp_path


GOOD = """
dataset: things
query_id: "#things"
mode: snapshot
columns: [{nql: thing.uid}, {nql: thing.sha-256_hash_hex}]
"""


def test_the_shipped_catalogue_is_valid() -> None:
    assert set(load_datasets(CATALOG)) == {"devices", "users", "execution_events", "crashes"}


def test_columns_take_their_landed_name_from_the_header(tmp_path: Path) -> None:
    specification = load_dataset(catalogue_with(tmp_path, GOOD), "things")
    assert [c.name for c in specification.columns] == ["thing_uid", "thing_sha_256_hash_hex"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("mode: snapshot", "mode: weekly"),
        ("mode: snapshot", "mode: window"),
        ("mode: snapshot", "mode: snapshot\nunknown: 1"),
        ('"#things"', "things"),
        ('"#things"', '"#nothing"'),
        ("dataset: things", "dataset: others"),
        ("{nql: thing.uid}", "{nql: thing.uid, name: date}"),
        ("{nql: thing.uid}", "{nql: thing.uid, type: text}"),
        ("{nql: thing.uid}", "{nql: thing.sha.256.hash_hex}"),
        ("mode: snapshot", "mode: snapshot\nevery: 7h"),
        ("mode: snapshot", "mode: [snapshot"),
    ],
)
def test_a_wrong_specification_is_refused_with_its_file_named(
    tmp_path: Path, change: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"things\.yaml"):
        load_datasets(catalogue_with(tmp_path, GOOD.replace(change, words)))


def test_the_problems_of_all_files_are_listed_at_once(tmp_path: Path) -> None:
    catalogue_with(tmp_path, "dataset: 1")
    with pytest.raises(ConfigurationError) as caught:
        load_datasets(catalogue_with(tmp_path, "[]", "others"))
    assert any(problem.startswith("others.yaml") for problem in caught.value.problems)
    assert sum(problem.startswith("things.yaml") for problem in caught.value.problems) > 2


def test_an_unknown_dataset_names_those_there_are(tmp_path: Path) -> None:
    shutil.copytree(CATALOG, tmp_path, dirs_exist_ok=True)
    with pytest.raises(UsageError, match="crashes, devices, execution_events, users"):
        load_dataset(tmp_path, "nope")


def test_names_are_lowered_and_runs_of_other_signs_are_one_underscore() -> None:
    assert landed_name("binary.sha-256_hash_hex") == "binary_sha_256_hash_hex"
    assert landed_name("Device.#Custom Field") == "device_custom_field"


def test_durations_are_read_with_their_unit() -> None:
    assert parse_duration("15min") == timedelta(minutes=15)
    assert parse_duration("8d") == timedelta(days=8)
    with pytest.raises(ValueError, match="duration"):
        parse_duration("8 days")
