"""The two layouts of the lake: read alike, published into, migrated, killed at each step."""

import os
import subprocess
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pyarrow.dataset
import pytest
from pydantic import BaseModel, ValidationError

from connectors.errors import StorageError, UnavailableError
from connectors.lake import Entry, Lake
from connectors.lake.migration import migrate
from connectors.lake.query import query_lake
from tasks.upkeep.maintain import maintain_dataset
from tests.first_layout import HOUR, parquet, write_events, write_lake, write_manifest
from tests.forks import fork
from tests.integration.upkeep.test_maintain import PRESENT, WEEK, events
from tests.lakes import DAY, START, Site, counted, publish, publish_snapshot

ZONE = ZoneInfo("Europe/Zurich")
BOTH = pytest.mark.parametrize(
    "site", ["folder_site", pytest.param("bucket_site", marks=pytest.mark.slow)], indirect=True
)
DATASETS = ("days", "devices", "events")


class OldManifest(BaseModel):
    """The manifest as the last release reads it."""

    dataset: str
    mode: str
    version: int = 0
    entries: tuple[Entry, ...] = ()


def rows_of(lake: Lake, view: str, column: str) -> list[tuple[object, ...]]:
    """Return partition, run and number of each row of a view."""
    sql = f"SELECT {column}::VARCHAR, typeof({column}), run, n FROM {view} ORDER BY ALL"  # noqa: S608
    return query_lake(lake, sql)[1]


def all_rows(lake: Lake) -> list[tuple[object, ...]]:
    """Return all rows of the lake's windows and snapshots."""
    return rows_of(lake, "events", "date") + rows_of(lake, "devices_history", "snapshot")


def migrate_all(lake: Lake) -> list[int]:
    """Migrate all datasets; return the number of files of each."""
    return [
        migrate(lake, dataset, ZONE if dataset == "days" else None).files for dataset in DATASETS
    ]


@BOTH
def test_a_lake_of_the_last_release_is_read_and_migrated_without_a_change_to_any_row(
    site: Site,
) -> None:
    lake = write_lake(site).lake
    before = all_rows(lake)
    assert len(before) == 12 + 9
    slots = {row[0] for row in before if row[1] == "VARCHAR"}
    assert slots == {"20261108T000000Z", "20261108T060000Z", "20261118T120000Z"}
    assert rows_of(lake, "days", "date")[0][:2] == ("2026-11-27", "DATE")
    assert migrate_all(lake) == [2, 3, 4]
    assert all_rows(lake) == before
    # Zurich's 28 November had two UTC dates, whose files were of one name.
    assert [row[:3] for row in rows_of(lake, "days", "date")] == [("2026-11-28", "DATE", "z")] * 6
    for dataset in DATASETS:
        assert site.globbed(dataset) == site.named(dataset)
        with pytest.raises(ValidationError):
            OldManifest.model_validate_json(site.get(f"{dataset}/_manifest.json"))
        assert site.parquet(dataset) == []
    assert not [path for path in site.paths("data") if not path.endswith(".parquet")]
    assert migrate_all(lake) == [0, 0, 0]


@BOTH
def test_a_dataset_of_the_last_release_goes_on_in_its_layout_until_it_is_migrated(
    site: Site,
) -> None:
    lake = write_lake(site).lake
    publish(lake, "new", START + DAY)
    publish_snapshot(lake, "newest", START + 2 * DAY)
    old = OldManifest.model_validate_json(site.get("events/_manifest.json"))
    assert [entry.run_id for entry in old.entries] == ["e0", "new", "wide"]
    assert site.paths("data") == []
    migrate_all(lake)
    publish(lake, "newer", START + DAY)
    assert site.named() == site.globbed() == ["e0"] * 3 + ["newer"] * 3 + ["wide"] * 6
    assert counted(lake, "devices") == ["newest"] * 3


@BOTH
def test_a_dataset_that_begins_next_to_old_ones_is_shielded_from_older_programs(
    site: Site,
) -> None:
    lake = write_lake(site).lake
    site.remove("events/_manifest.json")
    publish(lake, "first")
    assert counted(lake) == ["first"] * 3
    with pytest.raises(ValidationError):
        OldManifest.model_validate_json(site.get("events/_manifest.json"))
    assert len(site.data()) == 1


