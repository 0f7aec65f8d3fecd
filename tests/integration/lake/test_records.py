"""Records of runs: one schema for a folder, whatever kind of run or release wrote its files."""

import io
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from connectors.errors import SqlError, StorageError
from connectors.lake import Lake
from connectors.lake.duckdb_file import write_database
from connectors.lake.query import query_lake
from connectors.lake.record_columns import (
    ACTION_CHANGES,
    FOLDERS,
    RECORDS,
    STAGES,
    SYNC_CHANGES,
    VERSION,
)
from connectors.lake.record_upgrade import NOTE, old_records, unfinished_writes, upgrade_records
from connectors.lake.records import (
    schema_of,
    write_action_changes,
    write_changes,
    write_rejects,
    write_run,
)
from connectors.lake.stores.local import LocalStore
from tasks.act.report import ActionReport
from tasks.land.report import STAGES as LAND_STAGES
from tasks.land.run_report import RunReport
from tasks.sync.report import SyncReport
from tests.lakes import DAY, Site, publish

RUN = "0a5b9f3e-1111-4c4c-8d8d-0000000000{:02}"
AT = datetime(2026, 11, 18, 9, 30, 15, 123456, UTC)
# Of reports, what `_runs` has no column for: details that the ledger keeps.
DETAILS = {
    "allow",
    "seconds",
    "expired",
    "partial",
    "unproven",
    "empty",
    "failures",
    "outcomes",
    "planned",
    "verified",
    "met",
    "read_first",
    "read_later",
    "unread",
}


def run_of(number: int, **more: Any) -> dict[str, Any]:
    """Return what every run reports."""
    return {
        "run_id": RUN.format(number),
        "tenant": "acme.eu",
        "dataset": "events",
        "state": "done",
        "started_at": AT + number * DAY / 3,
        "finished_at": AT + number * DAY / 3,
        "units": number,
        "error": None,
        "seconds": {},
        **more,
    }


def landed(number: int, **more: Any) -> dict[str, Any]:
    """Return the report of an export; times are whole numbers or fractions, as they come."""
    seconds = {"wait": 0, "download": 1.25, "conform": 0, "check": 0, "publish": 2}
    counts = dict.fromkeys(("planned", "calls", "rows_read", "rows_landed", "rows_rejected"), 7)
    lists: dict[str, Any] = {
        "expired": [],
        "partial": [],
        "unproven": [],
        "empty": [],
        "failures": [{"unit": "u"}],
        "outcomes": [{"unit": "u"}],
    }
    rest = {"folder": "/lake/events", "watermark": None, "seconds": seconds}
    return run_of(number, trigger="schedule", **counts, **lists, **{**rest, **more})


REPORTS = [
    landed(1),
    landed(2, watermark=AT, error="refused"),
    landed(3, seconds=dict.fromkeys(LAND_STAGES, 0.5), error=None),
    run_of(4, trigger="replay", planned=1, watermark=None, outcomes=[]),
    run_of(5, trigger="maintain", retention=None, files_moved=3, cleared=[{"what": "x"}]),
    run_of(6, trigger="learn"),
    run_of(
        7,
        trigger="sync",
        planned={"rows": 3},
        objects=3,
        objects_per_second=0.0,
        convergence=None,
        values='{"set": {"acknowledged": 3}}',
        codes="{}",
        verified=None,
        seconds={"push": 1.5, "verify": 0},
    ),
    run_of(8, trigger="sync", planned={}, convergence=99.5, values="{}", seconds={"push": 0}),
    run_of(
        9,
        trigger="act",
        action_id="#restart",
        outcomes='{"success": 1}',
        approved_by=None,
        effect=None,
        seconds={"plan": 0.25},
    ),
]
CHANGED = pl.DataFrame(
    {"key": ["k"], "field": ["f"], "before": [None], "after": ["v"], "action": ["set"]},
    {"key": pl.String, "field": pl.String, "before": pl.String, "after": pl.String}
    | {"action": pl.String},
).to_arrow()
TARGETS = pl.DataFrame(
    {"intent_id": ["i"], "state": ["requested"], "target": ["t"], "code": [None], "status_at": AT}
).to_arrow()
RECORD_NAMES = ("_runs", "_rejects", "_changes", "_targets")
REJECTED = pl.DataFrame({"record": [3, None], "reasons": [["a: not int", "b: not int"], ["c"]]})


