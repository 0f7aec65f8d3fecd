"""Retention: what leaves the lake and when, with a test's clock; kills; the command."""

import io
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from connectors.catalogue import DatasetSpecification
from connectors.clock import utc_now
from connectors.errors import PipelineError, UsageError
from connectors.lake.aging import expired_of_sync
from connectors.lake.lake import unit_name
from connectors.lake.query import query_lake
from connectors.lake.record_upgrade import upgrade_records
from connectors.lake.records import write_rejects
from connectors.ledger import open_ledger
from nxp.commands.datasets import datasets
from nxp.commands.maintain import maintain as maintain_command
from tasks.stories.maintain import maintain
from tasks.upkeep.maintain import Cleared, ClearedKind, maintain_dataset, plan_upkeep, preview
from tests.first_layout import write_lake
from tests.lakes import DAY, START, Site, counted, publish, publish_snapshot
from tests.landing import CATALOG

WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)
# The lake uses the machine's times, so what a test publishes is fresh by any clock near that.
PRESENT = datetime.now(UTC)
COLUMNS = [{"nql": "t", "type": "datetime"}]


def events(retention: str | None = None) -> DatasetSpecification:
    """Return the specification of the dataset that tests.lakes publishes."""
    return DatasetSpecification.model_validate(
        {
            "dataset": "events",
            "query_id": "#events",
            "mode": "window",
            "window": {"column": "t", "from": "from", "to": "to", "start": "2026-01-01"},
            "columns": COLUMNS,
            "retention": retention,
        }
    )


def devices(retention: str) -> DatasetSpecification:
    """Return the specification of the snapshots that tests.lakes publishes."""
    return DatasetSpecification.model_validate(
        {
            "dataset": "devices",
            "query_id": "#devices",
            "mode": "snapshot",
            "columns": COLUMNS,
            "retention": retention,
        }
    )


def of(done: list[Cleared], kind: ClearedKind) -> Cleared:
    """Return the line of one kind."""
    return next(part for part in done if part.what is kind)


def days_ago(days: int) -> datetime:
    """Return the beginning of a day."""
    return PRESENT.replace(hour=0, minute=0, second=0, microsecond=0) - days * DAY


def test_units_past_retention_leave_the_views_and_are_kept_in_old_for_the_grace(
    site: Site,
) -> None:
    for days in (40, 31, 30, 1):
        publish(site.lake, f"{days:02}", days_ago(days))
    before = site.paths()
    planned = maintain_dataset(site.lake, events("30d"), WEEK, PRESENT, dry_run=True)
    assert site.paths() == before
    done = maintain_dataset(site.lake, events("30d"), WEEK, PRESENT)
    assert planned == done
    assert (
        of(done, ClearedKind.PAST_RETENTION).units,
        of(done, ClearedKind.PAST_RETENTION).rows,
    ) == (2, 6)
    assert counted(site.lake) == site.globbed() == ["01"] * 3 + ["30"] * 3
    assert len(site.parquet("_old")) == 2
    soon = maintain_dataset(site.lake, events(), WEEK, PRESENT + 6 * DAY)
    assert of(soon, ClearedKind.SUPERSEDED).files == 0
    later = maintain_dataset(site.lake, events(), WEEK, PRESENT + 8 * DAY)
    assert (of(later, ClearedKind.SUPERSEDED).files, site.parquet("_old")) == (2, [])
    assert len(site.globbed()) == 6


def test_the_grace_of_a_file_begins_when_it_is_replaced_not_when_it_was_written(
    folder_site: Site,
) -> None:
    publish(folder_site.lake, "a", end=START + 2 * DAY)
    for path in folder_site.data():
        os.utime(folder_site.lake.folder / path, (0, 0))
    publish(folder_site.lake, "b", end=START + 2 * DAY)
    maintain_dataset(folder_site.lake, events(), WEEK, PRESENT)
    assert folder_site.runs(folder_site.parquet("_old")) == ["a"] * 6


def test_the_exact_end_decides_what_is_past_retention(site: Site) -> None:
    publish(site.lake, "a", START)
    lake, end = site.lake, START + DAY
    assert lake.drop_before("events", end - timedelta(microseconds=1), dry_run=True) == 0
    assert lake.drop_before("events", end, dry_run=True) == 3
    assert counted(lake) == ["a"] * 3
    assert lake.drop_before("events", end) == 3
    assert (counted(lake), lake.drop_before("events", end)) == ([], 0)
    assert lake.drop_before("nothing", end) == 0


