"""Forms of NQL that tenants take: each by examples other than the one that showed it."""

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nql.errors import NqlError
from sandbox.engine import Engine
from sandbox.nql.errors import NqlTypeError
from tests.unit.sandbox.conftest import NOW, ask, make_engine

# One a line; an indented line continues the one before.
PUBLISHED = """
devices | with device_performance.events past 2d | compute f = used_memory.p95()
  | where f > 500MB | summarize m = f.avg() by entity | where m > 1GB
session.logins during past 7d | summarize t = time_until_desktop_is_ready.p95() by user.type
  | where t >= 1s
packages | where package.version != package.#license_owner
connection.events past 24h | where context.location.country == destination.country
devices | include execution.crashes past 7d | compute last = time.last()
  | where last > last_seen
users | with collaboration.sessions
  | where participant_device.speaker != participant_device.camera
device_performance.events past 2h | where cpu_usage.max >= 10
  | list free_memory.min, cpu_usage.count
execution.events past 2h
  | summarize a = real_memory.avg.avg(), b = memory.max() by application.name
web.page_views past 2h | where unload_event.avg > 1.0 | limit 3
devices past 30min
users | include session.events past 24h | compute n = count()
web.errors from June 1 to June 7 | summarize n = number_of_errors.sum() by 2d
web.errors from Nov 12, 08:30 to Nov 13, 17:00 | summarize n = count() by 45min, label
web.errors on November 19 | summarize n = count() by 3h
web.errors from 2026-11-19 12:00:00 AM to 2026-11-19 12:00:00 PM
session.vdi_events on 2026-11-19 by 30s | list start_time, protocol
users | with session.vdi_events past 24h by 30s | compute lag = round_trip_time.avg()
devices | summarize n = count() by boot.days_since_last_full_boot, hardware.type
device_performance.system_crashes past 7d | summarize n = count() by context.location.state
alert.impacts past 7d | where context.location.type == remote
execution.crashes past 24h | summarize n = count() by operating_system.platform, ad.department
session.logins past 24h | where public_ip.country != null | list hardware.model, sid
users | with dex.application_scores past 24h | where node.type == crashes
  | compute s = node.value.avg()
custom_trend.#disks.snapshots past 30d | where operating_system_platform == windows
  | summarize n = count(), worst = free_ratio.min() by 1d
devices | include device.firewalls | where real_time_protection == disabled
  | compute n = count() | where n > 0
devices past 7d | where last_seen.time_elapsed() <= 7d and device.antiviruses != null
  | with antiviruses | where real_time_protection == disabled | compute issues = count()
  | summarize total = issues.sum() by name
devices | include local_admins | compute n = count() | list name, n
devices past 7d | with alert.impacts past 7d | where monitor.name == "Slow logon"
  | summarize count_ = count() by device.location.site, device.operating_system.platform
ai.interactions_summary past 7d | summarize n = number_of_interactions.sum() by ai.tool.name
application.guide_steps | list nql_id, name
device.mobile_devices | list model
remote_action.#get_disk_usage.executions_summary past 30d | summarize n = count()
software_metering.events from 2026-11-02 00:00:00 to 2026-11-06 10:00:00
  | where application.name == "Jira" | summarize number_of_users = user.count()
platform.audit_logs during past 30d | where code == 94011
dex.scores past 24h
  | list endpoint.virtual_session_lag_value, collaboration.zoom_value,
  endpoint.software_reliability_score_impact, collaboration.score_impact
devices | list hardware.bios_serial_number
devices | where collector.local_ip != f164:b28c:84a5:9dd3::/32 and collector.local_ip != ::1
alert.monitors | where tags !contains "vdi*"
dex.scores past 24h | summarize score = value.avg(), total = 100
"""
TAKEN = re.split(r"\n(?! )", PUBLISHED.strip())


@pytest.mark.parametrize("text", TAKEN)
def test_published_forms_are_taken(engine: Engine, text: str) -> None:
    engine.prepare(text, {}, NOW)


@pytest.mark.parametrize("text", TAKEN[::3])
def test_and_give_rows_or_none_but_no_error(engine: Engine, text: str) -> None:
    ask(engine, text)


@pytest.mark.parametrize(
    "text",
    [
        "devices | where name > entity",
        "devices | where hardware.memory == name",
        "devices | where cpus = disks",
        "devices | where name == no_such_field",
        "execution.crashes past 2d by 30s",
        "session.vdi_events past 2d by 20s",
        "execution.crashes past 30s",
        "execution.crashes from Nov 31 to Dec 1",
        "execution.crashes | summarize n = count() by 20min",
        "execution.crashes | summarize n = count() by 1.5h",
        "web.errors from 2026-11-19 13:00 PM to 2026-11-20",
        "web.events | list name",
        "devices | where hardware.memory.max > 3GB",
        "execution.events past 2h | list bucket.avg",
    ],
)
def test_what_makes_no_sense_is_still_refused(engine: Engine, text: str) -> None:
    with pytest.raises(NqlError):
        ask(engine, text)


