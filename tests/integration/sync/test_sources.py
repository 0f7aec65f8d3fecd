"""The first half of a sync with real sources: pulled, joined, resolved."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.errors import ConfigurationError, DataRefusedError
from connectors.lake.records import write_rejects
from connectors.ledger import open_ledger
from connectors.sources import Completeness
from connectors.syncs import SyncSpecification, load_sync
from nxp.cli import run
from sandbox.hr.writing import write_hr
from sandbox.options import SandboxOptions
from tasks.stories import sync as stories
from tasks.sync.asked import SyncAsked
from tasks.sync.pull import Pulled, PullState, pull_sources
from tasks.sync.run import choose_sync
from tasks.sync.shape import Shaped, shaped
from tasks.sync.wanted import WantedRange
from tests.landing import CATALOG, NOW, Place
from tests.shaping import CENTRE, cells, keys, shaping, sync_of

DAY = timedelta(days=1)
RUN = "8d8ac610-566d-4ef0-9c22-186b2a5ed793"
BY_SERIAL: dict[str, Any] = {
    "identification": {"name": "device/device/uid"},
    "inventory": {
        "dataset": "devices",
        "match": {"serial": "chassis_serial_number"},
        "identity": "device_uid",
    },
}


@pytest.fixture
def connected(here: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The tenant, with ServiceNow next to it and the HR tables of the same people in a database."""
    told = here.tenant.describe()
    monkeypatch.setenv("NXP_SOURCE_CMDB_URL", str(told["servicenow_url"]))
    monkeypatch.setenv("NXP_SOURCE_CMDB_USER", str(told["servicenow_user"]))
    monkeypatch.setenv("NXP_SOURCE_CMDB_PASSWORD", str(told["servicenow_password"]))
    options = SandboxOptions(queries=CATALOG / "queries", devices=40, days=10, now=NOW)
    (dump,) = write_hr(options, here.folder / "hr", "sql")
    database = sqlite3.connect(here.folder / "hr.db")
    database.executescript(dump.read_text("utf-8"))
    database.close()
    monkeypatch.setenv("NXP_SOURCE_HR_URL", f"sqlite:///{here.folder / 'hr.db'}")
    return here


def shape_all(place: Place, sync: SyncSpecification) -> tuple[Pulled, Shaped, list[WantedRange]]:
    folder = place.folder / "run" / sync.sync
    pulled = pull_sources(sync, folder, PullState(), place.clock()())
    with shaped(sync, pulled, place.lake, folder, place.clock()()) as shape:
        return pulled, shape, list(shape.ranges())


def test_the_cmdb_finds_its_devices_by_serial_number(connected: Place) -> None:
    connected.land(connected.plan("devices"))
    sync = load_sync(CATALOG, "cmdb_devices")
    pulled, shape, ranges = shape_all(connected, sync)
    landed = connected.landed("devices")
    assert set(keys(ranges).values()) <= set(landed["device_uid"])
    counts = shape.counts
    assert (pulled.is_full, pulled.is_complete, counts.is_complete) == (True, True, True)
    assert counts.keys > 30
    assert counts.unmatched > 0
    assert counts.keys + counts.unmatched <= counts.rows
    assert shape.inventory_at is not None
    (only,) = ranges
    assert only.listed is not None
    assert set(only.listed) == set(landed["device_uid"])
    status = {v for (_, field), v in cells(ranges).items() if field.endswith("lifecycle_status")}
    assert "installed" in status


def test_the_people_are_users_by_their_upn(connected: Place) -> None:
    connected.land(connected.plan("users"))
    spelled = set(connected.landed("users")["upn"].drop_nulls())
    _, shape, ranges = shape_all(connected, load_sync(CATALOG, "hr_users"))
    known = {upn.lower() for upn in connected.tenant.frame("#users", {})["user.upn"].drop_nulls()}
    assert len(known & set(keys(ranges))) > len(known) / 2
    assert set(keys(ranges).values()) <= spelled
    assert shape.counts.without_key == shape.counts.bad_values == 0


@pytest.mark.parametrize("name", ["cmdb_devices", "hr_users"])
def test_the_query_that_reads_back_gives_identity_and_fields(here: Place, name: str) -> None:
    sync = load_sync(CATALOG, name)
    assert sync.verify is not None
    frame = here.tenant.frame(sync.verify.query_id, {})
    paths = (sync.identification.name, *sync.fields)
    columns = [f"{path.split('/')[0]}.{'.'.join(path.split('/')[2:])}" for path in paths]
    assert frame.columns == columns
    assert frame[columns[0]].is_unique().all()
    assert frame[columns[0]].null_count() == 0


