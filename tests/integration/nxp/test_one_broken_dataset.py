"""Commands over a catalogue in which one dataset is broken: the others land and are shown."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import PartlyDoneError
from tasks.stories.gaps import close_gaps
from tests.commands import called
from tests.landing import CATALOG, Place, place

pytestmark = pytest.mark.usefixtures("broken")


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Serve a tenant; of three datasets one has a typo, and one has no saved query."""
    catalog = tmp_path / "catalog"
    shutil.copytree(CATALOG, catalog)
    for name in ("device_performance", "execution_events", "pulse_responses", "startup_reports"):
        (catalog / "datasets" / f"{name}.yaml").unlink()
    for action in (catalog / "actions").glob("*.yaml"):
        action.unlink()
    (catalog / "datasets" / "users.yaml").write_text("dataset: users\nmode: [snapshot\n")
    (catalog / "queries" / "crashes.nql").unlink()
    with place(tmp_path) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def test_the_others_land_and_each_broken_one_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = tmp_path / "catalog" / "datasets" / "devices.yaml"
    devices.write_text(devices.read_text().replace("device.entity", "device.unit"))
    good = called("export", "devices", capsys=capsys)
    assert good.returncode == 0, good.stderr
    # What lands as null is named, with what may have come in its place.
    assert (
        "warning: devices: 1 declared column did not come and is null: device.unit; "
        "undeclared columns came: device.entity; compare" in good.stderr
    )
    every = called("export", "--all", "--json", capsys=capsys)
    assert every.returncode == 7
    report = json.loads(every.stdout)
    assert [each["dataset"] for each in report["datasets"]] == ["devices"]
    assert {each["dataset"]: each["exit_code"] for each in report["failures"]} == {
        "crashes": 3,
        "users": 3,
    }
    two = called("export", "users", "devices", "crashes", capsys=capsys)
    assert two.returncode == 7
    lines = two.stderr.splitlines()
    assert sum(line.startswith("users: ") and "line 3" in line for line in lines) == 1
    assert sum(line.startswith("crashes: ") and "crashes.nql" in line for line in lines) == 1
    assert "1 of 3 datasets" in lines[-1]
    assert called("export", "users", capsys=capsys).returncode == 3


def test_a_dry_run_shows_the_others(broken: Place, capsys: pytest.CaptureFixture[str]) -> None:
    planned = called("export", "--all", "--dry-run", "--json", capsys=capsys)
    assert planned.returncode == 7
    assert list(json.loads(planned.stdout)) == ["devices"]
    assert any(line.startswith("users: ") for line in planned.stderr.splitlines())
    assert broken.tenant.requests["export"] == 0


def test_lists_show_the_others_and_all_problems(
    broken: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = called("datasets", "--json", capsys=capsys)
    assert listed.returncode == 3
    assert [each["dataset"] for each in json.loads(listed.stdout)] == ["devices"]
    connected = called("check", "--connect", capsys=capsys)
    assert connected.returncode == 3
    assert broken.tenant.requests["token"] == 1
    for result in (listed, connected):
        assert "users.yaml: " in result.stderr
        assert "crashes.yaml: no saved query queries/crashes.nql" in result.stderr
    assert called("maintain", "devices", "--dry-run", capsys=capsys).returncode == 0
    (Path(broken.environment["NXP_CATALOG"]) / "queries" / "users.nql").write_bytes(b"\xff")
    queries = called("nql", "queries", "--json", capsys=capsys)
    assert queries.returncode == 3
    assert "#devices" in json.loads(queries.stdout)
    assert "queries/users.nql: it is not UTF-8 (line 1)" in queries.stderr
    assert called("nql", "queries", "devices", capsys=capsys).returncode == 0
    assert called("nql", "queries", "users", capsys=capsys).returncode == 3


def test_the_weekly_look_for_gaps_names_the_broken_ones() -> None:
    with pytest.raises(PartlyDoneError, match=r"users\.yaml: .*line 3"):
        close_gaps(28, land=False)


def test_a_connection_that_fails_is_listed_with_the_problems_of_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTHINK_CLIENT_SECRET", "wrong")
    checked = called("check", "--connect", capsys=capsys)
    assert checked.returncode == 3
    assert "users.yaml: " in checked.stderr
    assert "NEXTHINK_CLIENT_SECRET" in checked.stderr