def write_all(lake: Lake) -> None:
    """Write records of every kind, as this release does."""
    for report in REPORTS:
        write_run(lake, report)
    for name, run in (("events", 1), ("devices", 2)):
        rejects = REJECTED.to_arrow()
        write_rejects(lake, name, "20261118T000000Z", RUN.format(run), rejects, ["x", "y"])
    write_changes(lake, "assets", RUN.format(7), 1, AT, CHANGED)
    write_action_changes(lake, "restart", RUN.format(9), AT, TARGETS)


def write_all_as_the_first_release(site: Site) -> None:
    """Write the same records with the types of their own values, and nothing that is in a path."""
    for report in REPORTS:
        row = {name: value for name, value in report.items() if not isinstance(value, list | dict)}
        row |= {f"seconds_{stage}": took for stage, took in report["seconds"].items()}
        path = f"_runs/date={row['started_at']:%Y-%m-%d}/{row['run_id']}.parquet"
        put(site, path, pa.Table.from_pylist([row]))
    unit = "20261118T000000Z"
    for name, number in (("events", 1), ("devices", 2)):
        run = RUN.format(number)
        table = REJECTED.with_columns(run_id=pl.lit(run), unit=pl.lit(unit)).to_arrow()
        file = f"dataset={name}/{unit}-{run}.parquet"
        put(site, f"_rejects/{file}", table.select(["run_id", "unit", "record", "reasons"]))
        raw = pa.table({"record": [3, None], "raw": ["x", "y"]})
        put(site, f"_rejects_raw/{file}", raw)
    changes = CHANGED.append_column("run_id", pa.array([RUN.format(7)]))
    changes = changes.append_column("at", pa.array([AT], pa.timestamp("us", "UTC")))
    put(site, f"_changes/sync=assets/date=2026-11-18/{RUN.format(7)}-1.parquet", changes)
    targets = TARGETS.append_column("run_id", pa.array([RUN.format(9)]))
    put(site, f"_changes/action=restart/date=2026-11-18/{RUN.format(9)}.parquet", targets)


def put(site: Site, path: str, table: pa.Table) -> None:
    """Write a Parquet file as it is."""
    target = io.BytesIO()
    pq.write_table(table, target)
    site.put(path, target.getvalue())


def tables(site: Site) -> dict[str, pa.Table]:
    """Return all records, by the path of their file."""
    found = {}
    for folder in FOLDERS:
        for path in site.parquet(folder):
            with pq.ParquetFile(io.BytesIO(site.get(path))) as file:
                found[path] = file.read()
    return found


def viewed(lake: Lake) -> list[Any]:
    """Return what the views of records show."""
    return [query_lake(lake, f"FROM {view} ORDER BY ALL") for view in RECORD_NAMES]


def test_changes_say_which_sync_or_action_and_only_what_is_asked_for_is_opened(
    folder_site: Site,
) -> None:
    lake = folder_site.lake
    write_changes(lake, "assets", RUN.format(1), 1, AT, CHANGED)
    write_changes(lake, "people", RUN.format(2), 1, AT + DAY, CHANGED)
    write_action_changes(lake, "restart", RUN.format(3), AT, TARGETS)
    ours = "SELECT sync, key, field, before, after, action, changed_at FROM _changes WHERE "
    days = "SELECT sync, date::text FROM _changes ORDER BY ALL"
    assert query_lake(lake, days)[1] == [("assets", "2026-11-18"), ("people", "2026-11-19")]
    targets = query_lake(lake, "SELECT action, target, state, status_at FROM _targets")[1]
    assert targets == [("restart", "t", "requested", AT)]
    # Damaged files fail what reads them, and nothing else.
    for path in folder_site.parquet("_changes"):
        if "people" in path or "action=" in path:
            folder_site.put(path, b"no Parquet")
    rows = [("assets", "k", "f", None, "v", "set", AT)]
    for where in ("sync = 'assets'", "date < '2026-11-19'", "sync LIKE 'ass%' AND field = 'f'"):
        assert query_lake(lake, ours + where)[1] == rows
    described = query_lake(lake, "DESCRIBE _targets")[1]
    assert [row[0] for row in described][:3] == ["action", "date", "run_id"]
    assert ("_changes",) in query_lake(lake, "SHOW TABLES")[1]
    with pytest.raises(SqlError, match="Parquet"):
        query_lake(lake, "FROM _targets")