def with_serials(place: Place, **changed: str | None) -> list[dict[str, Any]]:
    """Land devices, some with another serial number; return them as landed."""
    place.land(place.plan("devices"))
    manifest = place.lake.manifest("devices")
    assert manifest is not None
    (file,) = manifest.entries[-1].files
    path = place.lake.dataset_folder("devices") / file.path
    frame = pl.read_parquet(path, hive_partitioning=False).sort("device_uid")
    rows = frame.to_dicts()
    for number, serial in changed.items():
        rows[int(number.removeprefix("n"))]["chassis_serial_number"] = serial
    pl.DataFrame(rows, schema=frame.schema).write_parquet(path)
    return rows


@pytest.mark.parametrize(
    ("ignore", "found"),
    [
        (None, ["case", "blank", "accent", "exact"]),
        (["blanks"], ["blank", "exact"]),
        (["nfc", "case"], ["case", "accent", "exact"]),
        ([], ["exact"]),
    ],
)
def test_spellings_are_compared_as_the_sync_says(
    here: Place, ignore: list[str] | None, found: list[str]
) -> None:
    devices = with_serials(here, n0="Case-1", n1="BLANK-1 ", n2="CAFE\u0301", n3="EXACT")
    changes = {} if ignore is None else {"ignore": ignore}
    sync = sync_of(**BY_SERIAL | {"inventory": BY_SERIAL["inventory"] | changes})
    rows: dict[str, list[str | None]] = {
        "serial": ["case-1", "BLANK-1", "CAF\u00c9", "EXACT"],
        "cost_center": ["case", "blank", "accent", "exact"],
    }
    with shaping(here.folder, sync, lake=here.lake, cmdb=rows) as (shape, ranges):
        assert sorted(cells(ranges).values()) == sorted(found)
        assert shape.counts.unmatched == 4 - len(found)
    assert {device["device_uid"] for device in devices[:4]} >= {key for key, _ in cells(ranges)}


def test_an_identity_is_sent_as_the_inventory_spells_it(here: Place) -> None:
    with_serials(here, n0="X-1 ")
    of = BY_SERIAL["inventory"] | {"identity": "chassis_serial_number"}
    sync = sync_of(**BY_SERIAL | {"inventory": of})
    rows: dict[str, list[str | None]] = {"serial": ["x-1"], "cost_center": ["A"]}
    with shaping(here.folder, sync, lake=here.lake, cmdb=rows) as (_, ranges):
        assert keys(ranges) == {"x-1": "X-1 "}


def test_an_ambiguous_or_unknown_row_is_a_reject_and_what_it_may_mean_is_there(here: Place) -> None:
    devices = with_serials(here, n0="S-0", n1="TWIN", n2=" twin ", n3=None, n4="", n5="S-5")
    uid = [device["device_uid"] for device in devices]
    sync = sync_of(mode="mirror", **BY_SERIAL)
    rows: dict[str, list[str | None]] = {
        "serial": ["s-0 ", "Twin", None, "", "nowhere", "S-5", "s-5"],
        "cost_center": ["A", "B", "C", "D", "E", "F", "G"],
    }
    with shaping(here.folder, sync, lake=here.lake, range_keys=3, cmdb=rows) as (shape, ranges):
        assert cells(ranges) == {(uid[0], CENTRE): "A"}
        assert set(keys(ranges)) == {uid[0], uid[1], uid[2], uid[5]}
        counts = shape.counts
        assert (counts.rows, counts.keys) == (7, 4)
        assert (counts.unmatched, counts.ambiguous, counts.duplicates) == (3, 1, 1)
        told = dict(shape.rejects.frame.select("record", "reason").iter_rows())
        assert told == {
            2: "ambiguous",
            3: "unmatched",
            4: "unmatched",
            5: "unmatched",
            6: "duplicate key",
            7: "duplicate key",
        }
        listed = [key for each in ranges if each.listed is not None for key in each.listed]
        assert listed == sorted(uid)


def test_an_identity_of_two_objects_is_ambiguous_however_well_one_matches(here: Place) -> None:
    devices = with_serials(here, n0="S-0")
    name = "device_name"
    manifest = here.lake.manifest("devices")
    assert manifest is not None
    path = here.lake.dataset_folder("devices") / manifest.entries[-1].files[0].path
    frame = pl.read_parquet(path, hive_partitioning=False).sort("device_uid")
    names = [devices[0][name].swapcase() if n == 1 else d[name] for n, d in enumerate(devices)]
    frame.with_columns(pl.Series(name, names)).write_parquet(path)
    by_name = BY_SERIAL["inventory"] | {"identity": name}
    sync = sync_of(identification={"name": "device/device/name"}, inventory=by_name)
    rows: dict[str, list[str | None]] = {"serial": ["S-0"], "cost_center": ["A"]}
    with shaping(here.folder, sync, lake=here.lake, cmdb=rows) as (shape, ranges):
        assert (shape.counts.ambiguous, cells(ranges)) == (1, {})
        assert list(keys(ranges)) == [devices[0][name].lower()]