@BOTH
def test_a_new_lake_has_only_the_present_layout(site: Site) -> None:
    publish(site.lake, "a")
    publish_snapshot(site.lake, "b")
    assert {path.partition("/")[0] for path in site.paths()} == {"_manifests", "data"}
    assert next(path for path in site.paths("data") if "snapshot=" in path).startswith(
        "data/devices/snapshot=2026-11-18T00-00-00Z/"
    )


@BOTH
def test_a_second_manifest_of_the_old_layout_hides_no_rows(site: Site) -> None:
    publish(site.lake, "a")
    write_manifest(site, "events", "window", [])
    with pytest.raises(StorageError, match="both layouts"):
        counted(site.lake)
    with pytest.raises(StorageError, match="both layouts"):
        publish(site.lake, "b")


@BOTH
def test_a_lost_manifest_of_a_migrated_dataset_is_no_empty_dataset(site: Site) -> None:
    lake = write_lake(site).lake
    migrate_all(lake)
    site.remove("_manifests/events/_manifest.json")
    with pytest.raises(StorageError, match="missing, though events has been migrated"):
        publish(lake, "a")


@pytest.mark.parametrize(
    "steps",
    # 9 is the new manifest, 10 the tombstone.
    [(2, 9, 10, 11, 14), pytest.param(range(1, 99), marks=pytest.mark.slow)],
)
def test_a_kill_at_each_step_leaves_one_layout_whole_and_the_next_migration_finishes(
    tmp_path: Path, steps: Sequence[int]
) -> None:
    finished = 0
    for step in steps:
        site = write_events(Site(str(tmp_path / str(step)), tmp_path))
        killed = fork(
            "tests.migrate_once",
            *(site.root, "events", str(step)),
            env=os.environ,
            stdout=subprocess.PIPE,
        )
        finished = int(killed.communicate()[0] or 0)
        assert site.named() == ["e0"] * 3 + ["e1"] * 3 + ["wide"] * 6
        publish(site.lake, "new", START + DAY)
        migrate(site.lake, "events")
        assert site.lake.data_folder("events") == "data/events"
        assert site.named() == site.globbed() == ["e0"] * 3 + ["new"] * 3 + ["wide"] * 6
        assert site.parquet("events") == []
        assert b"migrates" not in site.get("_manifests/events/_manifest.json")
        if finished:
            break
    assert (finished > 12) == (len(steps) > 5)


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param(number, marks=() if number == 21 else pytest.mark.slow)
        for number in range(0, 30, 3)
    ],
)
def test_a_bucket_that_goes_away_in_mid_migration_leaves_one_layout_whole(
    bucket_site: Site, answered: int
) -> None:
    service = write_events(bucket_site).service
    assert service is not None
    lake, asked = bucket_site.lake, len(service.requests)
    service.refuse = lambda _method, _path: (
        ("503 Slow Down", "SlowDown") if len(service.requests) > asked + answered else None
    )
    with pytest.raises(UnavailableError, match="answers 503"):
        migrate(lake, "events")
    service.refuse = lambda _method, _path: None
    assert bucket_site.named() == ["e0"] * 3 + ["e1"] * 3 + ["wide"] * 6
    publish(lake, "new", START + DAY)
    migrate(lake, "events")
    assert bucket_site.named() == bucket_site.globbed() == ["e0"] * 3 + ["new"] * 3 + ["wide"] * 6
    assert bucket_site.parquet("events") == []


def test_a_publish_during_a_migration_in_a_bucket_is_in_the_new_layout_or_makes_it_start_again(
    bucket_site: Site,
) -> None:
    lake, service = write_lake(bucket_site).lake, bucket_site.service
    assert service is not None
    done: list[str] = []

    def before(path: str, act: object) -> None:
        def refuse(method: str, asked: str) -> None:
            if method == "PUT" and asked.endswith(path) and not done:
                done.append(path)
                act()  # type: ignore[operator]

        service.refuse = refuse

    # An export publishes just before the tombstone: the migration reads and moves again.
    before("/events/_manifest.json", lambda: publish(lake, "during", START + DAY))
    migrate(lake, "events")
    assert bucket_site.named() == ["during"] * 3 + ["e0"] * 3 + ["wide"] * 6
    # A migration comes just before an export's manifest: its files are brought in again.
    done.clear()
    before("/devices/_manifest.json", lambda: migrate(lake, "devices"))
    publish_snapshot(lake, "overtaken", START + 3 * DAY)
    assert counted(lake, "devices") == ["overtaken"] * 3
    assert bucket_site.globbed("devices") == bucket_site.named("devices")
    assert bucket_site.parquet("devices") == []


