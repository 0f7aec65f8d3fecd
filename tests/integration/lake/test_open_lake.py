"""The lake for other programs: Python by `open_lake`, and BI tools by a DuckDB database."""

import subprocess
import sys
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from connectors.errors import ConfigurationError, UsageError
from connectors.lake.duckdb_file import write_database
from nxp.lake import OpenLake, open_lake
from tests.commands import environment, nxp
from tests.lakes import DAY, SCHEMA, START, TENANT, Site, publish, publish_snapshot
from tests.landing import Place

Runs = list[str]


@pytest.fixture
def landed(site: Site) -> Site:
    """Three days of events, the second landed twice, and two snapshots."""
    publish(site.lake, "one")
    publish(site.lake, "two", START + DAY, START + 3 * DAY)
    publish(site.lake, "new", START + DAY, START + 3 * DAY, rows=1)
    publish_snapshot(site.lake, "first", START)
    publish_snapshot(site.lake, "last", START + DAY, rows=2)
    return site


def by_polars(lake: OpenLake, dataset: str, **chosen: Any) -> Runs:
    return sorted(lake.polars(dataset, **chosen).collect()["run"])


def by_arrow(lake: OpenLake, dataset: str, **chosen: Any) -> Runs:
    return sorted(lake.arrow(dataset, **chosen).to_table()["run"].to_pylist())


@pytest.mark.parametrize("read", [by_polars, by_arrow])
def test_exactly_the_files_that_count_are_read(landed: Site, read: Any) -> None:
    lake = OpenLake(landed.lake)
    landed.put(f"data/events/date={START:%Y-%m-%d}/stray.parquet", b"of a killed publish")
    assert read(lake, "events") == ["new"] * 2 + ["one"] * 3
    assert read(lake, "events", start=START + DAY) == ["new"] * 2
    assert read(lake, "events", end=(START + DAY).date()) == ["one"] * 3
    assert read(lake, "events", start=str((START + 9 * DAY).date())) == []
    assert read(lake, "events", end=(START + DAY).isoformat()) == ["one"] * 3
    assert read(lake, "devices") == ["last"] * 2
    assert read(lake, "devices", history=True) == ["first"] * 3 + ["last"] * 2
    assert read(lake, "devices", end=START + DAY) == ["first"] * 3
    assert len(lake.files("events")) == 3
    assert lake.datasets == ["devices", "events"]


def test_frames_have_the_partition_and_open_only_what_a_filter_leaves(landed: Site) -> None:
    lake, day = OpenLake(landed.lake), (START + DAY).date()
    frame = lake.polars("events")
    assert dict(frame.collect_schema()) == {"n": pl.Int64, "run": pl.String, "date": pl.Date}
    assert frame.filter(pl.col("date") == day).collect().to_dicts() == [
        {"n": 0, "run": "new", "date": day}
    ]
    dataset = lake.arrow("events")
    kept = ds.field("date") == day
    assert len(list(dataset.get_fragments(filter=kept))) == 1
    assert dataset.to_table(filter=kept).column("date").to_pylist() == [day]
    slots = lake.polars("devices", history=True).select("snapshot").unique().collect()
    assert sorted(slots["snapshot"]) == ["20261118T000000Z", "20261119T000000Z"]
    assert set(lake.arrow("devices").to_table()["snapshot"].to_pylist()) == {"20261119T000000Z"}


def test_a_folder_with_an_equals_sign_is_not_a_partition(tmp_path: Path) -> None:
    site = Site(str(tmp_path / "year=2026" / "lake"), tmp_path / "scratch")
    publish(site.lake, "one")
    frame = OpenLake(site.lake).polars("events").collect()
    assert (frame.columns, set(frame["date"])) == (["n", "run", "date"], {START.date()})