def test_an_inventory_that_is_old_or_lacks_rejected_rows_is_refused(here: Place) -> None:
    with_serials(here)
    rows: dict[str, list[str | None]] = {"serial": ["a"], "cost_center": ["A"]}
    with (
        pytest.raises(DataRefusedError, match="older than 1d: run nxp export devices"),
        shaping(here.folder, sync_of(**BY_SERIAL), lake=here.lake, now=NOW + 2 * DAY, cmdb=rows),
    ):
        pass
    manifest = here.lake.manifest("devices")
    assert manifest is not None
    entry = manifest.entries[-1]
    frame = pl.DataFrame({"record": [3], "reasons": [["no uid"]]})
    write_rejects(here.lake, "devices", entry.unit, entry.run_id, frame.to_arrow(), ["text"])
    with (
        pytest.raises(DataRefusedError, match="1 rows of devices were rejected"),
        shaping(here.folder, sync_of(**BY_SERIAL), lake=here.lake, cmdb=rows),
    ):
        pass


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(tmp_path / "changing.db")
    database.execute("CREATE TABLE machines (id INTEGER, name TEXT, site TEXT, at INTEGER)")
    database.execute("CREATE TABLE sites (id TEXT, code TEXT)")
    database.executemany(
        "INSERT INTO machines VALUES (?, ?, ?, ?)",
        [(n, f"PC-{n}", str(n % 2), n) for n in range(200)],
    )
    database.executemany("INSERT INTO sites VALUES (?, ?)", [("0", "ZRH"), ("1", "GVA")])
    database.commit()
    yield database
    database.close()


