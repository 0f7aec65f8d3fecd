"""Delta tables follow the manifest, read by the Delta package and not by the product's own code."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pyarrow as pa
import pytest

from connectors.lake import Lake
from connectors.lake.delta import follow, vacuum
from connectors.lake.lake import unit_name
from connectors.lake.manifest import Entry
from nxp.processes import free_port
from tests.lakes import DAY, SCHEMA, START, Site, publish, publish_snapshot
from tests.object_store import ObjectStore

deltalake = pytest.importorskip("deltalake", reason="Delta tables need the extra delta")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 service in a process of its own: the package holds Python's lock while it waits."""
    port = free_port()
    file = tmp_path_factory.mktemp("s3") / "objects.db"
    words = ("--port", str(port), "--file", str(file), "--bucket", "lake")
    with subprocess.Popen([sys.executable, "-m", "nxp.stack.object_store", *words]) as process:
        store = ObjectStore(f"http://127.0.0.1:{port}")
        try:
            for _ in range(300):
                try:
                    store.request("GET", "lake")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield store
        finally:
            process.terminate()


@pytest.fixture
def own_bucket_site(service: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An empty lake in a bucket of that service."""
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)
    return Site(f"s3://lake/{tmp_path.name}", tmp_path / "scratch", service)


@pytest.fixture(
    params=["folder_site", pytest.param("own_bucket_site", marks=pytest.mark.slow)],
)
def place(request: pytest.FixtureRequest) -> Site:
    """An empty lake, in a folder and then in a bucket."""
    made: Site = request.getfixturevalue(request.param)
    return made


def rows(site: Site, table: str = "events") -> list[str]:
    """Return the runs of all rows of a table, as Polars reads it by its log."""
    options = site.service.environment if site.service else None
    place = site.lake.location(f"_delta/{table}")
    return sorted(pl.read_delta(place, storage_options=options)["run"])


def land(lake: Lake, run: str, start: datetime = START, days: int = 1) -> None:
    """Publish a window as a dataset with Delta tables is published."""
    publish(lake, run, start, start + days * DAY, apart=True)
    follow(lake, "events")


def test_a_table_is_equal_to_the_manifest_after_each_publish(place: Site) -> None:
    land(place.lake, "one")
    land(place.lake, "two", START + DAY, days=2)
    assert rows(place) == place.named() == ["one"] * 3 + ["two"] * 6
    land(place.lake, "new", START + DAY, days=2)
    assert rows(place) == place.named() == ["new"] * 6 + ["one"] * 3
    assert place.lake.dropped_before("events", START + DAY)
    follow(place.lake, "events")
    assert rows(place) == ["new"] * 6
    # The dataset's own folder is still plain Parquet.
    assert not [path for path in place.paths("data") if "_delta" in path]


def test_a_snapshot_dataset_has_a_table_of_the_latest_and_one_of_all(place: Site) -> None:
    for run, slot in (("first", START), ("last", START + DAY)):
        publish_snapshot(place.lake, run, slot)
        follow(place.lake, "devices")
    assert rows(place, "devices") == ["last"] * 3
    assert rows(place, "devices_history") == ["first"] * 3 + ["last"] * 3
    table = deltalake.DeltaTable(
        place.lake.location("_delta/devices"),
        storage_options=place.service.environment if place.service else None,
    )
    assert pa.table(table.get_add_actions(flatten=True))["partition.snapshot"].to_pylist() == [
        "20261119T000000Z"
    ]


def test_a_kill_leaves_the_table_behind_until_the_next_publish(folder_site: Site) -> None:
    land(folder_site.lake, "one")
    # Killed between manifest and commit.
    publish(folder_site.lake, "lost", START + DAY)
    assert rows(folder_site) == ["one"] * 3
    # Killed between links and commit: the links are there, and are made again.
    entry = publish(folder_site.lake, "linked", START + 2 * DAY)
    source = entry.files[0].path
    linked = source.replace(".parquet", ".linked.parquet")
    folder_site.lake.store.keep(f"data/events/{source}", f"_delta/events/{linked}")
    land(folder_site.lake, "next", START + 3 * DAY)
    assert rows(folder_site) == folder_site.named()


def test_an_older_manifest_never_takes_a_newer_tables_files_away(
    folder_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(folder_site.lake, "one")
    behind = folder_site.lake
    old = behind.manifest("events")
    land(folder_site.lake, "two", START + DAY)
    monkeypatch.setattr(behind, "manifest", lambda _: old)
    follow(behind, "events")
    assert rows(folder_site) == ["one"] * 3 + ["two"] * 3


def test_columns_are_added_and_change_their_type(folder_site: Site) -> None:
    land(folder_site.lake, "old")
    wide = SCHEMA.append(pa.field("more", pa.float64()))
    _land_as(folder_site.lake, wide, {"n": [7], "run": ["wide"], "more": [0.5]})
    frame = pl.read_delta(folder_site.lake.location("_delta/events"))
    assert sorted(frame["more"].fill_null(0)) == [0, 0, 0, 0.5]
    retyped = pa.schema([("n", pa.string()), ("run", pa.string()), ("more", pa.float64())])
    values = {"n": ["7"], "run": ["wide"], "more": [0.5]}
    _land_as(folder_site.lake, retyped, values)
    values = {"n": ["0"], "run": ["old"], "more": [None]}
    _land_as(folder_site.lake, retyped, values, START)
    place = folder_site.lake.location("_delta/events")
    assert sorted(pl.read_delta(place)["n"].to_list()) == ["0", "7"]
    # Each version has all rows: a kill between two commits, or a reader then, finds none missing.
    versions = range(deltalake.DeltaTable(place).version() + 1)
    assert [_rows_of(place, version) for version in versions] == [3, 3, 4, 4, 2]
    _land_as(folder_site.lake, retyped, {"n": ["8"], "run": ["more"], "more": [None]})
    assert sorted(pl.read_delta(place)["n"].to_list()) == ["0", "8"]


def _rows_of(place: str, version: int) -> int:
    """Return the rows that a version of a table says it has."""
    actions = deltalake.DeltaTable(place, version=version).get_add_actions(flatten=True)
    return sum(pa.table(actions)["num_records"].to_pylist())


def _land_as(
    lake: Lake, schema: pa.Schema, values: dict[str, object], start: datetime = START + DAY
) -> None:
    unit = unit_name(start, start + DAY)
    with lake.stage("events", "r", unit, schema) as stage:
        stage.write(f"date={start:%Y-%m-%d}", pa.table(values, schema))
        entry = Entry(
            unit=unit,
            starts_at=start,
            ends_at=start + DAY,
            run_id=f"r{len(schema)}-{schema.field('n').type}",
            exported_at=start + DAY,
            rows=1,
            files=(),
        )
        lake.publish("events", "window", entry, stage.finish(), schema, apart=True)
    follow(lake, "events")


def test_files_that_left_a_table_are_deleted_after_the_grace(folder_site: Site) -> None:
    land(folder_site.lake, "one")
    land(folder_site.lake, "new")
    folder = Path(folder_site.root) / "acme.eu/_delta/events"
    assert len(list(folder.glob("*/*.parquet"))) == 2
    assert vacuum(folder_site.lake, "events", timedelta(hours=1)) == 0
    assert vacuum(folder_site.lake, "events", timedelta(0), dry_run=True) == 1
    assert len(list(folder.glob("*/*.parquet"))) == 2
    assert vacuum(folder_site.lake, "events", timedelta(0)) == 1
    assert rows(folder_site) == ["new"] * 3
    assert len(list(folder.glob("*/*.parquet"))) == 1


def test_links_take_no_room_and_readers_of_an_old_version_keep_their_files(
    folder_site: Site,
) -> None:
    land(folder_site.lake, "one")
    place = folder_site.lake.location("_delta/events")
    old = deltalake.DeltaTable(place)
    linked = next((Path(place)).glob("*/*.parquet"))
    assert linked.stat().st_nlink == 2
    land(folder_site.lake, "new")
    folder_site.lake.store.tidy("data/events")
    assert set(
        pa.table(pl.read_delta(place, version=old.version()).to_arrow())["run"].to_pylist()
    ) == {"one"}


def test_the_log_holds_no_values_of_rows(folder_site: Site) -> None:
    land(folder_site.lake, "canary")
    log = Path(folder_site.lake.location("_delta/events/_delta_log/00000000000000000000.json"))
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    stats = [action["add"]["stats"] for action in actions if "add" in action]
    assert [json.loads(text) for text in stats] == [{"numRecords": 3}]


PUBLISHER = """
import sys
from pathlib import Path
from connectors.lake.delta import follow
from tests.lakes import DAY, START, Site, publish, publish_snapshot

lake = Site(sys.argv[1], Path(sys.argv[2])).lake
for number in range(1000):
    publish(lake, f"{sys.argv[3]}-{number}", START + number % 3 * DAY, apart=True)
    follow(lake, "events")
    publish_snapshot(lake, f"{sys.argv[3]}-{number}", START + number * DAY, apart=True)
    follow(lake, "devices")
    print(number, flush=True)
"""


@pytest.mark.chaos
def test_a_table_survives_kills_at_any_moment(folder_site: Site, tmp_path: Path) -> None:
    chance = random.Random(7)
    for life in range(12):
        words = [sys.executable, "-c", PUBLISHER, folder_site.root, str(tmp_path / "s"), f"r{life}"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
        # What a reader of the table finds is a version of it, whole and readable.
        assert rows(folder_site)
        assert rows(folder_site, "devices")
    for dataset in ("events", "devices"):
        follow(folder_site.lake, dataset)
    assert rows(folder_site) == folder_site.named()
    assert rows(folder_site, "devices_history") == folder_site.named("devices")
    assert vacuum(folder_site.lake, "events", timedelta(0)) > 0
    assert rows(folder_site) == folder_site.named()