def test_the_newest_snapshot_is_never_dropped(site: Site) -> None:
    for day in range(3):
        publish_snapshot(site.lake, str(day), START + day * DAY)
    done = maintain_dataset(site.lake, devices("30d"), WEEK, PRESENT + 900 * DAY)
    assert of(done, ClearedKind.PAST_RETENTION).units == 2
    assert counted(site.lake, "devices") == counted(site.lake, "devices_history") == ["2"] * 3


def test_without_retention_nothing_is_dropped_and_old_files_still_go(site: Site) -> None:
    publish(site.lake, "a")
    publish(site.lake, "b")
    done = maintain_dataset(site.lake, events(), WEEK, PRESENT + 900 * DAY)
    assert [part.what for part in done] == [ClearedKind.ORPHANED, ClearedKind.SUPERSEDED]
    assert (of(done, ClearedKind.SUPERSEDED).files, site.parquet("_old")) == (1, [])
    assert counted(site.lake) == site.globbed() == ["b"] * 3


def test_rejects_and_their_raw_text_go_with_their_units(site: Site) -> None:
    table = pa.table({"record": [1], "reasons": ["t: no date"]})
    for days in (40, 5):
        unit = unit_name(days_ago(days), days_ago(days - 1))
        write_rejects(site.lake, "events", unit, f"run-{days}", table, ["secret"])
    write_rejects(site.lake, "others", unit_name(days_ago(40)), "run", table, ["secret"])
    done = maintain_dataset(site.lake, events("30d"), WEEK, PRESENT)
    assert of(done, ClearedKind.REJECTS).files == 2
    left = site.parquet("_rejects") + site.parquet("_rejects_raw")
    assert sorted("run-5" in path or "dataset=others" in path for path in left) == [True] * 4


def test_what_no_manifest_names_is_taken_away_only_when_no_publish_can_want_it(
    site: Site,
) -> None:
    publish(site.lake, "a")
    (known,) = site.data()
    unit = unit_name(START + DAY, START + 2 * DAY)
    orphan = f"data/events/date=2026-11-19/{unit}.0123456789ab.parquet"
    site.put(orphan, site.get(known))
    young = maintain_dataset(site.lake, events(), HOUR, PRESENT)
    assert (of(young, ClearedKind.ORPHANED).files, orphan in site.paths()) == (0, True)
    done = maintain_dataset(site.lake, events(), HOUR, PRESENT + 2 * HOUR)
    assert (of(done, ClearedKind.ORPHANED).files, site.data()) == (1, [known])
    assert len(site.parquet("_old")) == 1
    assert counted(site.lake) == ["a"] * 3


def test_a_kill_between_manifest_and_files_loses_nothing_and_the_next_run_finishes(
    site: Site,
) -> None:
    publish(site.lake, "a", days_ago(40))
    publish(site.lake, "b", days_ago(2))
    lake = site.lake
    # A kill there leaves a manifest without the unit, and its file where it was.
    entries = lake.manifest("events")
    assert entries is not None
    with lake.exclusive("events"):
        lake.change("events", lambda manifest: manifest and manifest.without(entries.entries[:1]))
    assert counted(lake) == ["b"] * 3
    assert site.globbed() == ["a"] * 3 + ["b"] * 3
    done = maintain_dataset(lake, events("30d"), HOUR, PRESENT + 2 * HOUR)
    assert (of(done, ClearedKind.PAST_RETENTION).units, of(done, ClearedKind.ORPHANED).files) == (
        0,
        1,
    )
    assert counted(lake) == site.globbed() == ["b"] * 3
    assert site.runs(site.parquet("_old")) == ["a"] * 3


def test_a_drop_beside_publishers_loses_none_of_their_units(site: Site) -> None:
    for days in range(40, 50):
        publish(site.lake, "old", days_ago(days))
    threads = [
        threading.Thread(target=publish, args=(site.lake, f"{day:02}", days_ago(day)))
        for day in range(1, 7)
    ]
    for thread in threads:
        thread.start()
    dropped = site.lake.drop_before("events", days_ago(30))
    for thread in threads:
        thread.join()
    assert dropped == 30
    assert (
        counted(site.lake) == site.globbed() == [f"{day:02}" for day in range(1, 7) for _ in "abc"]
    )