def test_check_of_an_inventory_comes_before_anything_is_started(
    here: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in here.environment.items():
        monkeypatch.setenv(name, value)
    for command in ("plan", "sync"):
        # No source is connected either: that would be noticed later.
        assert run([command, "vip_users"]) == 6
        assert "no users has landed: run nxp export users" in capsys.readouterr().err
    with pytest.raises(DataRefusedError, match="no users has landed"):
        stories.sync(choose_sync("vip_users"), SyncAsked())
    ledger = open_ledger(here.environment["NXP_LEDGER_URL"], "sandbox.eu", here.clock())
    assert ledger.runs() == []
    ledger.close()


def test_changes_are_joined_with_all_rows_of_the_others(
    tmp_path: Path, changing: sqlite3.Connection
) -> None:
    source = {"kind": "sql", "connection": "hr"}
    machines = {"query": "SELECT * FROM machines", "key": ["id"], "incremental": "at"}
    sync = sync_of(
        mode="mirror",
        sources={"sites": source | {"query": "SELECT * FROM sites"}, "machines": source | machines},
        incremental="machines",
        sql="SELECT name, code AS cost_center FROM machines LEFT JOIN sites ON sites.id = site",
    )
    environ = {"NXP_SOURCE_HR_URL": f"sqlite:///{tmp_path / 'changing.db'}"}

    def pull(kept: PullState) -> Pulled:
        return pull_sources(sync, tmp_path / "run", kept, NOW, environ=environ)

    first = pull(PullState())
    assert (first.is_full, first.is_complete) == (True, True)
    assert {name: each.rows for name, each in first.sources.items()} == {
        "sites": 2,
        "machines": 200,
    }
    changing.execute("UPDATE machines SET site = 1, at = 1000 + id WHERE id < 40")
    changing.commit()
    second = pull(PullState(sync.fingerprint, NOW - DAY / 2, first.cursors))
    assert second.changes_of == "machines"
    assert (second.is_full, second.is_complete) == (False, False)
    assert second.sources["machines"].completeness is Completeness.CHANGES
    with shaped(sync, second, None, tmp_path / "run", NOW) as shape:  # type: ignore[arg-type]
        ranges = list(shape.ranges())
    assert cells(ranges) == {(f"pc-{n}", CENTRE): "GVA" for n in range(40)}
    assert not shape.counts.is_complete
    # The cursor continues from there, and a day later all rows come again.
    assert pull(PullState(sync.fingerprint, NOW, second.cursors)).sources["machines"].rows == 0
    assert pull(PullState(sync.fingerprint, NOW - DAY, second.cursors)).is_full


def test_state_that_cannot_be_used_is_none_and_said(
    tmp_path: Path, changing: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    query = {"query": "SELECT * FROM machines", "key": ["id"], "incremental": "at"}
    sync = sync_of(
        sources={"machines": {"kind": "sql", "connection": "hr"} | query},
        incremental="machines",
        sql="SELECT name, site AS cost_center FROM machines",
    )
    environ = {"NXP_SOURCE_HR_URL": f"sqlite:///{tmp_path / 'changing.db'}"}
    first = pull_sources(sync, tmp_path / "run", PullState(), NOW, environ=environ)
    assert first.notes == ()
    changing.execute("UPDATE machines SET at = 'text ' || id")
    changing.commit()
    for cursors, said in (
        (first.cursors, "is of numbers, but the column now has texts"),
        ({"machines": {"until": 1}}, "is damaged"),
    ):
        kept = PullState(sync.fingerprint, NOW, cursors)
        again = pull_sources(sync, tmp_path / "run", kept, NOW, environ=environ)
        assert (again.is_full, again.sources["machines"].rows) == (True, 200)
        (note,) = again.notes
        assert note.startswith("source machines: all rows were pulled, since the cursor")
        assert said in note
        assert note in caplog.text
        with shaped(sync, again, None, tmp_path / "run", NOW) as shape:  # type: ignore[arg-type]
            assert shape.counts.notes == again.notes


@pytest.mark.usefixtures("changing")
def test_a_source_that_lacks_a_field_stops_before_any_is_pulled(tmp_path: Path) -> None:
    source = {"kind": "sql", "connection": "hr", "query": "SELECT * FROM machines"}
    sync = sync_of(
        sources={"a": source, "b": source | {"fields": ["nope"]}}, sql="SELECT * FROM a, b"
    )
    environ = {"NXP_SOURCE_HR_URL": f"sqlite:///{tmp_path / 'changing.db'}"}
    with pytest.raises(ConfigurationError, match="source b: the query has no column nope"):
        pull_sources(sync, tmp_path / "run", PullState(), NOW, environ=environ)
    assert not list(tmp_path.glob("run/*"))


@pytest.mark.usefixtures("here")
def test_check_validates_syncs_and_tells_what_is_not_connected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check"]) == 0
    said = capsys.readouterr().err
    assert "7 datasets, 3 syncs, 10 actions and 26 questions are valid" in said
    assert "cmdb_devices: cannot run yet: NXP_SOURCE_CMDB_URL is not set" in said
    monkeypatch.setenv("NXP_SOURCE_CMDB_URL", "https://company.service-now.com")
    assert run(["check"]) == 3
    assert "cmdb_devices.yaml: NXP_SOURCE_CMDB_USER: not set" in capsys.readouterr().err
    monkeypatch.setenv("NXP_SOURCE_CMDB_USER", "u")
    monkeypatch.setenv("NXP_SOURCE_CMDB_PASSWORD", "p")
    assert run(["check", "--json"]) == 0
    assert '"cmdb_devices"' in capsys.readouterr().out


def test_floats_that_the_sql_computes_have_their_shortest_text(here: Place) -> None:
    numbers = {"a": "84", "b": "21", "c": "-0.0", "d": "1e21", "e": "nan", "f": "1e-7"}
    rows: dict[str, list[str | None]] = {"name": list(numbers), "n": list(numbers.values())}
    sql = 'SELECT name, n::DOUBLE / 2 AS half, half AS "#cost_center" FROM cmdb'
    sync = sync_of(sql=sql, fields={CENTRE: {"column": "half"}})
    with shaping(here.folder, sync, cmdb=rows) as (_, ranges):
        assert {key: value for (key, _), value in cells(ranges).items()} == {
            "a": "42",
            "b": "10.5",
            "c": "0",
            "d": "5e+20",
            "f": "5e-08",
        }


def test_a_float_finds_its_object_in_the_inventory(here: Place) -> None:
    here.land(here.plan("devices"))
    manifest = here.lake.manifest("devices")
    assert manifest is not None
    (file,) = manifest.entries[-1].files
    path = here.lake.dataset_folder("devices") / file.path
    frame = pl.read_parquet(path, hive_partitioning=False).sort("device_uid")
    numbers = pl.int_range(pl.len()).cast(pl.Float64).alias("chassis_serial_number")
    frame.with_columns(numbers).write_parquet(path)
    sync = sync_of(**BY_SERIAL, sql="SELECT 7::DOUBLE AS serial, 'A' AS cost_center FROM cmdb")
    rows: dict[str, list[str | None]] = {"serial": ["x"]}
    with shaping(here.folder, sync, lake=here.lake, cmdb=rows) as (_, ranges):
        assert list(cells(ranges)) == [(frame["device_uid"][7], CENTRE)]