@BOTH
def test_maintenance_takes_what_a_killed_migration_left_and_the_old_files_in_time(
    site: Site,
) -> None:
    lake = write_lake(site).lake
    site.put("data/events/date=2026-11-18/20261118T000000Z-20261119T000000Z.parquet", parquet("x"))
    site.put("events/date=2026-11-30/20261130T000000Z-20261201T000000Z.parquet", parquet("y"))
    maintain_dataset(lake, events(), HOUR, PRESENT + 2 * HOUR)
    assert len(site.parquet("_old")) == 2
    assert site.parquet("data") == []
    migrate(lake, "events")
    maintain_dataset(lake, events(), WEEK, PRESENT + 30 * DAY)
    assert site.parquet("_old") == []
    assert site.named() == site.globbed() == ["e0"] * 3 + ["e1"] * 3 + ["wide"] * 6


@BOTH
def test_a_file_that_the_old_manifest_names_and_is_missing_stops_the_migration(
    site: Site,
) -> None:
    lake = write_lake(site).lake
    (gone,) = [path for path in site.parquet("events") if "date=2026-11-19" in path]
    site.remove(gone)
    with pytest.raises(StorageError, match=r"2026-11-19.*land its unit again"):
        migrate(lake, "events")
    assert lake.data_folder("events") == "events"
    publish(lake, "again", START + DAY)
    assert migrate(lake, "events").units == 3


def test_sql_beside_a_migration_sees_all_rows_all_the_time(folder_site: Site) -> None:
    lake = write_lake(folder_site).lake
    seen: list[list[str]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.append(counted(lake))
        seen.append(counted(lake))

    reader = threading.Thread(target=ask)
    reader.start()
    migrate_all(lake)
    done.set()
    reader.join()
    assert seen == [["e0"] * 3 + ["e1"] * 3 + ["wide"] * 6] * len(seen)


# Readers ------------------------------------------------------------------------------------------


def by_polars(folder: Path, column: str) -> tuple[int, int]:
    """Count rows and partitions by a scan of the folder, with types as Polars guesses them."""
    frame = pl.scan_parquet(folder, hive_partitioning=True).collect()
    return len(frame), frame[column].n_unique()


def by_pyarrow(folder: Path, column: str) -> tuple[int, int]:
    """Count rows and partitions."""
    table = pyarrow.dataset.dataset(folder, partitioning="hive").to_table()
    return table.num_rows, len(table[column].unique())


def by_duckdb(folder: Path, column: str) -> tuple[int, int]:
    """Count rows and partitions, with types as DuckDB guesses them."""
    found = (
        duckdb.connect()
        .execute(
            f"SELECT count(*), count(DISTINCT {column}) "  # noqa: S608
            f"FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = true)"
        )
        .fetchall()
    )
    return found[0]


@pytest.mark.parametrize("read", [by_polars, by_pyarrow, by_duckdb])
def test_every_reader_opens_a_folder_of_every_day_and_hour_while_an_export_runs(
    folder_site: Site, read: object
) -> None:
    lake = write_lake(folder_site).lake
    assert callable(read)
    if read is not by_polars:
        # Polars takes the times of layout 1 for something else.
        publish(lake, "e", START)
        assert read(lake.dataset_folder("devices"), "snapshot") == (9, 3)
        assert read(lake.dataset_folder("events"), "date") == (12, 4)
    migrate_all(lake)
    devices, events_folder = lake.dataset_folder("devices"), lake.dataset_folder("events")
    assert read(devices, "snapshot") == (9, 3)
    for number in range(10):
        slot = datetime(2026, 12, 1 + number, 2 * number, 15, tzinfo=ZoneInfo("UTC"))
        publish_snapshot(lake, f"s{number}", slot)
        if not number % 5:
            assert read(devices, "snapshot") == (9 + 3 * (number + 1), 4 + number)
            publish(lake, f"e{number}", START)
            assert read(events_folder, "date") == (12, 4)
    assert read(devices, "snapshot") == (9 + 30, 3 + 10)
