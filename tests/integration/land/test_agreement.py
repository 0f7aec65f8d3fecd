"""A lake that is not the one that the ledger knows: NXP_LAKE mistyped, or the lake moved."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.catalogue import DatasetSpecification
from connectors.lake import Lake
from connectors.ledger import UnitRecord
from connectors.settings.installation import load_settings
from nxp.doctor.finding import Finding, Level
from nxp.doctor.installation import look_at_lake, look_at_ledger, look_at_settings
from tasks.land.agreement import missing_units
from tests.commands import called, environment, nxp
from tests.integration.upkeep.test_maintain import events
from tests.lakes import DAY, START, Site, publish
from tests.landing import Place, Use, place, working_days

NOW = datetime.now(UTC)
FIRST, *_, LAST = working_days(NOW, 4)
DATES = ("--from", FIRST, "--to", LAST)


@pytest.fixture
def here(tmp_path: Path, use: Use) -> Iterator[Place]:
    """A small tenant of today, and an empty installation, pointed at each other."""
    with place(tmp_path, now=NOW, days=20) as made:
        yield use(made)


def landed_by_doctor(now: datetime) -> list[Finding]:
    """Return what doctor finds of the lake and the ledger."""
    found = look_at_ledger(load_settings(), "sandbox.eu", lambda: now)
    return [line for line in found if line.check == "landed"]


def files(folder: Path) -> list[str]:
    """Return all files and folders below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_an_empty_lake_of_a_full_ledger_is_an_error_of_settings_and_moving_it_back_ends_it(
    here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("backfill", "crashes", *DATES), ("export", "devices")):
        assert called(*words, capsys=capsys).returncode == 0
    assert [line.level for line in landed_by_doctor(here.clock()())] == [Level.OK]
    lost = next((tmp_path / "lake").rglob("snapshot=*/data.parquet"))
    content = lost.read_bytes()
    lost.unlink()
    assert [line.level for line in landed_by_doctor(here.clock()())] == [Level.FAIL]
    lost.write_bytes(content)
    typo = tmp_path / "lkae"
    monkeypatch.setenv("NXP_LAKE", str(typo))
    for asked in (
        ("backfill", "crashes", *DATES),
        ("backfill", "crashes", *DATES, "--dry-run"),
        ("export", "crashes"),
        ("export", "devices"),
    ):
        said = called(*asked, capsys=capsys)
        assert said.returncode == 3, said.stderr
        assert str(typo) in said.stderr
        assert f"{asked[1]}: the ledger calls" in said.stderr
        assert "set NXP_LAKE" in said.stderr
    lines = landed_by_doctor(here.clock()())
    assert [(line.level, line.code) for line in lines] == [(Level.FAIL, 3)] * 2
    assert all(line.do.startswith("set NXP_LAKE") for line in lines)
    assert not typo.exists()
    (tmp_path / "lake").rename(tmp_path / "moved")
    monkeypatch.setenv("NXP_LAKE", str(tmp_path / "moved"))
    idle = called("backfill", "crashes", *DATES, capsys=capsys)
    assert (idle.returncode, "3 done already" in idle.stderr) == (0, True)
    assert here.tenant.requests["export"] == 4


def test_a_lost_dataset_can_be_forgotten_and_lands_again(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("backfill", "crashes", *DATES, capsys=capsys).returncode == 0
    for folder in ("data/crashes", "_manifests/crashes"):
        (here.lake.folder / folder).rename(here.lake.folder.parent / folder.replace("/", "-"))
    assert called("backfill", "crashes", *DATES, capsys=capsys).returncode == 3
    reset = called("state", "reset", "crashes", "--lost", capsys=capsys)
    assert "3 units that the lake does not have" in reset.stderr
    again = called("backfill", "crashes", *DATES, "--json", capsys=capsys)
    assert json.loads(again.stdout)["units"] == 3


def test_the_checks_of_doctor_leave_nothing_behind(
    here: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def look() -> None:
        settings = load_settings()
        for check in (look_at_settings(settings), look_at_lake(settings, "sandbox.eu")):
            assert {line.level for line in check} == {Level.OK}

    before = files(tmp_path)
    look()
    assert files(tmp_path) == before
    assert called("export", "devices", capsys=capsys).returncode == 0
    before = files(tmp_path)
    look()
    assert files(tmp_path) == before
    assert here.landed("devices").height


@pytest.mark.slow
def test_doctor_leaves_nothing_behind(here: Place, tmp_path: Path) -> None:
    before = files(tmp_path)
    said = nxp("doctor", "--json", env=environment(here))
    assert {"lake", "ledger"} <= {line["check"] for line in json.loads(said.stdout)}
    assert files(tmp_path) == before


def record(start: datetime, days: int = 1, unit: str = "u", state: str = "landed") -> UnitRecord:
    """Return a unit of the ledger."""
    times = (start, start + days * DAY)
    return UnitRecord(unit, *times, state, "r", start, 3, None, None, start, 1)


@pytest.mark.parametrize(
    ("records", "missing"),
    [
        ([record(START), record(START + DAY, 2)], 0),
        ([record(START, 3)], 0),
        ([record(START + DAY / 2, 1)], 0),
        ([record(START - DAY)], 1),
        ([record(START + 2 * DAY, 2)], 1),
        ([record(START - DAY, state="dropped"), record(START - DAY, state="pending")], 0),
    ],
)
def test_a_window_is_there_if_others_cover_it(
    folder_site: Site, records: list[UnitRecord], missing: int
) -> None:
    lake = folder_site.lake
    publish(lake, "a", START, START + DAY)
    publish(lake, "b", START + DAY, START + 3 * DAY)
    assert len(lost(lake, events(), records)) == missing
    late = START + timedelta(days=40)
    assert not lost(lake, events("30d"), records, late)


def lost(
    lake: Lake, of: DatasetSpecification, records: list[UnitRecord], now: datetime = START
) -> list[UnitRecord]:
    """Return the units that the lake does not have."""
    return missing_units(of, lake.manifest("events"), records, now)
