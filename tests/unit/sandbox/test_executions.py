"""The outcome of requests: states over time, outputs, answers, effects on devices."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sandbox.actions.options import ActingOptions
from sandbox.nql.errors import NqlNameError
from sandbox.options import SandboxOptions
from sandbox.tenant import Tenant
from tests.unit.sandbox.conftest import NOW

MINUTE = timedelta(minutes=1)
SURE = {"offline_share": 0.0, "failure_share": 0.0, "visibility_delay": 0.0}
RUNS = "remote_action.executions during past 24h | list status, device.collector.uid"
UNKNOWN = "11111111-2222-3333-4444-555555555555"


Make = Callable[..., Tenant]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a factory of tenants on which, by default, everything succeeds."""
    made: list[Tenant] = []

    def maker(devices: int = 200, seed: int = 1, **acting: float) -> Tenant:
        options = ActingOptions(**{**SURE, **acting})
        given: dict[str, Any] = {"queries": Path("unused"), "now": NOW, "seed": seed}
        made.append(Tenant(SandboxOptions(**given, devices=devices, acting=options)))
        return made[-1]

    yield maker
    for tenant in made:
        tenant.close()


def ask(tenant: Tenant, text: str, **parameters: str) -> pl.DataFrame:
    engine = tenant.engine
    return pl.concat(engine.rows(engine.prepare(text, parameters, tenant.clock.now())))


def collectors(tenant: Tenant, platform: str = "Windows") -> list[str]:
    where = f"where operating_system.platform == {platform}"
    return ask(tenant, f"devices | {where} | list collector.uid").to_series().to_list()


def sids(tenant: Tenant) -> list[str]:
    return ask(tenant, "users | list sid").to_series().to_list()


def act(tenant: Tenant, action: str, devices: list[str], **more: Any) -> Any:
    return tenant.actions.accept(
        "remote_action", action, [(each, None) for each in devices], **more
    )


def counted(tenant: Tenant, text: str = RUNS) -> Counter[str]:
    return Counter(ask(tenant, text).to_series().to_list())


def test_a_remote_action_waits_for_its_device_runs_and_ends(make: Make) -> None:
    tenant = make(execution_time=100)
    devices = collectors(tenant)
    act(tenant, "#get_disk_usage", devices)
    assert counted(tenant) == {"waiting_on_device": len(devices)}
    tenant.clock.advance(timedelta(seconds=35))
    assert set(counted(tenant)) == {"waiting_on_device", "in_progress", "success"}
    tenant.clock.advance(timedelta(seconds=65))
    assert counted(tenant) == {"success": len(devices)}


def test_what_a_query_sees_is_the_state_at_its_moment(make: Make) -> None:
    tenant = make(execution_time=100)
    act(tenant, "#get_disk_usage", collectors(tenant))
    tenant.clock.advance(MINUTE * 5)
    engine = tenant.engine
    before = engine.prepare(RUNS, {}, NOW + timedelta(seconds=1))
    states = set(pl.concat(engine.rows(before)).to_series())
    assert states <= {"waiting_on_device", "in_progress"}


def test_a_device_that_never_comes_online_expires_with_the_request(make: Make) -> None:
    tenant = make(offline_share=1.0, execution_time=0)
    act(tenant, "#get_disk_usage", collectors(tenant), expires_in_minutes=60)
    tenant.clock.advance(MINUTE * 59)
    assert set(counted(tenant)) == {"waiting_on_device"}
    tenant.clock.advance(MINUTE)
    assert set(counted(tenant)) == {"expired"}


def test_the_same_devices_are_away_whatever_is_asked(make: Make) -> None:
    tenant = make(offline_share=0.3, execution_time=0)
    for action in ("#get_disk_usage", "#get_battery_status"):
        act(tenant, action, collectors(tenant))
    query = "remote_action.{}.executions | where status == waiting_on_device | list device.uid"
    first, second = (
        set(ask(tenant, query.format(action)).to_series())
        for action in ("#get_disk_usage", "#get_battery_status")
    )
    assert first == second != set()


def test_an_execution_that_fails_says_why_and_has_no_outputs(make: Make) -> None:
    tenant = make(failure_share=0.5, execution_time=0)
    act(tenant, "#get_disk_usage", collectors(tenant))
    found = ask(tenant, "remote_action.executions | list status, status_details, outputs")
    found.columns = ["status", "details", "outputs"]
    failed = found.filter(pl.col("status") == "failure")
    assert 0.3 < failed.height / found.height < 0.7
    assert failed["details"].is_not_null().all()
    assert failed["outputs"].is_null().all()
    assert found.filter(pl.col("status") == "success")["outputs"].is_not_null().all()