@contextmanager
def another_account(file: Path) -> Iterator[None]:
    """Run as an account that may not read a file."""
    if os.getuid():
        file.chmod(0)
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_changes_are_for_the_account_that_made_them() -> None:
    # Not below pytest's folder, which is private as a whole.
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        lake = Lake(place, "acme.eu")
        file = Path(write_changes(lake, "assets", RUN.format(1), 1, AT, CHANGED))
        with another_account(file):
            assert query_lake(lake, "FROM _runs")[1] == []
            with pytest.raises(StorageError, match="for the account that runs syncs"):
                query_lake(lake, "FROM _changes")
        publish(lake, "one")
        database = Path(place, "lake.duckdb")
        write_database(lake, database)
        database.chmod(0o644)
        with (
            another_account(file),
            closing(duckdb.connect(str(database), read_only=True)) as views,
        ):
            assert views.execute("SELECT count(*) FROM events").fetchall() == [(3,)]
            with pytest.raises(duckdb.IOException, match="No files found"):
                views.execute("FROM _changes")


@pytest.mark.parametrize(
    "kind", ["folder_site", pytest.param("bucket_site", marks=pytest.mark.slow)]
)
def test_a_database_of_views_has_records_that_were_written_later(
    request: pytest.FixtureRequest, kind: str
) -> None:
    site: Site = request.getfixturevalue(kind)
    lake = site.lake
    publish(lake, "one")
    write_run(lake, REPORTS[0])
    with TemporaryDirectory() as place:
        # Once before there is a file of all other kinds, and once after.
        for name in ("before", "after"):
            write_database(lake, Path(place, name))
            write_all(lake)
        for path in site.parquet("_rejects_raw"):
            site.put(path, b"never opened")
        shown = viewed(lake)
        for name in ("before", "after"):
            with closing(duckdb.connect(str(Path(place, name)), read_only=True)) as views:
                if files := lake.store.filesystem(None):
                    views.register_filesystem(files)
                views.execute("SET TimeZone = 'UTC'")
                for view, (columns, rows) in zip(RECORD_NAMES, shown, strict=True):
                    cursor = views.execute(f"FROM {view} ORDER BY ALL")
                    assert [each[0] for each in cursor.description or ()] == columns
                    assert cursor.fetchall() == rows
                if name == "after":
                    for path in site.parquet("_runs"):
                        site.put(path, b"never opened")
                    assert len(views.execute("FROM _rejects").fetchall()) == 4


def test_readers_take_a_folder_of_all_kinds_of_runs_as_one_table(folder_site: Site) -> None:
    lake = folder_site.lake
    write_all(lake)
    folder = lake.folder / "_runs"
    asked = ["run_id", "watermark", "error", "seconds_wait", "planned", "values", "convergence"]
    by_arrow = ds.dataset(folder, partitioning="hive").to_table(columns=asked)
    expected = by_arrow.sort_by("run_id").to_pylist()
    assert [row["seconds_wait"] for row in expected] == [0.0, 0.0, 0.5, *[None] * 6]
    assert [row["watermark"] for row in expected] == [None, AT, *[None] * 7]
    assert [row["planned"] for row in expected] == [7, 7, 7, 1, *[None] * 5]
    by_polars = pl.scan_parquet(folder, hive_partitioning=True).select(asked).sort("run_id")
    assert by_polars.collect().to_dicts() == expected
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        named = ", ".join(f'"{name}"' for name in asked)
        read = f"SELECT {named} FROM '{folder}/*/*.parquet' ORDER BY run_id"  # noqa: S608
        assert connection.execute(read).fetchall() == [tuple(row.values()) for row in expected]
    sql = f"SELECT {named} FROM _runs ORDER BY run_id"  # noqa: S608
    assert query_lake(lake, sql)[1] == [tuple(row.values()) for row in expected]
    assert {table.schema for table in tables(folder_site).values()} == {
        schema_of(records) for records in RECORDS
    }


@pytest.mark.parametrize("folder", ["_rejects", "_rejects_raw", SYNC_CHANGES, ACTION_CHANGES])
def test_rejects_and_changes_have_one_schema_too(folder_site: Site, folder: str) -> None:
    lake = folder_site.lake
    write_all(lake)
    # A run without any value in a column must not differ.
    nothing = pl.DataFrame({"record": [None], "reasons": [[]]}).to_arrow()
    write_rejects(lake, "crashes", "20261119T000000Z", RUN.format(3), nothing, [""])
    parts = sorted(
        lake.folder.glob(f"{folder}/" if folder.startswith("_rejects") else f"{folder}=*")
    )
    read = pl.concat([pl.scan_parquet(part) for part in parts]).collect()
    assert set(RECORDS[folder]) <= set(read.columns)
    assert ds.dataset(parts[0], partitioning="hive").to_table().num_rows > 0
    if folder.startswith("_rejects"):
        assert set(read["dataset"]) == {"events", "devices", "crashes"}


def test_records_of_the_first_release_are_read_and_rewritten_once(folder_site: Site) -> None:
    rewrites_records_once(folder_site)


