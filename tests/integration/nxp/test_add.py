"""`nxp add`: what the library has, and what is copied from it."""

import json
from pathlib import Path

import pytest

from nxp.library import LIBRARY
from nxp.library.contents import Library
from tests.answers import validated
from tests.commands import Result, called


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NXP_CATALOG", str(tmp_path))
    monkeypatch.setenv("NXP_HOME", str(tmp_path / ".nxp"))
    return tmp_path


def add(capsys: pytest.CaptureFixture[str], *words: str) -> Result:
    return called("add", *words, capsys=capsys)


def files(project: Path) -> dict[str, bytes]:
    hidden = {".nxp", ".schemas"}
    found = (each for each in project.rglob("*") if each.is_file() and not hidden & {*each.parts})
    return {str(path.relative_to(project)): path.read_bytes() for path in found}


def test_the_library_is_listed_by_topic(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = validated("add", add(capsys, "--json").stdout)
    assert {each["name"] for each in listed} == Library().parts.keys()
    assert not any(each["is_added"] for each in listed)
    assert files(project) == {}
    shown = add(capsys).stdout
    for each in listed:
        assert f"\n{each['name']} " in shown
        assert f"{each['topic']}\nname" in shown
    add(capsys, "crashes")
    listed = validated("add", add(capsys, "--json").stdout)
    assert [each["name"] for each in listed if each["is_added"]] == ["crashes"]


def test_a_dataset_comes_with_every_saved_query(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = validated("add", add(capsys, "device_performance", "crashes", "--json").stdout)
    wanted = {"datasets/device_performance.yaml", "datasets/crashes.yaml", "queries/crashes.nql"}
    wanted |= {f"queries/device_performance_{days}d.nql" for days in range(1, 8)}
    # And with the questions that can be answered then.
    answered = ("full_disks", "memory_pressure", "binaries_that_crash_most")
    wanted |= {f"questions/{name}.sql" for name in answered}
    assert set(done["written"]) == wanted == files(project).keys()
    # Editors find the schema that the head of each file names.
    assert (project / ".schemas" / "dataset.json").is_file()
    assert all(text == (LIBRARY / file).read_bytes() for file, text in files(project).items())
    again = validated("add", add(capsys, "crashes", "--json").stdout)
    assert (again["written"], len(again["same"])) == ([], 3)


def test_an_action_comes_with_what_it_does_not_work_without(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "restart_chosen", "startup_report", "cmdb_devices", "#device_deletion")
    for file in (
        "actions/restart_choice.yaml",
        "datasets/startup_reports.yaml",
        "datasets/devices.yaml",
        "queries/cmdb_devices_readback.nql",
        "queries/device_deletion.nql",
        "queries/restart_overdue.nql",
    ):
        assert file in files(project)


def test_a_saved_query_that_a_project_lacks_is_added_by_its_id(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The dataset of this name lands another query.
    assert add(capsys, "#remote_action_executions", "action_devices", "#crashes").returncode == 0
    assert sorted(each.stem for each in (project / "queries").glob("*.nql")) == [
        "action_devices",
        "crashes",
        "remote_action_executions",
    ]
    assert [each.stem for each in (project / "datasets").glob("*.yaml")] == ["crashes"]


def test_a_project_with_an_action_alone_is_a_catalogue(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("INSTANCE", "REGION", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"NEXTHINK_{name}", "eu")
    add(capsys, "restart_chosen")
    assert called("check", capsys=capsys).returncode == 0
    assert (project / "datasets").is_dir()


def test_a_topic_is_added_whatever_its_case(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = validated("add", add(capsys, "--topic", "Inventory", "--json").stdout)
    assert done["parts"] == ["devices", "users"]
    assert {"datasets/devices.yaml", "queries/users.nql"} <= files(project).keys()


def test_nothing_is_written_where_a_file_differs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "crashes")
    for place in ("queries/crashes.nql", "datasets/users.yaml"):
        changed = project / place
        kept = changed.read_bytes() if changed.exists() else None
        changed.write_text("other: 1\n", "utf-8")
        before = files(project)
        done = add(capsys, "--all")
        assert (done.returncode, place in done.stderr) == (2, True)
        assert files(project) == before
        changed.unlink() if kept is None else changed.write_bytes(kept.replace(b"\n", b"\r\n"))
    assert add(capsys, "--all").returncode == 0


def test_a_dry_run_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = validated("add", add(capsys, "--all", "--dry-run", "--json").stdout)
    assert set(done["parts"]) == Library().datasets.keys()
    assert (files(project), done["dry_run"]) == ({}, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("crash",), "crashes"),
        (("crashes.yaml",), "crashes"),
        (("Devices", "devices"), "devices"),
        (("devces", "uzers"), "users"),
        (("--topic", "nothing"), "the library has"),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(
    project: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = add(capsys, *words)
    assert (done.returncode, said in done.stderr, done.stdout) == (2, True, "")
    assert files(project) == {}


def test_a_place_that_cannot_be_written_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "queries").write_text("")
    done = add(capsys, "crashes")
    assert (done.returncode, "queries/crashes.nql" in done.stderr) == (3, True)
    monkeypatch.setenv("NXP_CATALOG", str(project / "none"))
    done = add(capsys, "crashes")
    assert (done.returncode, "none" in done.stderr) == (3, True)


def test_without_a_project_nothing_is_written_into_the_installation(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NXP_CATALOG")
    monkeypatch.chdir(project)
    done = add(capsys, "boots", "--dry-run")
    assert (done.returncode, "nxp init" in done.stderr, done.stdout) == (3, True, "")
    (project / "nxp.toml").write_text("")
    assert add(capsys, "boots").returncode == 0
    assert "datasets/boots.yaml" in files(project)


def test_names_of_the_library_are_unique() -> None:
    names = [
        path.stem
        for kind in ("datasets", "syncs", "actions")
        for path in (LIBRARY / kind).iterdir()
    ]
    assert len(names) == len(set(names))


def test_what_is_printed_is_json_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(add(capsys, "users", "--json").stdout)["project"] == str(project)


def paste(capsys: pytest.CaptureFixture[str], *words: str) -> Result:
    return called("nql", "queries", "--to-paste", *words, capsys=capsys)


def test_every_query_of_the_project_is_on_the_page_to_paste(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "crashes", "users", "hr_users", "pulse_survey", "device_deletion")
    texts = {f"#{path.stem}": path.read_text("utf-8") for path in project.glob("queries/*.nql")}
    listed = validated("nql queries", paste(capsys, "--json").stdout)
    assert {each["query_id"]: f"{each['nql']}\n" for each in listed} == texts
    order = [each["used_by"][0].partition(" ")[0] for each in listed]
    assert list(dict.fromkeys(order)) == ["dataset", "sync", "action", "nxp"]
    assert listed[0]["query_id"] == "#users"
    page = project / "page.md"
    assert paste(capsys, "--out", str(page)).returncode == 0
    assert page.read_text("utf-8") == paste(capsys).stdout
    for query_id, text in texts.items():
        assert f"\n- Id: `{query_id}`\n" in page.read_text("utf-8")
        assert f"\n```\n{text}```\n" in page.read_text("utf-8")
    done = paste(capsys, "--out", str(page))
    assert (done.returncode, "exists" in done.stderr) == (2, True)


def test_a_missing_query_is_named_after_the_page(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(capsys, "crashes", "users")
    (project / "queries" / "crashes.nql").unlink()
    (project / "queries" / "users.nql").write_text("/* a ``` b */ users | list name", "utf-8")
    done = paste(capsys)
    assert (done.returncode, "queries/crashes.nql" in done.stderr) == (3, True)
    assert "\n````\n/* a ``` b */ users | list name\n````\n" in done.stdout
    assert paste(capsys, "users").returncode == 2
    assert called("nql", "queries", "--out", "x", capsys=capsys).returncode == 2