def test_a_script_for_another_platform_fails(make: Make) -> None:
    tenant = make(execution_time=0)
    act(tenant, "#get_battery_status", collectors(tenant, "macOS"))
    found = ask(tenant, "remote_action.executions | list status, status_details")
    assert set(found.to_series(0)) == {"failure"}
    assert all("platform" in text for text in found.to_series(1))


def test_outputs_are_of_their_declared_types_and_the_same_each_time(make: Make) -> None:
    tenant = make(execution_time=0)
    devices = collectors(tenant)
    act(tenant, "#get_startup_report", devices)
    table = "remote_action.#get_startup_report.executions"
    first = ask(tenant, f"{table} | list device.uid, outputs, outputs.BiosVersion")
    for whole in map(json.loads, first.to_series(1)):
        assert [type(value) for value in whole.values()] == [str, int, bool, int, float, str, list]
    assert first.to_series(2).to_list() == [
        json.loads(whole)["BiosVersion"] for whole in first.to_series(1)
    ]
    assert first.to_series(1).n_unique() > len(devices) / 2
    fixed = "remote_action.#get_battery_status.executions | list device.uid, outputs"
    for _ in range(2):
        act(tenant, "#get_battery_status", devices)
    assert ask(tenant, fixed).unique().height == len(devices)


def test_an_output_that_says_what_was_set_says_it(make: Make) -> None:
    tenant = make(execution_time=0)
    asked = {"ServiceName": "spooler", "SetStartTypeTo": "Disabled", "StatusChange": "Off"}
    act(tenant, "#set_service_start_type", collectors(tenant), parameters=asked)
    query = "remote_action.#set_service_start_type.executions | list outputs.StartType"
    assert set(ask(tenant, query).to_series()) == {"Disabled"}


def test_unknown_devices_and_people_leave_no_row(make: Make) -> None:
    tenant = make(execution_time=0)
    known = collectors(tenant)[0]
    act(tenant, "#get_disk_usage", [UNKNOWN, known.upper()])
    assert ask(tenant, RUNS).rows() == [("success", known)]
    tenant.actions.accept("workflow", "#disk_space_relief", [(UNKNOWN, None)])
    tenant.actions.accept("workflow", "#vpn_repair", [(known, "S-1-5-21-1-2-3-4")])
    assert ask(tenant, "workflow.executions | list status").height == 0


def test_an_execution_shows_after_the_delay(make: Make) -> None:
    tenant = make(visibility_delay=30, execution_time=0)
    act(tenant, "#get_disk_usage", collectors(tenant)[:3])
    tenant.clock.advance(timedelta(seconds=20))
    assert not counted(tenant)
    tenant.clock.advance(timedelta(seconds=10))
    assert counted(tenant) == {"success": 3}


def test_the_same_seed_gives_the_same_fates_however_targets_are_divided(make: Make) -> None:
    shares = {"offline_share": 0.2, "failure_share": 0.3, "execution_time": 50}
    query = (
        "remote_action.executions | where status != waiting_on_device"
        " | list device.uid, status, status_details, outputs | sort device.uid asc"
    )
    found = []
    for size, seed in ((1000, 1), (7, 1), (1000, 2)):
        tenant = make(seed=seed, **shares)
        devices = collectors(tenant)
        for start in range(0, len(devices), size):
            act(tenant, "#get_disk_usage", devices[start : start + size])
        tenant.clock.advance(MINUTE)
        found.append(ask(tenant, query))
    assert found[0].equals(found[1])
    assert not found[0].equals(found[2])