def test_an_alias_keeps_its_case_and_is_found_in_any(engine: Engine) -> None:
    found = ask(
        engine,
        "devices | include execution.crashes past 2d | compute NbCrashes = count()"
        " | summarize TotalDevices = count(), Most = nbcrashes.max() by operating_system.platform"
        " | where totaldevices > 1 | sort TOTALDEVICES desc | list TotalDevices, Most",
    )
    assert found.columns == ["TotalDevices", "Most"]
    assert found["TotalDevices"].is_sorted(descending=True)


def test_the_average_of_bytes_is_bytes_and_not_rounded(engine: Engine) -> None:
    rows = ask(engine, "device_performance.events past 24h | list device.uid, free_memory")
    rows.columns = ["uid", "free"]
    expected = rows.group_by("uid").agg(pl.col("free").mean()).filter(pl.col("free") < 3e9)
    found = ask(
        engine,
        "devices | with device_performance.events past 24h | compute f = free_memory.avg()"
        " | where f < 3GB | list uid, f",
    )
    assert 0 < found.height == expected.height
    joined = found.join(expected, left_on="device.uid", right_on="uid")
    assert (joined["f"] - joined["free"]).abs().max() < 1e-3  # type: ignore[operator]


def test_two_fields_are_compared_row_by_row_and_null_equals_nothing(engine: Engine) -> None:
    # No device has a cost center, so every one differs from it.
    every = ask(engine, "devices | list uid").height
    assert ask(engine, "devices | where name != #cost_center | list uid").height == every
    assert ask(engine, "devices | where name == #cost_center | list uid").is_empty()
    pairs = ask(
        engine,
        "devices | include execution.crashes past 7d | compute a = number_of_crashes.sum(),"
        " b = count() | where a > b | list a, b",
    )
    assert 0 < pairs.height < every
    assert (pairs["a"] > pairs["b"]).all()
    countries = "destination.country, context.location.country"
    where = "where destination.country = context.location.country"
    same = ask(engine, f"connection.events past 2h | {where} | list {countries}")
    assert same.height
    assert same.to_series(0).equals(same.to_series(1), check_names=False)


def test_parts_of_a_metric_are_the_sample_itself(engine: Engine) -> None:
    found = ask(
        engine,
        "connection.events past 2h | list incoming_traffic, incoming_traffic.sum,"
        " incoming_traffic.avg, incoming_traffic.count",
    )
    assert found.columns[1] == "connection.event.incoming_traffic.sum"
    assert found.to_series(0).equals(found.to_series(1), check_names=False)
    assert set(found.to_series(3)) == {1}


def test_a_date_without_a_year_is_the_last_one(engine: Engine) -> None:
    expected = ask(engine, "execution.crashes from 2026-11-10 to 2026-11-12 | list time")
    assert ask(engine, "execution.crashes from Nov 10 to Nov 12 | list time").equals(expected)
    early = datetime(2027, 1, 3, 12, tzinfo=UTC)
    frame = engine.prepare("execution.crashes from Dec 30 to Jan 2", {}, early).frame
    assert (frame.start.year, frame.end.year) == (2026, 2027)
    frame = engine.prepare("execution.crashes from Nov 19 to Dec 2", {}, NOW).frame
    assert (frame.start.year, frame.end.month, frame.end.year) == (2026, 12, 2026)


def test_samples_of_thirty_seconds_go_back_two_days(engine: Engine) -> None:
    text = "session.vdi_events past 7d{} | summarize n = count() by {}"
    fine = ask(engine, text.format(" by 30s", "30s"))
    assert set(fine["bucket_duration"]) == {30}
    assert fine["start_time"].min() >= NOW - timedelta(days=2)  # type: ignore[operator]
    assert engine.prepare(text.format("", "1d"), {}, NOW).frame.daily


def test_used_and_free_bytes_of_the_system_drive_make_its_capacity(engine: Engine) -> None:
    for frame in ("2h", "2d"):
        used, free, whole = ask(
            engine,
            f"device_performance.events past {frame}"
            " | list system_drive_usage, system_drive_free_space, system_drive_capacity",
        ).get_columns()
        assert ((used + free - whole).abs() <= 1).all()


def test_enumerations_in_quotes_are_taken_unless_a_switch_refuses_them(engine: Engine) -> None:
    quoted = 'devices | where hardware.type == "laptop"'
    assert ask(engine, quoted).height
    strict = make_engine(strict_enumerations=True)
    assert ask(strict, "devices | where hardware.type in [laptop, null]").height
    with pytest.raises(NqlTypeError, match="without quotes"):
        ask(strict, quoted)


def test_mac_addresses_have_the_name_that_a_switch_gives_them() -> None:
    named = make_engine(mac_address_field="hardware.mac_addresses")
    found = ask(named, "devices | list hardware.mac_addresses").to_series()
    assert found.str.contains("^([0-9A-F]{2}:){5}[0-9A-F]{2}$").all()
