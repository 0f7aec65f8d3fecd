"""Publishing into a lake on disk: atomic, exact for the manifest and for a plain glob."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from connectors.errors import DataRefusedError, StorageError, UsageError
from connectors.lake import Entry, Lake
from connectors.lake.lake import unit_name
from connectors.lake.query import query_lake

SCHEMA = pa.schema([("n", pa.int64()), ("run", pa.string())])
DAY = timedelta(days=1)
START = datetime(2026, 11, 18, tzinfo=UTC)


def publish(
    lake: Lake, run: str, start: datetime = START, end: datetime | None = None, rows: int = 3
) -> Entry:
    """Publish a window with `rows` rows on each of its dates."""
    end = end or start + DAY
    unit = unit_name(start, end)
    with lake.stage("events", run, unit, SCHEMA) as stage:
        day = start
        while day < end and rows:
            table = pa.table({"n": list(range(rows)), "run": [run] * rows}, SCHEMA)
            stage.write(f"date={day:%Y-%m-%d}", table)
            day += DAY
        staged = stage.finish()
    entry = Entry(
        unit=unit,
        starts_at=start,
        ends_at=end,
        run_id=run,
        exported_at=end,
        rows=sum(file.rows for file in staged),
        files=(),
    )
    return lake.publish("events", "window", entry, staged, SCHEMA)


def globbed(lake: Lake) -> list[str]:
    files = sorted((lake.folder / "events").glob("*/*.parquet"))
    return sorted(pl.concat([pl.read_parquet(f, hive_partitioning=False) for f in files])["run"])


def counted(lake: Lake) -> list[str]:
    _, rows = query_lake(lake, "SELECT run FROM events ORDER BY run")
    return [row[0] for row in rows]


def test_a_second_publish_of_a_window_replaces_the_first_and_keeps_it_aside(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "a")
    publish(lake, "b", rows=5)
    assert counted(lake) == globbed(lake) == ["b"] * 5
    (old,) = (lake.folder / "_old").glob("**/*.parquet")
    assert pl.read_parquet(old)["run"].unique().to_list() == ["a"]


def test_windows_of_several_dates_are_replaced_as_one(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    for run in "abc":
        publish(lake, run, end=START + 2 * DAY)
        assert counted(lake) == globbed(lake) == [run] * 6


def test_a_wider_window_supersedes_the_narrow_ones(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "a")
    publish(lake, "b", START + DAY)
    publish(lake, "c", START + 2 * DAY)
    publish(lake, "wide", end=START + 2 * DAY)
    assert counted(lake) == globbed(lake) == ["c"] * 3 + ["wide"] * 6


@pytest.mark.parametrize(("start", "days"), [(START - DAY, 2), (START + DAY, 1)])
def test_a_partial_overlap_is_refused_and_nothing_changes(
    tmp_path: Path, start: datetime, days: int
) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "a", end=START + 2 * DAY)
    with pytest.raises(DataRefusedError, match="in part"):
        publish(lake, "b", start, start + days * DAY)
    assert counted(lake) == globbed(lake) == ["a"] * 6


def test_what_a_killed_publish_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    entry = publish(lake, "a", end=START + 2 * DAY)
    folder = lake.folder / "events"
    left = folder / entry.files[0].path.replace(".parquet", ".v9.parquet")
    left.write_bytes((folder / entry.files[0].path).read_bytes())
    assert counted(lake) == ["a"] * 6
    publish(lake, "b", end=START + 2 * DAY)
    assert counted(lake) == globbed(lake) == ["b"] * 6


def test_a_folder_above_the_lake_is_not_taken_for_a_partition(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "date=2020-01-01" / "n=7"), "acme.eu")
    publish(lake, "a")
    _, rows = query_lake(lake, "SELECT DISTINCT date::VARCHAR, n FROM events ORDER BY n")
    assert rows == [("2026-11-18", number) for number in range(3)]


def test_a_damaged_report_or_dataset_does_not_hide_the_others(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "a")
    (lake.folder / "_runs" / "date=2026-11-18").mkdir(parents=True)
    (lake.folder / "_runs" / "date=2026-11-18" / "x.parquet").write_bytes(b"PAR1")
    assert counted(lake) == ["a"] * 3
    with pytest.raises(UsageError):
        query_lake(lake, "SELECT * FROM _runs")


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    entry = publish(lake, "a")
    (lake.folder / "events" / entry.files[0].path).unlink()
    with pytest.raises(StorageError, match=r"20261118T000000Z-20261119T000000Z\.parquet"):
        query_lake(lake, "SELECT * FROM events")


def test_a_dataset_does_not_change_its_mode(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "a")
    with pytest.raises(DataRefusedError, match="has landed as window"):
        lake.check_mode("events", "snapshot")


def test_an_empty_window_counts_and_can_be_queried(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "a", rows=0)
    names, rows = query_lake(lake, "SELECT * FROM events")
    assert (names, rows) == (["n", "run", "date"], [])
    publish(lake, "b")
    publish(lake, "c", rows=0)
    assert counted(lake) == []
    assert list((lake.folder / "events").glob("*/*.parquet")) == []


def test_a_reader_beside_a_writer_sees_one_version_or_the_other(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "0", end=START + 2 * DAY)
    done = threading.Event()

    def write() -> None:
        for number in range(1, 30):
            publish(lake, str(number), end=START + 2 * DAY)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        manifest = lake.manifest("events")
        assert manifest is not None
        try:
            files = [lake.folder / "events" / f.path for e in manifest.entries for f in e.files]
            runs = pl.concat([pl.read_parquet(file) for file in files])["run"].to_list()
        except FileNotFoundError:
            continue  # moved aside between the two reads: a reader reads the manifest again
        assert len(runs) == 6
        assert len(set(runs)) == 1
        seen.add(runs[0])
    writer.join()
    assert len(seen) > 1


def test_publishers_of_different_windows_at_once_lose_nothing(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    threads = [
        threading.Thread(target=publish, args=(lake, f"{day:02}", START + day * DAY))
        for day in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted(lake)) == len(globbed(lake)) == 36


def test_a_lake_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "lake").touch()
    with pytest.raises(StorageError, match="cannot write"):
        publish(Lake(str(tmp_path / "lake"), "acme.eu"), "a")


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW events",
        "COPY (SELECT 1) TO 'x.csv'",
        "SELECT 1; SELECT 2",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
        "SELECT * FROM read_csv('/etc/hosts')",
        "SET enable_external_access = true",
        "SELECT nonsense FROM events",
        "ATTACH 'x.db'",
        "",
    ],
)
def test_sql_reads_the_lake_and_nothing_else(tmp_path: Path, sql: str) -> None:
    lake = Lake(str(tmp_path), "acme.eu")
    publish(lake, "a")
    with pytest.raises(UsageError):
        query_lake(lake, sql)
    assert counted(lake) == ["a"] * 3