def test_a_workflow_ends_with_an_outcome_for_each_of_its_executions(make: Make) -> None:
    tenant = make(failure_share=0.4, execution_time=60)
    request = tenant.actions.accept(
        "workflow", "#leaver_checks", [(None, sid) for sid in sids(tenant)], source="tests"
    )
    query = (
        'workflow.executions | where workflow.nql_id == "#leaver_checks" | list execution_id,'
        " status, outcome, outcome_details, request_id, external_source, duration"
    )
    before = ask(tenant, query)
    assert set(before["workflow.execution.status"]) == {"in_progress"}
    assert before["workflow.execution.outcome"].is_null().all()
    tenant.clock.advance(MINUTE)
    after = ask(tenant, query)
    assert set(after["workflow.execution.execution_id"]) == {e.id for e in request.executions}
    pairs = {
        (status, outcome, details is None)
        for status, outcome, details in after.select(pl.nth(1), pl.nth(2), pl.nth(3)).iter_rows()
    }
    assert pairs == {
        ("success", "action_taken", True),
        ("success", "no_action_taken", True),
        ("failure", "failed", False),
    }
    assert set(after["workflow.execution.request_id"]) == {request.id}
    assert set(after["workflow.execution.external_source"]) == {"tests"}
    assert after["workflow.execution.duration"].max() <= 60  # type: ignore[operator]


def test_a_workflow_that_waits_goes_on_when_it_is_told(make: Make) -> None:
    tenant = make(execution_time=60)
    pairs = [(device, None) for device in collectors(tenant)[:2]]
    first, second = tenant.actions.accept("workflow", "#device_replacement", pairs).executions
    query = "workflow.executions | list execution_id, status, status_details"
    tenant.clock.advance(timedelta(days=2))
    waiting = ask(tenant, "workflow.executions during past 7d | list status, status_details")
    assert set(waiting.rows()) == {("in_progress", "Waiting for an event.")}
    assert tenant.actions.resume("#device_replacement", first.id, {}) is not None
    tenant.clock.advance(MINUTE)
    query = "workflow.executions during past 7d | list execution_id, status"
    assert dict(ask(tenant, query).iter_rows()) == {first.id: "success", second.id: "in_progress"}


CAMPAIGN = "campaign.#restart_reminder.responses | list user.sid, state, answers.agreement, answers"


def test_people_answer_decline_or_let_a_campaign_expire(make: Make) -> None:
    tenant = make(answer_share=0.5, decline_share=0.25, agree_share=0.6, execution_time=60)
    people = sids(tenant)
    requests = tenant.actions.send("#restart_reminder", people, expires_in_minutes=30)
    assert len({request.id for request in requests}) == len(people)
    assert counted(tenant, "campaign.responses | list state") == {"targeted": len(people)}
    tenant.clock.advance(MINUTE)
    assert set(counted(tenant, "campaign.responses | list state")) == {
        "targeted",
        "answered",
        "declined",
    }
    tenant.clock.advance(MINUTE * 29)
    found = ask(tenant, CAMPAIGN)
    found.columns = ["sid", "state", "agreement", "answers"]
    assert set(found["state"]) == {"answered", "declined", "expired"}
    answered = found.filter(pl.col("state") == "answered")
    assert set(answered["agreement"]) == {"Yes", "No"}
    assert set(answered["answers"]) == {'{"agreement":"Yes"}', '{"agreement":"No"}'}
    rest = found.filter(pl.col("state") != "answered")
    assert rest["answers"].is_null().all()


@pytest.mark.parametrize(("share", "answer"), [(1.0, {"Yes"}), (0.0, {"No"})])
def test_the_share_of_those_who_agree_is_given(make: Make, share: float, answer: set[str]) -> None:
    tenant = make(answer_share=1.0, decline_share=0.0, agree_share=share, execution_time=0)
    tenant.actions.send("#disk_clean_up_consent", sids(tenant), expires_in_minutes=60)
    query = "campaign.#disk_clean_up_consent.responses | list response.answers.agreement"
    assert set(ask(tenant, query).to_series()) == answer


def test_single_fates_can_be_decreed(make: Make) -> None:
    tenant = make(answer_share=1.0, decline_share=0.0, agree_share=1.0, execution_time=0)
    people, devices = sids(tenant)[:4], collectors(tenant)[:3]
    for sid, fate in zip(people, ("disagreed", "declined", "expired"), strict=False):
        tenant.actions.decree(sid, fate)
    tenant.actions.decree(devices[0].upper(), "failure")
    tenant.actions.decree(devices[1], "expired")
    tenant.actions.send("#restart_reminder", people, expires_in_minutes=60)
    act(tenant, "#get_disk_usage", devices, expires_in_minutes=60)
    tenant.clock.advance(MINUTE * 60)
    rows = {sid: (state, answer) for sid, state, answer, _ in ask(tenant, CAMPAIGN).iter_rows()}
    assert [rows[sid] for sid in people] == [
        ("answered", "No"),
        ("declined", None),
        ("expired", None),
        ("answered", "Yes"),
    ]
    states = {device: state for state, device in ask(tenant, RUNS).iter_rows()}
    assert [states[device] for device in devices] == ["failure", "expired", "success"]
    with pytest.raises(ValueError, match="not one of success"):
        tenant.actions.decree(people[0], "lost")