def test_a_column_that_came_later_is_null_before(folder_site: Site) -> None:
    publish(folder_site.lake, "old")
    wide = SCHEMA.append(pa.field("tags", pa.list_(pa.string())))
    lake = folder_site.lake
    entry = publish(lake, "new", START + DAY)
    with lake.stage("events", "new", entry.unit, wide) as stage:
        table = pa.table({"n": [7], "run": ["new"], "tags": [["a", "b"]]}, wide)
        stage.write(f"date={START + DAY:%Y-%m-%d}", table)
        lake.publish("events", "window", entry.model_copy(update={"rows": 1}), stage.finish(), wide)
    opened = OpenLake(lake)
    expected = [None, None, None, ["a", "b"]]
    assert opened.polars("events").sort("n").collect()["tags"].to_list() == expected
    assert sorted(
        map(str, opened.arrow("events").to_table()["tags"].to_pylist()), reverse=True
    ) == (sorted(map(str, expected), reverse=True))


def test_duckdb_has_the_views_of_nxp_sql(landed: Site) -> None:
    with closing(OpenLake(landed.lake).duckdb()) as connection:
        count = "SELECT count(*) FROM {}"
        found = {
            view: connection.execute(count.format(view)).fetchall()[0][0]
            for view in ("events", "devices", "devices_history", "_runs", "_rejects")
        }
        assert found == {"events": 5, "devices": 2, "devices_history": 5, "_runs": 0, "_rejects": 0}
        connection.execute("CREATE TABLE mine AS SELECT * FROM events")