@pytest.mark.slow
def test_records_are_rewritten_in_a_bucket_too(bucket_site: Site) -> None:
    rewrites_records_once(bucket_site)


def rewrites_records_once(site: Site) -> None:
    """Check that old records show the same before and after they are rewritten."""
    write_all_as_the_first_release(site)
    before, seen = tables(site), viewed(site.lake)
    assert {file.path for file in old_records(site.lake)} == set(before)
    assert {file.path for file in upgrade_records(site.lake)} == set(before)
    after = tables(site)
    assert viewed(site.lake) == seen
    assert upgrade_records(site.lake) == old_records(site.lake) == []
    write_all(site.lake)
    # Whichever release wrote them: the same files with the same values.
    assert tables(site) == after
    assert all(
        int(each.schema.metadata[b"nxp_records_version"]) == VERSION for each in after.values()
    )


def test_only_what_came_since_the_last_pass_is_looked_at(folder_site: Site) -> None:
    write_all(folder_site.lake)
    upgrade_records(folder_site.lake)
    assert "looked_at" in folder_site.get(NOTE).decode()
    # An older program still writes into the same lake.
    write_all_as_the_first_release(folder_site)
    assert len(upgrade_records(folder_site.lake)) == len(REPORTS) + 6
    folder_site.put(NOTE, b"{")
    assert upgrade_records(folder_site.lake) == []


def test_files_that_do_not_fit_stay_as_they_are(folder_site: Site) -> None:
    put(folder_site, "_runs/date=2026-11-18/a.parquet", pa.table({"strange": [1]}))
    put(folder_site, "_runs/date=2026-11-18/b.parquet", pa.table({"units": ["many"]}))
    folder_site.put("_runs/date=2026-11-18/c.parquet", b"PAR1")
    before = {path: folder_site.get(path) for path in folder_site.paths("_runs")}
    assert upgrade_records(folder_site.lake) == []
    assert {path: folder_site.get(path) for path in folder_site.paths("_runs")} == before


class Killed(BaseException):
    """Stands for a kill."""


class MortalStore(LocalStore):
    """Dies at one of its writes: before it, or once the file is in place."""

    def __init__(self, folder: Path, last: int, *, is_done: bool) -> None:
        super().__init__(folder)
        self._left, self._is_done = last, is_done

    def write(self, path: str, content: bytes, *, private: bool = False) -> None:
        """Write a file, or die."""
        self._left -= 1
        if self._left < 0 and not self._is_done:
            raise Killed
        super().write(path, content, private=private)
        if self._left < 0:
            raise Killed


@pytest.mark.parametrize(
    ("last", "is_done"),
    [
        (7, True),
        pytest.param(15, False, marks=pytest.mark.slow),
        pytest.param(0, False, marks=pytest.mark.slow),
        pytest.param(15, True, marks=pytest.mark.slow),
    ],
)
def test_a_killed_pass_leaves_whole_files_and_the_next_does_the_rest(
    folder_site: Site, last: int, is_done: bool
) -> None:
    write_all_as_the_first_release(folder_site)
    seen, paths = viewed(folder_site.lake), sorted(tables(folder_site))
    dying = folder_site.lake
    dying.store = MortalStore(dying.folder, last, is_done=is_done)
    with pytest.raises(Killed):
        upgrade_records(dying)
    assert viewed(folder_site.lake) == seen
    upgrade_records(folder_site.lake)
    assert old_records(folder_site.lake) == []
    assert (viewed(folder_site.lake), sorted(tables(folder_site))) == (seen, paths)
    for folder in ("_rejects_raw", "_changes"):
        for file in (folder_site.lake.folder / folder).rglob("*.parquet"):
            assert file.stat().st_mode & 0o077 == 0


def test_what_killed_writes_left_is_found_in_both_places(folder_site: Site) -> None:
    folder_site.put("_staging/0123.new", b"PAR1")
    folder_site.put("_staging/run/unit/data.parquet", b"PAR1")
    folder_site.put("_runs/date=2026-11-18/.run.parquet.new", b"PAR1")
    now = datetime.now(UTC)
    assert unfinished_writes(folder_site.lake, now - DAY) == []
    found = [file.path for file in unfinished_writes(folder_site.lake, now + DAY)]
    assert found == ["_staging/0123.new", "_runs/date=2026-11-18/.run.parquet.new"]


@pytest.mark.parametrize("report", [RunReport, SyncReport, ActionReport])
def test_every_plain_value_of_a_report_has_its_column(report: type[Any]) -> None:
    assert {field.name for field in fields(report)} - DETAILS <= set(RECORDS["_runs"])
    assert set(LAND_STAGES) <= set(STAGES)
