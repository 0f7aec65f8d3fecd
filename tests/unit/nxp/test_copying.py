"""Copying datasets of the library into a project."""

from pathlib import Path

import pytest

from connectors.catalogue import load_datasets
from connectors.errors import StorageError, UsageError
from nxp.library import LIBRARY
from nxp.library.contents import Library
from nxp.project.copying import Copied, plan_copies, write_copies


def copied(names: list[str], project: Path) -> Copied:
    """Copy parts of the library as `nxp add` does."""
    library = Library()
    planned = plan_copies(library, library.complete(names), project)
    write_copies(library, planned, project)
    return planned


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_dataset_comes_with_its_saved_queries_and_loads(tmp_path: Path) -> None:
    done = copied(["devices", "device_performance"], tmp_path)
    assert {str(path) for path in done.written} == files_of(tmp_path)
    assert files_of(tmp_path) >= {"datasets/devices.yaml", "queries/device_performance_7d.nql"}
    assert set(load_datasets(tmp_path)) == {"devices", "device_performance"}
    for name in files_of(tmp_path):
        assert (tmp_path / name).read_bytes() == (LIBRARY / name).read_bytes()


def test_what_is_there_already_is_kept_and_what_differs_stops_it_all(tmp_path: Path) -> None:
    copied(["devices"], tmp_path)
    again = copied(["devices"], tmp_path)
    assert not again.written
    assert Path("datasets/devices.yaml") in again.kept
    (tmp_path / "queries" / "users.nql").symlink_to(tmp_path / "nowhere")
    (tmp_path / "queries" / "devices.nql").write_text("devices | list device.name")
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match=r"queries/users\.nql, queries/devices\.nql already"):
        copied(["users", "devices", "crashes"], tmp_path)
    assert files_of(tmp_path) == before


def test_an_unknown_name_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the library has no 'crahses': did you mean crashes\?"):
        copied(["users", "crahses"], tmp_path)
    assert files_of(tmp_path) == set()


def test_a_file_in_place_of_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "datasets").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        copied(["users"], tmp_path)
