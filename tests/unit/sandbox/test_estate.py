"""The estate: always the same, plausible, and as awkward as real ones."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sandbox.engine import Engine
from sandbox.estate.stock import make_stock
from sandbox.model.kinds import DTYPES
from sandbox.model.tables import TABLES, Origin
from tests.unit.sandbox.conftest import NOW, ask, make_engine

EVENTS = (
    "execution.events during past 192h | list event.start_time, event.end_time, device.uid,"
    " binary.uid, user.sid, event.cpu_time, event.incoming_traffic"
)
CRASHES = "execution.crashes during past 192h | list time, device.uid, binary.uid, crash_on_start"


def test_the_same_seed_makes_the_same_estate_and_another_seed_another() -> None:
    first, other = make_engine(), make_engine(seed=2)
    make_stock.cache_clear()
    again = make_engine()
    for query in ("devices | list uid, name, last_seen", EVENTS, CRASHES):
        assert ask(first, query).equals(ask(again, query))
        assert not ask(first, query).equals(ask(other, query))


def test_what_is_asked_first_makes_no_difference(engine: Engine) -> None:
    narrow = ask(
        make_engine(),
        "execution.events during past 192h | where start_time >= 2026-11-18 00:00:00"
        " and start_time <= 2026-11-18 23:59:59 | list cpu_time, event.start_time, device.uid",
    )
    wide = ask(engine, EVENTS).filter(
        pl.col("execution.event.start_time").dt.date() == datetime(2026, 11, 18, tzinfo=UTC).date()
    )
    assert narrow.equals(wide.select(narrow.columns))


def test_an_event_never_changes_once_it_is_visible() -> None:
    engine = make_engine(late_share=0.2)
    earlier = ask(engine, EVENTS, NOW)
    later = ask(engine, EVENTS, NOW + timedelta(hours=6))
    kept = earlier.filter(
        pl.col("execution.event.start_time") >= NOW + timedelta(hours=6) - timedelta(hours=192)
    )
    assert kept.join(later, on=later.columns, how="anti", nulls_equal=True).height == 0
    came_late = later.filter(pl.col("execution.event.end_time") <= NOW).height - kept.height
    assert came_late > 0


def test_without_late_arrivals_the_past_is_complete() -> None:
    engine = make_engine()
    later = ask(engine, EVENTS, NOW + timedelta(hours=2))
    past = later.filter(pl.col("execution.event.end_time") <= NOW)
    earlier = ask(engine, EVENTS, NOW).filter(
        pl.col("execution.event.start_time") >= NOW - timedelta(hours=190)
    )
    assert earlier.equals(past)


def test_nothing_lies_in_the_future_or_beyond_the_frame(engine: Engine) -> None:
    events = ask(engine, EVENTS.replace("192h", "6h"))
    assert events["execution.event.end_time"].max() == NOW
    assert events["execution.event.start_time"].min() == NOW - timedelta(hours=6)


def test_volumes_and_rhythm_are_those_of_an_office() -> None:
    engine = make_engine(devices=2000, reach_limit=None)
    per_day = (
        ask(engine, EVENTS.replace("192h", "336h"))
        .group_by(pl.col("execution.event.start_time").dt.date())
        .len()
    )
    weekday = per_day.filter(pl.col("execution.event.start_time").dt.weekday() <= 5)["len"]
    weekend = per_day.filter(pl.col("execution.event.start_time").dt.weekday() > 5)["len"]
    average = per_day["len"].sum() / 14 / 2000
    assert 28 < average < 48
    assert weekend.max() < weekday.sort()[2] / 2
    crashes = ask(engine, CRASHES.replace("192h", "336h")).height / 14 / 2000
    assert 0.2 < crashes < 0.4


def test_samples_stand_on_quarters_and_crashes_on_any_millisecond(engine: Engine) -> None:
    starts = ask(engine, EVENTS)["execution.event.start_time"]
    assert (starts == starts.dt.truncate("15m")).all()
    times = ask(engine, CRASHES)["execution.crash.time"]
    assert (times.dt.microsecond() != 0).any()


def test_a_device_has_one_sample_per_binary_and_quarter(engine: Engine) -> None:
    keys = ["execution.event.start_time", "device.uid", "binary.uid"]
    assert not ask(engine, EVENTS).select(keys).is_duplicated().any()


def test_inventories_have_the_rough_edges_of_real_ones() -> None:
    engine = make_engine(devices=3000)
    devices = ask(engine, "devices | list name, uid, configuration_tag, login.last_login_user_name")
    assert devices["device.name"].is_duplicated().any()
    assert not devices["device.uid"].is_duplicated().any()
    assert devices["device.login.last_login_user_name"].is_duplicated().any()
    assert devices["device.configuration_tag"].is_null().any()
    assert (devices["device.configuration_tag"] == "").any()
    users = ask(engine, "users | list name, ad.full_name, ad.job_title, ad.office, upn, type")
    full_names = users["user.ad.full_name"]
    for mark in (",", '"', "ü"):
        assert full_names.str.contains(mark, literal=True).any(), mark
    assert users["user.ad.job_title"].str.contains("\n", literal=True).any()
    assert (users["user.ad.office"] == "").any()
    assert users.filter(pl.col("user.type") != "DOMAIN_USER")["user.upn"].is_null().all()


def test_hardware_and_systems_look_as_the_vendor_shows_them(engine: Engine) -> None:
    query = "devices | list operating_system.build, collector.local_ip, uid"
    devices = ask(engine, query)
    assert devices["device.operating_system.build"].str.contains(r"^\[\d+(, \d+)*\]$").all()
    ip = r"^::ffff:10\.\d+\.\d+\.\d+$"
    assert devices["device.collector.local_ip"].str.contains(ip).all()
    uuid = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$"
    assert devices["device.uid"].str.contains(uuid).all()


def test_a_device_that_fell_silent_has_no_later_events(engine: Engine) -> None:
    seen = ask(engine, "devices | where days_since_last_seen >= 1 | list uid, last_seen")
    events = ask(engine, EVENTS).join(seen, on="device.uid")
    assert seen.height > 0
    assert (events["execution.event.end_time"] <= events["device.last_seen"]).all()


def test_retention_hides_old_rows() -> None:
    kept, more = make_engine(retention=3), make_engine(retention=30)
    assert ask(kept, EVENTS)["execution.event.start_time"].min() >= NOW - timedelta(days=3)  # type: ignore[operator]
    assert ask(kept, "devices").height < ask(more, "devices").height


def test_a_frame_of_days_on_devices_asks_when_they_were_last_seen(engine: Engine) -> None:
    today = ask(engine, "devices during past 1d | list last_seen")
    assert 0 < today.height < ask(engine, "devices").height
    assert (today["device.last_seen"].dt.date() == NOW.date()).all()


def test_frames_of_days_give_daily_samples_that_add_up() -> None:
    engine = make_engine(time_zone="Europe/Zurich", devices=60)
    tail = " | list start_time, bucket_duration, device.uid, binary.uid, user.sid, cpu_time"
    daily = ask(engine, "execution.events from 2d ago to 1d ago" + tail)
    exact = ask(engine, "execution.events from 2026-11-18 00:00:00 to 2026-11-19 23:59:59" + tail)
    assert set(daily["execution.event.bucket_duration"]) == {86400}
    keys = ["device.uid", "binary.uid", "user.sid"]
    day = pl.col("execution.event.start_time").dt.convert_time_zone("Europe/Zurich").dt.date()
    assert daily.height == exact.select(day, *keys).unique().height
    total = "execution.event.cpu_time"
    assert daily[total].sum() == pytest.approx(exact[total].sum())


@pytest.mark.parametrize("table", ["events", "crashes"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_blocks_of_devices_merge_in_order_of_time(
    monkeypatch: pytest.MonkeyPatch, table: str, direction: str
) -> None:
    monkeypatch.setattr("sandbox.estate.events.BLOCK", 70)
    engine = make_engine()
    time = "start_time" if table == "events" else "time"
    query = f"execution.{table} during past 30h | list {time}, device.uid, binary.uid"
    ordered = ask(engine, f"{query} | sort {time} {direction}")
    assert ordered.to_series(0).is_sorted(descending=direction == "desc")
    keys = ordered.columns
    assert ordered.sort(keys).equals(ask(engine, query).sort(keys))


def test_linked_objects_belong_to_the_event(engine: Engine) -> None:
    found = ask(
        engine,
        "execution.events during past 24h | list device.operating_system.platform,"
        " binary.platform, binary.name, application.name, user.name",
    )
    platforms = found["device.operating_system.platform"]
    assert (platforms == found["binary.platform"]).all()
    services = found.filter(pl.col("binary.name") == "svchost.exe")
    assert set(services["user.name"]) == {"NT AUTHORITY\\SYSTEM"}
    assert services["application.name"].is_null().all()
    teams = found.filter(pl.col("binary.name") == "ms-teams.exe")
    assert set(teams["application.name"]) == {"Microsoft Teams"}


@pytest.mark.parametrize("path", sorted(TABLES))
def test_every_column_of_every_table_can_be_read_and_is_what_it_says(
    engine: Engine, path: str
) -> None:
    table = TABLES[path]
    frame = "during past 24h" if table.samples else "during past 7d"
    found = ask(engine, f"{path} {frame} | list {', '.join(table.columns)}")
    assert found.columns == list(table.columns)
    assert list(found.schema.values()) == [DTYPES[c.kind] for c in table.columns.values()]
    assert (found.height == 0) == (table.origin is Origin.FEED)
    assert all(column in table.columns for column in table.defaults)
    # A field that is always null would be a mistake.
    own = [c for c in found.columns if not table.owner(c) and c != "package.parent_name"]
    empty = [c for c in own if found[c].is_null().all()]
    assert table.origin is Origin.FEED or found.height < 30 or not empty


def test_the_same_devices_are_off_in_every_table() -> None:
    engine = make_engine(devices=300)
    frame = "from 2026-11-18 to 2026-11-18"
    seen = [
        set(ask(engine, f"{table} {frame} | list device.uid")["device.uid"])
        for table in ("execution.events", "device_performance.events", "dex.scores")
    ]
    everybody = set(ask(engine, "devices | list uid")["device.uid"])
    assert len(seen[0] | seen[1] | seen[2]) < 0.95 * len(everybody)
    # One or two were abandoned during the day.
    assert len((seen[0] | seen[1] | seen[2]) - (seen[0] & seen[1] & seen[2])) <= 3


def test_estates_of_one_seed_share_their_objects_and_other_seeds_have_others() -> None:
    one, again, other = (make_stock(seed, 20, NOW) for seed in (1, 1, 2))
    assert one is again
    assert not one.fleet.frame.equals(other.fleet.frame)


def test_each_impact_is_of_an_alert_and_only_open_alerts_have_no_end(engine: Engine) -> None:
    fields = "time, status, monitor.nql_id"
    alerts = ask(engine, f"alert.alerts during past 7d | list {fields}, recovery_time, duration")
    impacts = ask(engine, f"alert.impacts during past 7d | list {fields}, device.uid")
    assert impacts.height > alerts.height > 20
    keys = ["alert.time", "alert.status", "alert.monitor.nql_id"]
    renamed = impacts.rename(
        {f"alert.impact.{name}": f"alert.{name}" for name in ("time", "status")}
    )
    assert renamed.join(alerts, on=keys, how="anti").is_empty()
    assert not renamed.select(*keys, "device.uid").is_duplicated().any()
    is_open = alerts["alert.status"] == "open"
    assert 0 < is_open.sum() < alerts.height
    assert (alerts["alert.recovery_time"].is_null() == is_open).all()
    assert (alerts["alert.duration"].is_null() == is_open).all()


def test_alerts_and_audited_entries_do_not_grow_with_the_estate(engine: Engine) -> None:
    small = make_engine(devices=1)
    for table in ("alert.alerts", "platform.audit_logs"):
        query = f"{table} from 2026-11-10 to 2026-11-18 | list time"
        assert 50 < ask(small, query).height == ask(engine, query).height < 300


def test_metering_has_a_row_a_week_for_each_device_and_application_kept_longer() -> None:
    engine = make_engine(devices=30, days=3, retention=5)
    found = ask(
        engine,
        "software_metering.events during past 960h | list start_time, end_time, meter.name,"
        " device.uid, application.name, usage_duration",
    )
    start = found["software_metering.event.start_time"]
    assert set(start.unique()) == {datetime(2026, 11, n, tzinfo=UTC) for n in (2, 9, 16)}
    assert (found["software_metering.event.end_time"] - start == timedelta(weeks=1)).all()
    assert not found.select(start, "device.uid", "application.name").is_duplicated().any()
    meters = found.select("software_metering.event.meter.name", "application.name").unique()
    assert meters.height == found["application.name"].n_unique() > 5


def test_devices_on_cable_have_no_wifi_values_and_versions_are_those_of_the_tool(
    engine: Engine,
) -> None:
    samples = ask(
        engine,
        "connectivity.events during past 24h | list primary_physical_adapter.type,"
        " wifi.signal_strength, wifi.ssid",
    )
    samples.columns = ["type", "signal", "ssid"]
    for name in ("signal", "ssid"):
        assert (samples[name].is_null() == (samples["type"] == "ethernet")).all()
    calls = ask(
        engine, "collaboration.sessions during past 7d | list application.type, application.version"
    )
    assert set(calls.unique().iter_rows()) == {
        ("Teams", "[24, 277, 2]"), ("Teams", "[24, 295, 0]"), ("Zoom", "[6, 2, 7]"),
    }  # fmt: skip
