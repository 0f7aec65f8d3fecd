"""What is wrong with one file of the catalogue stops only that one, and is said with its line."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from connectors.actions import load_action, read_actions
from connectors.catalogue import load_dataset, load_datasets, read_datasets
from connectors.catalogue.yaml_text import MOST_BYTES, parse_yaml
from connectors.errors import ConfigurationError, UsageError
from connectors.syncs import load_sync, load_syncs, read_syncs
from nxp.catalogue import read_catalogue
from nxp.deployment.automations import load_automations
from nxp.deployment.files import load_deployments
from tests.landing import CATALOG

BOMB = "a: &a [1,2,3,4,5,6,7,8,9]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "x: &x {a: 1}\n" + "".join(
    f"y{n}: &y{n} {{<<: [{', '.join([f'*y{n - 1}' if n else '*x'] * 9)}]}}\n" for n in range(8)
)
BROKEN = {
    "a typo": (b"mode: [snapshot\n", "line"),
    "deep": (b"columns: " + b"[" * 100_000, "nested more than 40 levels deep (line 1"),
    "deep in blocks": (b"- " * 5_000 + b"x", "nested more than"),
    "deep in mappings": (b"{a: " * 5_000, "nested more than"),
    "a bomb": (BOMB.encode(), "aliases that repeat more than 200,000 values (line"),
    "a bomb of merges": (MERGED.encode(), "aliases that repeat more than"),
    "itself": (b"dataset: &a [*a]\n", "an alias that contains itself (line 1"),
    "huge": (b"#" * (MOST_BYTES + 1), "larger than 1,048,576 bytes"),
    "latin1": ("a: 1\ntitle: Zürich".encode("latin-1"), "it is not UTF-8 (line 2)"),
    "a bell": (b"a: 1\nb: 2\ntitle: \x07", "a character that YAML does not allow (line 3"),
    "no date": (b"a: 1\nwindow: 2026-13-45\n", "none of its type (line 2"),
    "a long number": (b"every: " + b"1" * 5_000, "none of its type (line 1"),
    "nothing": (b"", ""),
    "a word": (b"users", ""),
}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    made = tmp_path / "catalog"
    shutil.copytree(CATALOG, made)
    return made


each_break = pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)


@each_break
def test_a_broken_dataset_stops_only_itself(catalog: Path, content: bytes, said: str) -> None:
    (catalog / "datasets" / "users.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"users\.yaml: ") as caught:
        load_dataset(catalog, "users")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert load_dataset(catalog, "devices").dataset == "devices"
    read = read_datasets(catalog)
    assert list(read.problems) == ["users"]
    assert read.names == sorted(load_datasets(CATALOG))
    # It looks people up in nothing else.
    assert load_sync(catalog, "cmdb_devices")


@pytest.mark.parametrize("kind", ["syncs/cmdb_devices.yaml", "actions/replace_device.yaml"])
@pytest.mark.parametrize("how", ["a typo", "deep", "latin1"])
def test_a_broken_sync_or_action_stops_only_itself(catalog: Path, kind: str, how: str) -> None:
    content, said = BROKEN[how]
    (catalog / kind).write_bytes(content)
    assert load_sync(catalog, "hr_users") or kind.startswith("actions")
    assert load_action(catalog, "free_disk_space")
    load: Callable[[Path, str], object] = load_sync if kind.startswith("syncs") else load_action
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        load(catalog, Path(kind).stem)


@pytest.mark.parametrize("how", ["deep", "a bomb", "no date"])
def test_the_files_of_deployments_have_the_same_limits(catalog: Path, how: str) -> None:
    content, said = BROKEN[how]
    for file in ("prefect.yaml", "automations.yaml"):
        (catalog / file).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"prefect\.yaml: ") as caught:
        load_deployments(catalog)
    assert said in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"automations\.yaml: ") as caught:
        load_automations(catalog, [])
    assert said in str(caught.value)


def missing(path: Path) -> None:
    path.unlink()


def latin(path: Path) -> None:
    path.write_bytes("devices /* Zürich */".encode("latin-1"))


def empty(path: Path) -> None:
    path.write_bytes(b" \n")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("break_it", [missing, latin, empty, folder, dangling, pipe])
def test_a_broken_query_stops_only_what_needs_it(
    catalog: Path, break_it: Callable[[Path], None]
) -> None:
    break_it(catalog / "queries" / "crashes.nql")
    with pytest.raises(ConfigurationError, match=r"crashes\.yaml: .*queries/crashes\.nql"):
        load_dataset(catalog, "crashes")
    assert load_dataset(catalog, "users")
    assert list(read_datasets(catalog).problems) == ["crashes"]
    break_it(catalog / "queries" / "hr_users_readback.nql")
    break_it(catalog / "queries" / "full_disks.nql")
    assert list(read_syncs(catalog).problems) == ["hr_users"]
    assert list(read_actions(catalog).problems) == ["free_disk_space"]
    assert len(read_catalogue(catalog).problems) == 3


@pytest.mark.parametrize("break_it", [folder, dangling, pipe])
def test_what_is_no_file_is_a_problem_of_its_own(
    catalog: Path, break_it: Callable[[Path], None]
) -> None:
    break_it(catalog / "datasets" / "users.yaml")
    with pytest.raises(ConfigurationError, match=r"users\.yaml: it cannot be read: "):
        load_dataset(catalog, "users")
    assert load_dataset(catalog, "devices")


def test_all_problems_of_all_kinds_are_listed_each_once(catalog: Path) -> None:
    (catalog / "datasets" / "devices.yaml").write_text("dataset: devices\nmode: weekly\n")
    (catalog / "syncs" / "hr_users.yaml").write_text("[1")
    (catalog / "actions" / "restart_consent.yaml").write_text("action: x\n")
    read = read_catalogue(catalog)
    files = {problem.partition(":")[0] for problem in read.problems}
    assert files == {"devices.yaml", "hr_users.yaml", "restart_consent.yaml"}
    assert len(read.problems) == len(set(read.problems))
    assert sorted(read.datasets) == sorted(set(load_datasets(CATALOG)) - {"devices"})
    assert "restart_agreed" not in read.actions
    assert "restart_service" in read.actions


def test_a_sync_that_looks_up_in_a_broken_dataset_says_which(catalog: Path) -> None:
    inventories = {name: each.inventory for name, each in load_syncs(CATALOG).items()}
    name, inventory = next((name, each) for name, each in inventories.items() if each)
    (catalog / "datasets" / f"{inventory.dataset}.yaml").write_text("[")
    with pytest.raises(ConfigurationError, match=rf"{inventory.dataset}\.yaml: "):
        load_sync(catalog, name)


def copied(catalog: Path, name: str, change: Callable[[str], str] = lambda text: text) -> None:
    """Copy a shipped sync under another name; it writes the same fields."""
    text = (catalog / "syncs" / "cmdb_devices.yaml").read_text()
    text = text.replace("sync: cmdb_devices", f"sync: {name}")
    (catalog / "syncs" / f"{name}.yaml").write_text(change(text))


def test_two_syncs_that_write_one_field_are_both_refused(catalog: Path) -> None:
    copied(catalog, "again")
    for name in ("again", "cmdb_devices"):
        with pytest.raises(ConfigurationError, match=r"cmdb_devices\.yaml: again writes"):
            load_sync(catalog, name)
    assert load_sync(catalog, "hr_users")


def test_a_broken_sync_that_writes_the_same_fields_stops_only_itself(catalog: Path) -> None:
    copied(catalog, "again", lambda text: text + "\ntpyo: 1\n")
    assert load_sync(catalog, "cmdb_devices")
    problems = read_syncs(catalog).problems
    assert list(problems) == ["again"]
    assert any("tpyo" in problem for problem in problems["again"])
    assert any(" writes " in problem for problem in problems["again"])


def test_two_datasets_in_one_table_are_both_refused_and_no_third(catalog: Path) -> None:
    for name in ("devices", "users"):
        file = catalog / "datasets" / f"{name}.yaml"
        file.write_text(file.read_text() + "\nlandings: [{sql: {table: t}}]\n")
    file = catalog / "datasets" / "crashes.yaml"
    file.write_text(file.read_text() + "\nlandings: [sql]\n")
    for name in ("devices", "users"):
        with pytest.raises(ConfigurationError, match="lands in the same table t"):
            load_dataset(catalog, name)
    assert load_dataset(catalog, "crashes").sql


def test_a_dataset_named_as_a_view_of_another_is_refused(catalog: Path) -> None:
    text = (catalog / "datasets" / "crashes.yaml").read_text()
    renamed = text.replace("dataset: crashes", "dataset: devices_history")
    (catalog / "datasets" / "devices_history.yaml").write_text(renamed)
    with pytest.raises(ConfigurationError, match="a view of that name, of all snapshots"):
        load_datasets(catalog)


def test_an_unknown_name_lists_also_those_with_problems(catalog: Path) -> None:
    (catalog / "datasets" / "users.yaml").write_text("[")
    with pytest.raises(UsageError, match="users"):
        load_dataset(catalog, "nope")


def test_plain_aliases_are_allowed() -> None:
    text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n"
    assert parse_yaml(text) == yaml.safe_load(text)
