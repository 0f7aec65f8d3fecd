"""What clauses and functions mean, checked on the estate."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from nql.errors import NqlError, NqlSyntaxError
from sandbox.engine import Engine
from sandbox.nql.errors import NqlNameError, NqlReachError, NqlTypeError
from tests.unit.sandbox.conftest import NOW, ask, make_engine

CRASHES = "execution.crashes during past 7d"


def test_with_keeps_devices_that_have_rows_and_include_keeps_all(engine: Engine) -> None:
    everything = ask(engine, "devices | list uid")["device.uid"]
    crashed = ask(engine, f"{CRASHES} | list device.uid")["device.uid"].unique()
    kept = ask(engine, f"devices | with {CRASHES} | list uid")["device.uid"]
    assert sorted(kept) == sorted(set(crashed) & set(everything))
    assert 0 < kept.len() < everything.len()
    counted = ask(engine, f"devices | include {CRASHES} | compute n = count() | list uid, n")
    assert counted["device.uid"].equals(everything)
    assert counted.filter(pl.col("n") > 0).height == kept.len()


def test_where_there_are_no_rows_numbers_are_nought_and_sums_null(engine: Engine) -> None:
    found = ask(
        engine,
        f"devices | include {CRASHES} | compute n = count(), k = countif(crash_on_start = true),"
        " kinds = binary.count(), total = number_of_crashes.sum(), high = number_of_crashes.max()"
        " | list n, k, kinds, total, high | where n = 0",
    )
    assert found.height
    assert found.unique().rows() == [(0, 0, 0, None, None)]


def test_conditions_before_compute_choose_the_rows_that_count(engine: Engine) -> None:
    rows = ask(engine, f"{CRASHES} | where binary.name = 'outlook.exe' | list device.uid")
    expected = dict(rows["device.uid"].value_counts().iter_rows())
    found = ask(
        engine,
        f"devices | include {CRASHES} | where binary.name = 'outlook.exe'"
        " | where hardware.type = laptop | compute n = count() | list uid, n, hardware.type",
    )
    assert set(found["device.hardware.type"]) == {"laptop"}
    assert all(n == expected.get(uid, 0) for uid, n, _ in found.iter_rows())
    assert found["n"].sum() > 0


def test_several_tables_can_be_brought_in_one_after_another(engine: Engine) -> None:
    found = ask(
        engine,
        f"devices | with {CRASHES} | compute crashes = number_of_crashes.sum()"
        " | include device_performance.boots during past 7d | compute boots = number_of_boots.sum()"
        " | list name, crashes, boots"
        " | where boots > 0 | summarize c = crashes.sum(), b = boots.avg(), d = count()",
    )
    assert found.columns == ["c", "b", "d"]
    assert found["c"].item() >= found["d"].item() > 0


def test_what_was_computed_is_shown_when_nothing_is_listed(engine: Engine) -> None:
    found = ask(engine, f"users | include {CRASHES} | compute n = count()")
    assert found.columns == ["user.name", "user.type", "user.last_seen", "n"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("devices | compute n = count()", NqlSyntaxError),
        ("devices | with users | list name", NqlTypeError),
        ("binaries | with device_performance.boots during past 1d | list name", NqlTypeError),
        ("execution.crashes | with devices | list time", NqlTypeError),
        ("devices | list name | with execution.crashes | list name", NqlTypeError),
        ("devices | with execution.crashes | list name, time", NqlNameError),
        ("devices | include execution.crashes | compute n = nothing.sum()", NqlNameError),
        ("devices | include execution.crashes | compute n = countif()", NqlTypeError),
        ("devices | include execution.crashes | compute n = count(), n = count()", NqlNameError),
        ("devices | include execution.crashes | compute n = binary.name.sum() + 1", NqlTypeError),
        ("devices | summarize n = countif(name = $x)", NqlSyntaxError),
        ("devices | list name.hour()", NqlTypeError),
        ("devices | list last_seen.hour(timezone='Mars')", NqlTypeError),
        ("devices | summarize n = count() by 1d", NqlTypeError),
        ("execution.crashes | summarize n = count() by 20min", NqlTypeError),
        ("execution.events during past 3d | summarize n = count() by 1h", NqlTypeError),
        ("devices | with execution.events during past 300h | list name", NqlReachError),
        ("devices | list #nobody_knows", NqlNameError),
        ("devices | where collector.local_ip = 10.0.0.0/40", NqlTypeError),
        ("devices | where collector.local_ip = 'here'", NqlTypeError),
    ],
)
def test_what_makes_no_sense_is_refused(engine: Engine, text: str, kind: type[NqlError]) -> None:
    with pytest.raises(kind):
        ask(engine, text, x="1")


def test_arithmetic_knows_its_order_and_parentheses(engine: Engine) -> None:
    found = ask(
        engine,
        "devices | summarize n = count(), a = 2 + 3 * 2 ^ 2, b = (2 + 3) * 2, c = count() - 1 - 1,"
        " d = n / 4, e = count() / (count() - n), f = -2 * 3",
    )
    n = found["n"].item()
    assert found.rows() == [(n, 14.0, 10, n - 2, n / 4, None, -6)]


def test_aggregates_agree_with_the_rows_they_are_taken_of(engine: Engine) -> None:
    rows = ask(
        engine, f"{CRASHES} | list time, number_of_crashes, crash_on_start, device.uid"
    ).rename(lambda name: name.rpartition(".")[2])
    found = ask(
        engine,
        f"{CRASHES} | summarize onstart = countif(crash_on_start = true),"
        " more = number_of_crashes.sumif(crash_on_start = true and number_of_crashes > 0),"
        " newest = time.max(), final = number_of_crashes.last(), high = number_of_crashes.p95(),"
        " low = number_of_crashes.p05(), machines = device.count(),"
        " hit = device.countif(number_of_crashes >= 2)",
    ).row(0, named=True)
    numbers = rows["number_of_crashes"].to_numpy()
    assert found == {
        "onstart": rows["crash_on_start"].sum(),
        "more": rows.filter("crash_on_start")["number_of_crashes"].sum(),
        "newest": rows["time"].max(),
        "final": rows.sort("time")["number_of_crashes"].last(),
        "high": pytest.approx(np.quantile(numbers, 0.95)),
        "low": pytest.approx(np.quantile(numbers, 0.05)),
        "machines": rows["uid"].n_unique(),
        "hit": rows.filter(pl.col("number_of_crashes") >= 2)["uid"].n_unique(),
    }


def test_aggregates_of_nothing_have_a_row_and_types(engine: Engine) -> None:
    found = ask(
        engine,
        "execution.crashes during past 7d | where binary.name = 'none' | summarize a = count(),"
        " b = time.last(), c = number_of_crashes.p95(), d = device.count(), e = time.max()",
    )
    assert found.rows() == [(0, None, None, 0, None)]
    assert found.schema["b"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize(("length", "seconds"), [("15min", 900), ("1h", 3600), ("1d", 86400)])
def test_groups_of_time_are_cut_in_the_zone_of_the_tenant(length: str, seconds: int) -> None:
    engine = make_engine(time_zone="Asia/Kolkata")
    found = ask(
        engine,
        f"execution.crashes during past 48h | summarize n = count() by {length},"
        " device.location.type | sort start_time asc",
    )
    assert found.columns == [
        "start_time",
        "end_time",
        "bucket_duration",
        "device.location.type",
        "n",
    ]
    assert found["bucket_duration"].unique().to_list() == [seconds]
    local = found["start_time"].dt.convert_time_zone("Asia/Kolkata")
    since_midnight = local.dt.hour().cast(pl.Int64) * 3600 + local.dt.minute().cast(pl.Int64) * 60
    assert (since_midnight % seconds == 0).all()


def test_a_day_of_winter_time_beginning_has_twenty_five_hours() -> None:
    engine = make_engine(time_zone="Europe/Zurich", now=datetime(2026, 10, 26, 12, tzinfo=UTC))
    found = ask(
        engine,
        "execution.crashes from 2026-10-24 to 2026-10-25 | summarize n = count() by 1d",
        datetime(2026, 10, 26, 12, tzinfo=UTC),
    )
    assert found["bucket_duration"].to_list() == [86400, 90000]


def test_functions_of_time(engine: Engine) -> None:
    found = ask(
        engine,
        "devices | where last_seen.time_elapsed() <= 10min | list last_seen.time_elapsed(),"
        " first_seen, first_seen.hour(timezone='Asia/Tokyo'),"
        " first_seen.day(), first_seen.day_of_week(), hardware.memory.as(format=bytes)",
    )
    assert found.columns == [
        "device.last_seen.time_elapsed",
        "device.first_seen",
        "device.first_seen.hour",
        "device.first_seen.day",
        "device.first_seen.day_of_week",
        "device.hardware.memory",
    ]
    tokyo = found["device.first_seen"].dt.convert_time_zone("Asia/Tokyo")
    assert found["device.first_seen.hour"].to_list() == tokyo.dt.hour().to_list()
    assert found["device.first_seen.day"].to_list() == found["device.first_seen"].dt.day().to_list()
    assert (found["device.last_seen.time_elapsed"] <= 600).all()
    by_hour = ask(engine, f"{CRASHES} | summarize n = count() by time.hour() | sort n desc")
    assert by_hour.columns == ["execution.crash.time.hour", "n"]
    elapsed = ask(engine, f"{CRASHES} | summarize s = time.max().time_elapsed().as(format=time)")
    newest = ask(engine, f"{CRASHES} | summarize t = time.max()").item()
    assert elapsed.item() == int((NOW - newest) / timedelta(seconds=1))


def test_addresses_are_compared_as_addresses_however_they_are_written(engine: Engine) -> None:
    every = ask(engine, "devices | list collector.local_ip")["device.collector.local_ip"]
    one = str(every[0])
    plain = one.removeprefix("::ffff:")
    for written in (plain, f'"{plain}"', f'"{one}"'):
        found = ask(
            engine, f"devices | where collector.local_ip = {written} | list collector.local_ip"
        )
        assert one in found["device.collector.local_ip"].to_list(), written
    low = ask(engine, "devices | where collector.local_ip = 10.0.0.0/9 | list collector.local_ip")
    octet = pl.col("device.collector.local_ip").str.extract(r"10\.(\d+)\.").cast(pl.Int64)
    assert low.height == every.to_frame().filter(octet < 128).height > 0
    outside = ask(engine, "devices | where collector.local_ip != 10.0.0.0/8 | list name")
    assert outside.height == 0


def test_versions_sizes_and_durations_are_literals(engine: Engine) -> None:
    found = ask(
        engine,
        "devices | where operating_system.build >= v22631.4317 and hardware.memory > 8GB"
        " and boot.last_full_boot_duration < 1min and hardware.type !in [virtual]"
        " | list operating_system.build, hardware.memory, boot.last_full_boot_duration",
    )
    assert found.height
    builds = set(found["device.operating_system.build"])
    assert "[22631, 4169]" not in builds
    assert (found["device.hardware.memory"] > 8_000_000_000).all()
    assert (found["device.boot.last_full_boot_duration"] < 60).all()


def test_lists_of_a_device_are_arrays_and_tables(engine: Engine) -> None:
    arrays = ask(
        engine, "devices during past 30d | where disks contains 'wd sn740' | list uid, disks"
    )
    rows = ask(engine, "device.disks | where name = 'WD SN740' | list device.uid, disk.capacity")
    assert rows.columns == ["device.uid", "device.disk.capacity"]
    assert set(arrays["device.uid"]) <= set(rows["device.uid"])
    assert arrays.height


def test_daily_samples_of_other_tables_stand_at_midnight(engine: Engine) -> None:
    found = ask(
        engine,
        "device_performance.events during past 2d | list start_time, bucket_duration,"
        " event.used_memory, event.free_memory, event.installed_memory, device.uid",
    ).rename(lambda name: name.rpartition(".")[2])
    assert set(found["bucket_duration"]) == {86400}
    assert not found.select("start_time", "uid").is_duplicated().any()
    both = found["used_memory"] + found["free_memory"] - found["installed_memory"]
    assert (both.abs() <= 1).all()


@pytest.mark.parametrize(
    ("options", "is_kept"),
    [
        ({}, False),
        ({"reach_limit": None}, True),
        ({"reach_limit": None, "fine_retention": 14}, False),
    ],
)
def test_without_a_limit_of_reach_fine_samples_are_kept_as_long_as_all_else(
    options: dict[str, Any], is_kept: bool
) -> None:
    engine = make_engine(days=90, retention=90, devices=20, **options)
    hours = "from 2026-10-01 00:00:00 to 2026-10-01 23:59:59"
    found = ask(engine, f"execution.events {hours} | list start_time")
    assert (found.height > 0) == is_kept


def test_fine_samples_are_kept_for_less_long_than_others() -> None:
    engine = make_engine(days=20, fine_retention=10, devices=20)
    frame = "from 12d ago to 12d ago"
    assert ask(engine, f"execution.events {frame} | list start_time").height > 0
    hours = "from 2026-11-08 00:00:00 to 2026-11-08 23:59:59"
    assert ask(engine, f"execution.events {hours} | list start_time").height == 0
    assert ask(engine, f"device_performance.events {hours} | list start_time").height > 0


def test_lists_and_packages_are_those_of_devices_that_were_seen(engine: Engine) -> None:
    for table in ("device.disks", "package.installed_packages"):
        kept = ask(engine, f"{table} | list device.last_seen")["device.last_seen"]
        assert (kept >= NOW - timedelta(days=30)).all()
        recent = ask(engine, f"{table} during past 24h | list device.last_seen")
        assert 0 < recent.height < kept.len()


@pytest.mark.parametrize("length", ["20min", "1.5h", "0.5d", "30s"])
def test_groups_of_other_lengths_are_refused(length: str) -> None:
    with pytest.raises(NqlError, match=r"15min|30s"):
        ask(make_engine(), f"execution.crashes during past 24h | summarize n = count() by {length}")


@pytest.mark.parametrize("length", ["15min", "1h"])
def test_the_hour_that_comes_twice_is_two_hours(length: str) -> None:
    now = datetime(2026, 10, 25, 12, tzinfo=UTC)
    engine = make_engine(time_zone="Europe/Zurich", now=now, devices=2000)
    found = ask(
        engine,
        f"execution.crashes during past 24h | summarize n = count() by {length}"
        " | sort start_time asc",
        now,
    )
    assert not found["start_time"].is_duplicated().any()
    assert (found["start_time"].diff().drop_nulls() > timedelta(0)).all()
    total = ask(engine, "execution.crashes during past 24h | summarize n = count()", now).item()
    assert found["n"].sum() == total


def test_objects_of_every_kind_take_the_rows_that_belong_to_them(engine: Engine) -> None:
    for text in (
        "packages | include package.installed_packages | compute n = device.count()",
        "devices | include device.disks | compute n = disk.capacity.sum()",
        "alert.monitors | include alert.alerts during past 7d | compute n = count()",
        f"binaries | with {CRASHES} | compute n = device.count()",
        f"applications | with {CRASHES} | compute n = number_of_crashes.sum()",
        "applications | with web.page_views during past 2d | compute n = number_of_resources.p95()",
        "users | with session.logins during past 7d | compute n = logon_script_duration.avg()",
    ):
        found = ask(engine, text + " | summarize total = n.sum(), rows = count()")
        assert found["rows"].item() > 0, text
        assert found["total"].item() > 0, text


def test_an_event_is_the_same_whichever_columns_are_asked_for(engine: Engine) -> None:
    wide = ask(
        engine,
        "connection.events during past 2d | list start_time, device.uid, binary.uid, user.uid,"
        " destination.domain, number_of_connections",
    )
    narrow = ask(engine, "connection.events during past 2d | list number_of_connections")
    assert narrow.to_series().sum() == wide["connection.event.number_of_connections"].sum()
    keys = ["connection.event.start_time", "device.uid", "binary.uid", "user.uid"]
    assert not wide.select(keys).is_duplicated().any()


def test_a_field_of_the_object_counts_once_and_its_rows_as_often_as_they_are(
    engine: Engine,
) -> None:
    found = ask(
        engine,
        f"devices | with {CRASHES} | compute n = count(), m = device.hardware.memory.count(),"
        " memory = hardware.memory.sum() | list n, m, memory, hardware.memory",
    )
    assert found["n"].equals(found["m"].alias("n"))
    assert found["memory"].equals(found["device.hardware.memory"].alias("memory"))
    doubled = ask(engine, "devices | summarize n = count() by name, device.name")
    assert doubled.columns == ["device.name", "n"]