def test_what_has_not_landed_is_named(folder_site: Site) -> None:
    publish(folder_site.lake, "one")
    lake = OpenLake(folder_site.lake)
    with pytest.raises(UsageError, match=r"crashes has not landed in .*; landed: events"):
        lake.polars("crashes")
    with pytest.raises(UsageError, match="events has no snapshots"):
        lake.arrow("events", history=True)
    for wrong in ("yesterday", 20261120):
        with pytest.raises(UsageError, match=f"{wrong}.* is not a date"):
            lake.files("events", start=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a place needs a tenant"):
        open_lake(place="/lake")
    assert open_lake(TENANT, place=folder_site.root).datasets == ["events"]


def test_the_settings_say_which_lake(here: Place) -> None:
    assert open_lake().location == here.lake.location()


@pytest.fixture
def database(folder_site: Site, tmp_path: Path) -> tuple[Site, Path]:
    """A lake with two datasets, and a database of views over it."""
    publish(folder_site.lake, "one")
    publish_snapshot(folder_site.lake, "first")
    file = tmp_path / "lake.duckdb"
    views = write_database(folder_site.lake, file)
    records = ["_changes", "_rejects", "_runs", "_targets"]
    assert views == ["devices", "devices_history", "events", *records]
    return folder_site, file


def asked(file: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(duckdb.connect(str(file), read_only=True)) as connection:
        return connection.execute(query).fetchall()


def test_a_database_is_never_out_of_date_and_never_reads_what_does_not_count(
    database: tuple[Site, Path],
) -> None:
    site, file = database
    publish(site.lake, "new")
    publish(site.lake, "two", START + DAY, START + 3 * DAY)
    publish_snapshot(site.lake, "last", START + DAY, rows=2)
    stray = Path(site.root) / TENANT / f"data/events/date={START:%Y-%m-%d}/stray.parquet"
    pl.DataFrame({"n": [1], "run": ["stray"]}).write_parquet(stray)
    assert asked(file, "SELECT run, count(*) FROM events GROUP BY ALL ORDER BY 1") == [
        ("new", 3),
        ("two", 6),
    ]
    assert asked(file, "SELECT DISTINCT run, snapshot FROM devices") == [
        ("last", "20261119T000000Z")
    ]
    assert asked(file, "SELECT count(*) FROM devices_history") == [(5,)]
    assert asked(file, "SELECT DISTINCT date FROM events ORDER BY 1 LIMIT 1") == [(START.date(),)]
    plan = asked(file, "EXPLAIN ANALYZE SELECT sum(n) FROM devices")[0][1]
    # One file of rows, and the manifest.
    assert plan.count("Total Files Read: 1") == 2


READER = """
import sys, duckdb
lake = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    print(lake.sql(line).fetchall(), flush=True)
"""


def test_another_process_has_a_database_open_while_units_are_published(
    database: tuple[Site, Path],
) -> None:
    site, file = database
    command = [sys.executable, "-c", READER, str(file)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as reader:
        assert reader.stdin
        assert reader.stdout
        for run in ("two", "three"):
            publish(site.lake, run)
            publish_snapshot(site.lake, run, START + DAY)
            for name in ("events", "devices"):
                print(f"FROM {name} SELECT DISTINCT run", file=reader.stdin, flush=True)
                assert reader.stdout.readline() == f"[('{run}',)]\n"
            # A new one takes the file's place; who has the old one open keeps it.
            write_database(site.lake, file)
        reader.stdin.close()


def test_a_database_with_relative_paths_moves_with_its_lake(
    folder_site: Site, tmp_path: Path
) -> None:
    publish(folder_site.lake, "one")
    old = tmp_path / "old"
    old.mkdir()
    Path(folder_site.root).rename(old / "lake")
    lake = Site(str(old / "lake"), tmp_path).lake
    write_database(lake, old / "bi.duckdb", relative=True)
    moved = old.rename(tmp_path / "moved")
    code = "import duckdb; print(duckdb.connect('bi.duckdb').sql('FROM events').fetchall())"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=moved, capture_output=True, text=True, check=False)
    assert done.stdout.count("one") == 3, done.stderr
    with closing(duckdb.connect(str(moved / "bi.duckdb"))) as connection:
        connection.execute(f"SET file_search_path = '{moved}'")
        assert len(connection.execute("FROM events").fetchall()) == 3


def test_a_database_never_replaces_anything_else(database: tuple[Site, Path]) -> None:
    site, file = database
    write_database(site.lake, file)
    other = file.with_name("other.duckdb")
    other.write_text("not a database")
    with pytest.raises(UsageError, match="is not a DuckDB database"):
        write_database(site.lake, other)
    assert other.read_text() == "not a database"
    own = file.with_name("own.duckdb")
    with closing(duckdb.connect(str(own))) as connection:
        connection.execute("CREATE TABLE mine (a INT)")
    with pytest.raises(UsageError, match="holds 1 tables of its own"):
        write_database(site.lake, own)
    empty = Site(f"{site.root}-empty", site.scratch)
    with pytest.raises(ConfigurationError, match="nothing has landed"):
        write_database(empty.lake, file)
    assert not list(file.parent.glob("*.new"))


def test_the_command_writes_it(database: tuple[Site, Path], tmp_path: Path) -> None:
    site, _ = database
    env = environment(
        NXP_HOME=str(tmp_path / "home"),
        NXP_LAKE=site.root,
        NEXTHINK_INSTANCE="acme",
        NEXTHINK_REGION="eu",
    )
    file = tmp_path / "bi.duckdb"
    done = nxp("lake", "duckdb", str(file), env=env)
    assert (done.returncode, "7 views" in done.stderr) == (0, True), done.stderr
    assert asked(file, "SELECT count(*) FROM events") == [(3,)]
    assert nxp("lake", "duckdb", str(tmp_path / "no" / "bi.duckdb"), env=env).returncode == 3


def test_moments_without_a_zone_are_utc(folder_site: Site) -> None:
    publish(folder_site.lake, "one")
    lake = OpenLake(folder_site.lake)
    naive = datetime(2026, 11, 19)  # noqa: DTZ001 - as an analyst writes it
    assert by_arrow(lake, "events", start=naive) == []
    assert by_arrow(lake, "events", end=naive.replace(tzinfo=UTC)) == ["one"] * 3
    assert by_arrow(lake, "events", start=date(2026, 11, 18)) == ["one"] * 3