@pytest.fixture
def installed(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Settings that point to the lake, and a catalogue with a retention."""
    catalog = tmp_path / "catalogue"
    (catalog / "datasets").mkdir(parents=True)
    (catalog / "queries").symlink_to(CATALOG / "queries")
    crashes = yaml.safe_load((CATALOG / "datasets" / "crashes.yaml").read_text())
    renamed = {**crashes, "dataset": "events", "retention": "30d"}
    (catalog / "datasets" / "events.yaml").write_text(yaml.safe_dump(renamed))
    for name, value in {
        "NXP_HOME": str(tmp_path / "home"),
        "NXP_LAKE": site.root,
        "NXP_CATALOG": str(catalog),
        "NEXTHINK_INSTANCE": "acme",
        "NEXTHINK_REGION": "eu",
    }.items():
        monkeypatch.setenv(name, value)
    return site


def test_records_of_earlier_releases_are_rewritten_by_the_next_maintenance(
    installed: Site,
) -> None:
    target = io.BytesIO()
    old = {"run_id": "a", "started_at": PRESENT, "watermark": None, "seconds_wait": 0}
    pq.write_table(pa.Table.from_pylist([old]), target)
    installed.put("_runs/date=2026-11-01/a.parquet", target.getvalue())
    installed.put("_runs/date=2026-11-01/.b.parquet.new", b"PAR1")
    upkeep = plan_upkeep("events", "1h")
    later = PRESENT + 2 * HOUR
    planned = preview(upkeep, lambda: later)
    assert installed.get("_runs/date=2026-11-01/a.parquet") == target.getvalue()
    report = maintain(upkeep, lambda: later)
    assert planned["cleared"] == report["cleared"]
    assert (report["cleared"][-1]["what"], report["cleared"][-1]["files"]) == (
        "records of earlier releases, rewritten",
        1,
    )
    assert report["files_deleted"] == report["files_moved"] == 0
    kept = pl.concat(
        pl.read_parquet(io.BytesIO(installed.get(path))) for path in installed.parquet("_runs")
    )
    assert sorted(kept["run_id"]) == sorted(["a", report["run_id"]])
    again = maintain(upkeep, lambda: later)
    assert again["cleared"] == report["cleared"][:-1]


def test_rewritten_changes_keep_their_age(folder_site: Site) -> None:
    lake = folder_site.lake
    target = io.BytesIO()
    pq.write_table(pa.table({"run_id": ["a"], "key": ["anna"]}), target)
    folder_site.put("_changes/sync=assets/date=2026-01-01/old.parquet", target.getvalue())
    written_at = datetime.now(UTC)
    upgrade_records(lake)
    folder_site.put("_changes/sync=assets/date=2026-01-01/new.parquet", target.getvalue())
    found = expired_of_sync(lake, "assets", written_at)
    assert [file.path.rpartition("/")[2] for file in found] == ["old.parquet"]


def test_a_maintenance_is_recorded_in_runs_and_ledger(installed: Site) -> None:
    publish(installed.lake, "a", days_ago(40))
    publish(installed.lake, "b", days_ago(2))
    upkeep = plan_upkeep("events", "7d")
    planned = preview(upkeep, lambda: PRESENT)
    assert installed.parquet("_runs") == []
    report = maintain(upkeep, lambda: PRESENT)
    assert planned["cleared"] == report["cleared"]
    _, rows = query_lake(
        installed.lake, "SELECT trigger, state, units, rows_dropped, files_moved FROM _runs"
    )
    assert rows == [("maintain", "done", 1, 3, 1)]
    ledger = open_ledger(upkeep.settings.ledger_url.get_secret_value(), "acme.eu")
    (run,) = ledger.runs("events")
    ledger.close()
    assert (run["trigger"], run["state"], run["units"]) == ("maintain", "done", 1)


def test_units_past_retention_are_told_as_dropped(
    installed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    upkeep = plan_upkeep("events", "7d")
    ledger = open_ledger(upkeep.settings.ledger_url.get_secret_value(), "acme.eu")
    for unit, days in (("a", 40), ("b", 2)):
        publish(installed.lake, unit, days_ago(days))
        ledger.plan_units("events", [(unit, days_ago(days), days_ago(days - 1))])
        ledger.mark_landed("events", unit, "run", 3, days_ago(days))
    maintain(upkeep, lambda: utc_now() + timedelta(seconds=1))
    datasets("events", as_json=True)
    shown = [
        (row["unit"], row["state"], row["rows"]) for row in json.loads(capsys.readouterr().out)
    ]
    assert shown == [("a", "dropped", None), ("b", "landed", 3)]
    datasets(as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["units"], listed["rows"]) == (1, 3)
    # If a run lands it after all, or a try fails, the ledger shows it like any other unit.
    ledger.mark_landed("events", "a", "run", 4, utc_now())
    ledger.mark_failed("events", "a", "why")
    assert [unit.state for unit in ledger.units("events")] == ["landed", "landed"]
    ledger.close()


def test_of_snapshots_the_newest_is_never_told_as_dropped(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "acme.eu")
    for unit, days in (("a", 40), ("b", 35)):
        ledger.plan_units("devices", [(unit, days_ago(days), days_ago(days - 1))])
        ledger.mark_landed("devices", unit, "run", 3, days_ago(days))
    later = utc_now() + timedelta(seconds=1)
    ledger.mark_dropped("devices", days_ago(30), later, keep_newest=True)
    assert [unit.state for unit in ledger.units("devices")] == ["dropped", "landed"]
    ledger.close()


def test_a_maintenance_that_fails_is_recorded_as_failed(installed: Site) -> None:
    publish(installed.lake, "a", days_ago(40))
    upkeep = plan_upkeep("events", "7d")
    if installed.service is None:
        installed.put("_manifests/events/_manifest.json", b"{")
    else:
        installed.service.refuse = lambda method, path: (
            ("403 Forbidden", "AccessDenied")
            if (method, "_manifest" in path) == ("PUT", True)
            else None
        )
    with pytest.raises(PipelineError):
        maintain(upkeep, lambda: PRESENT)
    ledger = open_ledger(upkeep.settings.ledger_url.get_secret_value(), "acme.eu")
    (run,) = ledger.runs("events")
    ledger.close()
    assert run["state"] == "failed"
    assert run["error"]


@pytest.mark.parametrize("grace", ["10min", "soon", "-1d"])
def test_a_grace_that_readers_could_not_use_is_refused(installed: Site, grace: str) -> None:
    del installed
    with pytest.raises(UsageError, match="grace"):
        plan_upkeep("events", grace)


@pytest.mark.parametrize("site", ["bucket_site"], indirect=True)
def test_the_command_shows_the_same_table_before_and_after(
    installed: Site, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    publish(installed.lake, "a", days_ago(40))
    publish(installed.lake, "b", days_ago(2))
    command = [sys.executable, "-m", "nxp", "maintain", "events", "--json"]
    shown = [
        subprocess.run([*command, *more], capture_output=True, text=True, check=True, timeout=120)
        for more in (["--dry-run"], [])
    ]
    planned, done = (json.loads(process.stdout) for process in shown)
    assert planned["cleared"] == done["cleared"]
    assert (planned["state"], done["state"], done["rows_dropped"]) == ("dry run", "done", 3)
    assert counted(installed.lake) == ["b"] * 3


@pytest.mark.parametrize("site", ["folder_site"], indirect=True)
def test_the_command_migrates_all_datasets_and_records_a_run_for_each(
    installed: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lake(installed)
    maintain_command(layout=True, dry_run=True, as_json=True)
    planned = json.loads(capsys.readouterr().out)
    assert installed.paths("data") == []
    maintain_command(layout=True, as_json=True)
    done = json.loads(capsys.readouterr().out)
    assert planned == [row | {"layout": "to be migrated"} for row in done]
    assert [(row["dataset"], row["layout"], row["files"]) for row in done] == [
        ("days", "migrated", 2),
        ("devices", "migrated", 3),
        ("events", "migrated", 4),
    ]
    maintain_command("events", layout=True, as_json=True)
    (again,) = json.loads(capsys.readouterr().out)
    assert again["layout"] == "has layout 2"
    _, rows = query_lake(installed.lake, "SELECT dataset, trigger, state FROM _runs ORDER BY ALL")
    assert rows == [(name, "layout", "done") for name in ("days", "devices", "events")]
    with pytest.raises(UsageError, match="unknown dataset"):
        maintain_command("../events", layout=True)
    with pytest.raises(UsageError, match="needs the name"):
        maintain_command()
