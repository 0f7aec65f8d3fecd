"""Publishing into a lake, in a folder and in a bucket: atomic, exact for manifest and glob."""

import os
import subprocess
import threading
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from connectors.errors import DataRefusedError, StorageError, UsageError
from connectors.lake import Lake
from connectors.lake.query import query_lake
from tests.forks import fork
from tests.lakes import DAY, START, TENANT, Site, counted, publish


def test_a_second_publish_of_a_window_replaces_the_first_and_keeps_it_aside(site: Site) -> None:
    lake = site.lake
    publish(lake, "a")
    publish(lake, "b", rows=5)
    assert counted(lake) == site.globbed() == ["b"] * 5
    (old,) = site.parquet("_old")
    assert site.runs([old]) == ["a"] * 3


def test_windows_of_several_dates_are_replaced_as_one(site: Site) -> None:
    lake = site.lake
    for run in "abc":
        publish(lake, run, end=START + 2 * DAY)
        assert counted(lake) == site.globbed() == [run] * 6


def test_a_wider_window_supersedes_the_narrow_ones(site: Site) -> None:
    lake = site.lake
    publish(lake, "a")
    publish(lake, "b", START + DAY)
    publish(lake, "c", START + 2 * DAY)
    publish(lake, "wide", end=START + 2 * DAY)
    assert counted(lake) == site.globbed() == ["c"] * 3 + ["wide"] * 6


@pytest.mark.parametrize(("start", "days"), [(START - DAY, 2), (START + DAY, 1)])
def test_a_partial_overlap_is_refused_and_nothing_changes(
    site: Site, start: datetime, days: int
) -> None:
    lake = site.lake
    publish(lake, "a", end=START + 2 * DAY)
    with pytest.raises(DataRefusedError, match="in part"):
        publish(lake, "b", start, start + days * DAY)
    assert counted(lake) == site.globbed() == ["a"] * 6


def test_what_a_killed_publish_left_is_cleared_by_the_next(site: Site) -> None:
    lake = site.lake
    entry = publish(lake, "a", end=START + 2 * DAY)
    left = f"data/events/{entry.files[0].path}"
    site.put(f"data/events/date=2026-11-18/{entry.unit}.v9.parquet", site.get(left))
    assert counted(lake) == ["a"] * 6
    publish(lake, "b", end=START + 2 * DAY)
    assert counted(lake) == site.globbed() == ["b"] * 6


def test_a_folder_above_the_lake_is_not_taken_for_a_partition(site: Site) -> None:
    lake = site.below("date=2020-01-01", "n=7").lake
    publish(lake, "a")
    _, rows = query_lake(lake, "SELECT DISTINCT date::VARCHAR, n FROM events ORDER BY n")
    assert rows == [("2026-11-18", number) for number in range(3)]


def test_a_damaged_report_or_dataset_does_not_hide_the_others(site: Site) -> None:
    lake = site.lake
    publish(lake, "a")
    site.put("_runs/date=2026-11-18/x.parquet", b"PAR1")
    assert counted(lake) == ["a"] * 3
    with pytest.raises(UsageError):
        query_lake(lake, "SELECT * FROM _runs")


def test_a_missing_file_is_told_by_name(site: Site) -> None:
    lake = site.lake
    entry = publish(lake, "a")
    site.remove(f"data/events/{entry.files[0].path}")
    with pytest.raises(StorageError, match=r"20261118T000000Z-20261119T000000Z[.\w]*\.parquet"):
        query_lake(lake, "SELECT * FROM events")


def test_a_dataset_does_not_change_its_mode(site: Site) -> None:
    lake = site.lake
    publish(lake, "a")
    with pytest.raises(DataRefusedError, match="has landed as window"):
        lake.check_mode("events", "snapshot")


def test_an_empty_window_counts_and_can_be_queried(site: Site) -> None:
    lake = site.lake
    publish(lake, "a", rows=0)
    names, rows = query_lake(lake, "SELECT * FROM events")
    assert (names, rows) == (["n", "run", "date"], [])
    publish(lake, "b")
    publish(lake, "c", rows=0)
    assert counted(lake) == []
    assert site.data() == []


@pytest.mark.slow
def test_a_reader_beside_a_writer_sees_one_version_or_the_other(site: Site) -> None:
    lake = site.lake
    publish(lake, "0", end=START + 2 * DAY)
    done = threading.Event()
    seen: set[str] = set()

    def write() -> None:
        for number in range(1, 200):
            publish(lake, str(number), end=START + 2 * DAY)
            if number >= 30 and len(seen) > 1:  # a slow machine needs more
                break
            done.wait(0.02)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        manifest = lake.manifest("events")
        assert manifest is not None
        try:
            files = [f"data/events/{f.path}" for e in manifest.entries for f in e.files]
            runs = site.runs(files)
        except (FileNotFoundError, httpx.HTTPStatusError):
            continue  # moved to `_old` between the two reads: a reader reads the manifest again
        assert len(runs) == 6
        assert len(set(runs)) == 1
        seen.add(runs[0])
    writer.join()
    assert len(seen) > 1


def test_publishers_of_different_windows_at_once_lose_nothing(site: Site) -> None:
    lake = site.lake
    threads = [
        threading.Thread(target=publish, args=(lake, f"{day:02}", START + day * DAY))
        for day in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counted(lake)) == len(site.globbed()) == 36


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "lake").touch()
    with pytest.raises(StorageError, match="cannot write"):
        publish(Lake(str(tmp_path / "lake"), TENANT), "a")
    with pytest.raises(StorageError, match=r"cannot read .*a file stands where a folder is needed"):
        Lake(str(tmp_path / "lake"), TENANT).manifest("events")


def test_what_a_full_disk_cut_short_is_taken_away_again(tmp_path: Path) -> None:
    """A limit on file sizes stands in for the disk: the manifest no longer fits."""
    lake = Lake(str(tmp_path), TENANT)
    publish(lake, "a")
    known = lake.manifest("events")
    program = (
        "import os, resource, signal, sys; from pathlib import Path; "
        "from connectors.lake.stores.local import LocalStore; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
        "store = LocalStore(Path(sys.argv[1])); "
        # Not a folder: as a file system refuses that has no links.
        "os.link = lambda *_: os.rmdir(sys.executable); "
        "exec(sys.argv[2])"
    )
    (lake.folder / "large").write_bytes(bytes(1000))
    for call in (
        "store.swap('_manifests/events/_manifest.json', bytes(1000), '')",
        "store.write('_runs/date=x/run.parquet', bytes(1000))",
        "store.keep('large', '_delta/events/large')",
    ):
        given = (program, str(lake.folder), call)
        limited = fork("tests.program_once", *given, env=os.environ, stderr=subprocess.PIPE)
        assert "StorageError" in limited.communicate()[1]
    assert lake.manifest("events") == known
    assert not list(lake.folder.rglob("*.new"))
    assert [path.parent for path in lake.folder.rglob("large")] == [lake.folder]


FORBIDDEN = [
    "DROP VIEW events",
    "COPY (SELECT 1) TO 'x.csv'",
    "SELECT 1; SELECT 2",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'",
    "SELECT * FROM read_csv('/etc/hosts')",
    "SET enable_external_access = true",
    "SELECT nonsense FROM events",
    "ATTACH 'x.db'",
    "",
]


def test_sql_reads_the_lake_and_nothing_else(site: Site) -> None:
    lake = site.lake
    publish(lake, "a")
    for sql in FORBIDDEN:
        with pytest.raises(UsageError):
            query_lake(lake, sql)
        assert counted(lake) == ["a"] * 3, sql
