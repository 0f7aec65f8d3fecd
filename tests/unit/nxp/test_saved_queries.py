"""`nxp check` compares what uses a saved query with its text; each problem is what a run hits."""

import shutil
from pathlib import Path

import pytest

from nxp.catalogue import Catalogue, read_catalogue
from tests.landing import CATALOG


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    shutil.copytree(CATALOG, folder)
    return folder


def test_the_catalogue_of_the_repository_fits_its_queries() -> None:
    read = read_catalogue(CATALOG)
    assert [each for each in (*read.problems, *read.notes) if "saved query" in each] == []


# File, what stands there, what is written instead, what is found.
PROBLEMS = (
    ("datasets/crashes.yaml", "from: from", "from: frm",
     "#crashes: it takes $from, which is not passed (passed, but not taken: frm)"),
    ("queries/crashes.nql", "$to", "$until", "it takes $until, which is not passed"),
    ("queries/crashes.nql", " and crash.time <= $to", "", "to is passed, but the query has no"),
    ("queries/crashes.nql", ">= $from", "<= $from", "$from is compared with <=; the window"),
    ("queries/execution_events.nql", "event.start_time >=", "event.end_time >=",
     "$from bounds execution.event.end_time; the window's column is execution.event.start"),
    ("queries/devices.nql", "device.uid, ", "", "does not list the key column device.uid"),
    ("queries/device_performance_3d.nql", "3d ago to 3d", "4d ago to 4d",
     "saved query #device_performance_3d: its time frame is not from 3d ago to 3d ago"),
    ("queries/cmdb_devices_readback.nql", "device.#asset_tag, ", "",
     "cmdb_devices.yaml: saved query #cmdb_devices_readback: does not list device.#asset_tag"),
    ("queries/cmdb_devices_readback.nql", "\n| list", "\n| where device.name = $n\n| list",
     "it takes $n, which is not passed"),
    ("queries/full_disks.nql", "device.collector.uid, ", "",
     "saved query #full_disks: does not list device.collector.uid"),
    ("queries/restart_overdue.nql", ">= 14", ">= $days", "it takes $days, which is not passed"),
    ("queries/workflow_executions.nql", "$from", "$since", "it takes $since, which is not"),
)  # fmt: skip
NOTES = (
    ("queries/devices.nql", "device.first_seen,", "", "so it lands as null"),
    ("queries/devices.nql", "device.first_seen", "device.first_seen, device.configuration_tag",
     "it lists device.configuration_tag, not declared here, so they land as text"),
    ("queries/devices.nql", "| list", "| top 5\n| list", "not understood here"),
    ("queries/devices.nql", "device.entity", "device.enttiy", "did you mean device.entity?"),
    ("queries/crashes.nql", "720h", "24h", "older windows would come without rows"),
)  # fmt: skip
Edit = tuple[str, str, str, str]


def rounds(edits: tuple[Edit, ...]) -> list[list[Edit]]:
    """Return the edits in groups that change each file at most once, to read it fewer times."""
    groups: list[list[Edit]] = []
    for edit in edits:
        free = (group for group in groups if all(stem(edit) != stem(other) for other in group))
        group = next(free, None)
        if group is None:
            groups.append(group := [])
        group.append(edit)
    return groups


def stem(edit: Edit) -> str:
    return Path(edit[0]).stem


def read_with(catalog: Path, edits: list[Edit]) -> Catalogue:
    for file, old, new, _ in edits:
        path = catalog / file
        text = path.read_text(encoding="utf-8")
        assert old in text, (file, old)
        path.write_text(text.replace(old, new), encoding="utf-8")
    return read_catalogue(catalog)


@pytest.mark.parametrize("edits", rounds(PROBLEMS))
def test_what_a_run_would_fail_with_is_a_problem_and_all_are_listed(
    catalog: Path, edits: list[Edit]
) -> None:
    read = read_with(catalog, edits)
    for *_, expected in edits:
        assert any(expected in problem for problem in read.problems), (expected, read.problems)
    # They can still be exported: an export reads its own dataset only.
    assert {"crashes", "devices"} <= read.datasets.keys()


@pytest.mark.parametrize("edits", rounds(NOTES))
def test_what_breaks_nothing_is_a_note(catalog: Path, edits: list[Edit]) -> None:
    read = read_with(catalog, edits)
    assert read.problems == []
    for *_, expected in edits:
        assert any(expected in note for note in read.notes), (expected, read.notes)
