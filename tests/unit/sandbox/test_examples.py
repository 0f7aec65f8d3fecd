"""Queries that were published or that real tenants accepted: each of them runs here."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nql.errors import NqlError
from sandbox.engine import Engine
from sandbox.estate.feed import LogEntry
from tests.unit.sandbox.conftest import NOW, ask, make_engine

# Name, whether an untouched tenant returns rows, and the text, which is literal except for the
# names of one device that exists here.
PUBLISHED = (
    (
        "inventory",
        True,
        (
            "devices during past 7d | list device.name, device.entity, device.hardware.model,"
            " device.hardware.type, device.operating_system.name, device.days_since_last_seen,"
            " device.cpus, device.disks, device.gpus, device.boot.days_since_last_full_boot,"
            " device.connectivity.last_connectivity_type, device.hardware.machine_serial_number,"
            " device.location.type, device.login.last_login_user_name,"
            " device.operating_system.build, device.organization.entity"
        ),
    ),
    (
        "users",
        True,
        (
            "users | list user.ad.username, user.days_since_last_seen, user.first_seen,"
            " user.last_seen, user.name, user.sid, user.type, user.uid, user.upn,"
            " user.upn_privacy_level"
        ),
    ),
    (
        "crashes_of_a_device",
        True,
        (
            "execution.crashes during past 240h | where device.collector.uid == $collector_uid"
            " | summarize c1 = number_of_crashes.sum()"
        ),
    ),
    (
        "meetings",
        True,
        (
            'execution.events during past 168h | where binary.name in ["zoom.exe","zoom.us"'
            ',"msteams"'
            ',"ms-teams.exe"] | list execution.event.start_time, execution.event.end_time,'
            " execution.event.bucket_duration, execution.event.cpu_time,"
            " execution.event.real_memory,"
            " binary.name, binary.platform, device.name | sort execution.event.start_time desc"
        ),
    ),
    (
        "calls",
        True,
        (
            "collaboration.sessions during past 168h | list session.call.start_time,"
            " session.call.end_time, session.call.type, session.application.type, device.name"
        ),
    ),
    (
        "readiness",
        False,
        (
            "remote_action.executions during past 30d | where remote_action.name == "
            '"Get Windows 11 readiness" | list device.name, time, status, outputs | sort time desc'
        ),
    ),
    (
        "outputs",
        False,
        (
            "remote_action.#get_service_information_1.executions during past 7d"
            " | list device.name, outputs.ServiceInformation"
        ),
    ),
    (
        "workflows",
        False,
        (
            "workflow.executions during past 7d | list request_id, request_time, workflow.name,"
            " device.name, status, status_details | sort request_time desc"
        ),
    ),
    (
        "crashing_devices",
        True,
        (
            "devices | with device_performance.system_crashes during past 7d"
            " | compute crash_count = number_of_system_crashes.sum() | where crash_count >= 3"
            " | list device.name, crash_count | sort crash_count desc"
        ),
    ),
    (
        "full_memory",
        True,
        (
            "devices during past 7d | include device_performance.events during past 7d"
            " | compute memory_usage_ratio ="
            " event.used_memory.avg()*100/device.hardware.memory.avg()"
            " | where memory_usage_ratio >= 90 | list device.name, memory_usage_ratio"
            " | sort memory_usage_ratio desc"
        ),
    ),
    (
        "crashes_by_day",
        True,
        (
            "execution.crashes during past 7d | summarize total_number_of_crashes = count() by 1d"
            " | sort start_time asc"
        ),
    ),
    (
        "installed",
        True,
        (
            'package.installed_packages | where device.name in ["NB-CH-000010"]'
            " | summarize c = count() by device.name, package.name, package.version"
        ),
    ),
    (
        "old_brand",
        True,
        (
            'devices | where device.hardware.manufacturer = "Hewlett-Packard" | list device.name,'
            " device.hardware.chassis_serial_number, device.hardware.product_line"
        ),
    ),
    (
        "answers",
        True,
        (
            "users | include campaign.#welcome.responses | compute answered_campaign ="
            " user.countif(state == answered) | summarize answered = answered_campaign.sum()"
        ),
    ),
    (
        "overall_dex",
        True,
        (
            "users | include dex.scores during past 24h | compute dex_per_user = value.avg()"
            " | where dex_per_user != NULL | summarize overall_dex = dex_per_user.avg()"
        ),
    ),
    (
        "yesterday",
        True,
        (
            "web.page_views from 1d ago to 1d ago"
            " | summarize total_navigations = number_of_page_views.sum()"
        ),
    ),
    ("api_calls", True, "platform.nql_api_logs during past 7d | summarize total = count()"),
    (
        "never_run",
        True,
        (
            "devices | include remote_action.get_intune_device_status.executions during past 24h"
            " | where status == success | compute num_runs = count() | where num_runs == 0"
        ),
    ),
)
TEXTS = {name: text for name, _, text in PUBLISHED}


@pytest.mark.parametrize(("name", "has_rows", "text"), PUBLISHED, ids=[p[0] for p in PUBLISHED])
def test_every_published_query_runs(engine: Engine, name: str, has_rows: bool, text: str) -> None:
    crashed = ask(engine, "execution.crashes during past 240h | list device.collector.uid")
    found = ask(engine, text, collector_uid=str(crashed.item(0, 0)))
    assert (found.height > 0) == has_rows, name
    assert found.schema == ask(make_engine(devices=1), text, collector_uid="").schema


def test_devices_that_crash_are_those_whose_crashes_are_three_or_more(engine: Engine) -> None:
    found = ask(engine, TEXTS["crashing_devices"])
    crashes = ask(engine, "device_performance.system_crashes during past 7d | list device.uid")
    counts = crashes.group_by("device.uid").len().filter(pl.col("len") >= 3)["len"]
    assert found["crash_count"].to_list() == counts.sort(descending=True).to_list()


def test_a_ratio_of_averages_is_worked_out_for_each_device(engine: Engine) -> None:
    found = ask(engine, TEXTS["full_memory"])
    rows = ask(
        engine,
        "device_performance.events during past 7d"
        " | list device.name, event.used_memory, device.hardware.memory, device.uid",
    )
    ratio = pl.col("device_performance.event.used_memory").mean() * 100
    expected = (
        rows.group_by("device.uid")
        .agg(pl.col("device.name").first(), ratio / pl.col("device.hardware.memory").first())
        .rename({"device_performance.event.used_memory": "memory_usage_ratio"})
        .filter(pl.col("memory_usage_ratio") >= 90)
    )
    assert found["memory_usage_ratio"].to_list() == pytest.approx(
        expected["memory_usage_ratio"].sort(descending=True).to_list()
    )


def test_scores_are_tagged_at_four_in_the_morning(engine: Engine) -> None:
    times = ask(engine, "dex.scores during past 24h | list time")["dex.score.time"].unique()
    assert times.to_list() == [datetime(2026, 11, 20, 4, tzinfo=UTC)]


def test_crashes_by_day_are_the_crashes(engine: Engine) -> None:
    found = ask(engine, TEXTS["crashes_by_day"])
    assert found.columns == ["start_time", "end_time", "bucket_duration", "total_number_of_crashes"]
    assert found["bucket_duration"].unique().to_list() == [86400]
    total = ask(engine, "execution.crashes during past 7d | summarize n = count()").item()
    assert found["total_number_of_crashes"].sum() == total


def test_the_engine_remembers_what_was_run() -> None:
    engine = make_engine()
    assert ask(engine, TEXTS["api_calls"]).item() == 0
    engine.record(LogEntry(NOW - timedelta(days=8), "#old", "execute", "success", 1, 0.1))
    engine.record(LogEntry(NOW - timedelta(minutes=5), "#a", "execute", "success", 3, 0.25))
    engine.record(LogEntry(NOW - timedelta(minutes=1), "#b", "export", "failure", None, 2.0, "no"))
    assert ask(engine, TEXTS["api_calls"]).item() == 2
    rows = ask(
        engine,
        "platform.nql_api_logs during past 24h | where status != success"
        " | list query_id, type, number_of_rows, duration",
    )
    assert rows.rows() == [("#b", "export", None, 2.0)]
    assert rows.columns[0] == "platform.nql_api_log.query_id"


def test_a_run_is_recorded_however_it_ends() -> None:
    engine = make_engine()
    with engine.recorded("#good", "execute", NOW) as run:
        run.rows = 7
    with pytest.raises(NqlError), engine.recorded("#bad", "export", NOW):
        ask(engine, "nothing")
    rows = ask(
        engine,
        "platform.nql_api_logs during past 1h | list query_id, status, number_of_rows,"
        " status_details, duration",
    )
    assert [row[:3] for row in rows.iter_rows()] == [
        ("#good", "success", 7),
        ("#bad", "failure", None),
    ]
    assert "there is no table" in rows["platform.nql_api_log.status_details"][1]