def test_what_is_started_from_the_console_is_told_apart(make: Make) -> None:
    tenant = make(execution_time=0)
    device, sid = collectors(tenant)[0], sids(tenant)[0]
    act(tenant, "#restart_for_updates", [device], reason="nxp:1", source="nxp")
    tenant.actions.by_console("remote_action", "#restart_for_updates", devices=[device])
    tenant.actions.by_console("workflow", "#vpn_repair", devices=[device], users=[sid])
    tenant.actions.by_console("campaign", "#yearly_survey", users=[sid])
    query = "remote_action.executions | list trigger_method, reason, external_source, device.name"
    name = ask(tenant, "devices | where collector.uid == $c | list name", c=device).item()
    assert set(ask(tenant, query).rows()) == {
        ("api", "nxp:1", "nxp", name),
        ("manual", None, None, name),
    }
    with pytest.raises(ValueError, match="no remote_action with the id '#vpn_repair'"):
        tenant.actions.by_console("remote_action", "#vpn_repair", devices=[device])
    for table in ("workflow.executions", "campaign.responses"):
        assert set(ask(tenant, f"{table} | list trigger_method, user.sid").rows()) == {
            ("manual", sid)
        }


def test_a_restart_shows_in_the_days_since_the_last_boot(make: Make) -> None:
    tenant = make(execution_time=0)
    overdue = "devices | where boot.days_since_last_full_boot >= 14 | list collector.uid"
    before = ask(tenant, overdue).to_series().to_list()
    act(tenant, "#restart_for_updates", before[1:])
    assert ask(tenant, overdue).to_series().to_list() == before[:1]
    tenant.clock.advance(timedelta(days=3))
    days = "devices | where collector.uid == $c | list boot.days_since_last_full_boot"
    assert ask(tenant, days, c=before[1]).item() == 3


def test_a_cleaned_disk_has_space_at_once_as_a_volume_and_in_later_samples(make: Make) -> None:
    tenant = make(execution_time=0)
    full = "device.volumes | where is_system == true and free_space < 30GB | list collector.uid"
    before = ask(tenant, full).to_series().to_list()
    assert len(before) > 2
    act(tenant, "#clean_up_disk", before[1:])
    assert ask(tenant, full).to_series().to_list() == before[:1]
    samples = (
        "device_performance.events during past 24h | where device.collector.uid == $c"
        " | list start_time, system_drive_free_space, system_drive_usage, system_drive_capacity"
    )
    old = ask(tenant, samples, c=before[1])
    tenant.clock.advance(timedelta(hours=12))
    new = ask(tenant, samples, c=before[1])
    new.columns = old.columns = ["start", "free", "usage", "capacity"]
    known = new.join(old, on="start", suffix="_old")
    assert known["free"].equals(known["free_old"], check_names=False)
    later = new.filter(pl.col("start") > NOW)
    assert known.height
    assert later.height
    assert later["free"].min() > known["free"].max()  # type: ignore[operator]
    assert (later["free"] + later["usage"]).equals(later["capacity"], check_names=False)


def test_the_catalogue_is_known_to_nql(make: Make) -> None:
    tenant = make(devices=5)
    names = ask(tenant, "campaigns | list nql_id, name").rows()
    assert ("#restart_reminder", "Please restart your device") in names
    with pytest.raises(NqlNameError, match="#nothing"):
        ask(tenant, "campaign.#nothing.responses | list state")


def test_none_of_many_targets_is_dropped(make: Make) -> None:
    tenant = make(devices=32_000, execution_time=0)
    devices = [*collectors(tenant), *collectors(tenant, "macOS")]
    assert len(devices) > 25_000
    for start in range(0, len(devices), 10_000):
        act(tenant, "#clean_up_disk", devices[start : start + 10_000])
    found = ask(tenant, RUNS)
    assert sorted(found["device.collector.uid"]) == sorted(devices)


def test_the_clock_does_not_go_back(make: Make) -> None:
    with pytest.raises(ValueError, match="back"):
        make(devices=5).clock.advance(-MINUTE)
