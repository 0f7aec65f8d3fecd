"""The four scenarios, from the shipped YAML to the outcomes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.errors import PartlyDoneError, UsageError
from connectors.lake.query import query_lake
from connectors.lake.record_upgrade import first_written
from connectors.settings.installation import load_settings
from sandbox.actions.options import ActingOptions
from tasks.act.asked import ActionAsked
from tasks.act.status import planned_rows
from tasks.stories import scenarios
from tests.actions import CERTAIN, Acting, acting
from tests.commands import called
from tests.landing import Place

ENGINEER: dict[str, Any] = {"who": "an engineer", "why": "prints nothing", "ticket": "INC1"}
# A few people and devices of each kind, and things show after a moment.
MOVING = replace(CERTAIN, execution_time=30)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv, devices=80, acting=MOVING) as ready:
        yield ready


# Like the shipped query, over a longer time.
OVERDUE = Path("deployments/queries/restart_overdue.nql").read_text("utf-8").replace("24h", "7d")


def set_fates(made: Acting, **changes: float) -> None:
    made.tenant.actions.options = ActingOptions(
        **{"execution_time": 30, "visibility_delay": 0, "failure_share": 0, **changes}
    )


def test_assisted_service_acts_on_named_devices_with_a_ticket(made: Acting) -> None:
    rows = made.tenant.frame("#action_devices").to_dicts()
    windows = [row for row in rows if row["device.operating_system.platform"] == "Windows"][:3]
    # By name, by uid, by collector id.
    named = (
        windows[0]["device.name"].lower(),
        windows[1]["device.uid"].upper(),
        windows[2]["device.collector.uid"],
    )
    asked = ActionAsked(named, parameters={"ServiceName": "Spooler"}, **ENGINEER)
    report = made.run("restart_service", asked)
    assert (report["state"], report["outcomes"]) == ("done", {"success": 3})
    assert set(made.done()) == {row["device.collector.uid"] for row in windows}
    (request,) = made.tenant.actions.requests
    assert request.reference == "INC1"
    assert request.parameters == {"ServiceName": "Spooler"}
    with made.ledger() as ledger:
        (journalled,) = ledger.actions.requests()
        (plan,) = ledger.action_plans.of("restart_service")
    assert request.reason == f"nxp:{journalled.intent_id} asked for by a person"
    assert (plan.approved_by, plan.approved_why, plan.ticket) == tuple(ENGINEER.values())


def test_self_help_acts_for_those_who_agree_and_only_once(made: Acting) -> None:
    set_fates(made, offline_share=0, answer_share=0.7, decline_share=0.1, agree_share=0.6)
    asked = made.run("restart_consent")
    assert asked["outcomes"].keys() > {"answered"}
    rows = made.tenant.frame(
        "#campaign_responses", {"nql_id": "#restart_reminder", "from": "2026-11-01 00:00:00"}
    )
    agreed = rows.filter(
        pl.col("campaign.response.answers").str.contains('"Yes"').fill_null(value=False)
    )["user.sid"]
    overdue = made.tenant.frame("#restart_overdue")
    report = made.run("restart_agreed")
    done = {
        execution.device
        for request in made.tenant.actions.requests
        if request.kind == "remote_action"
        for execution in request.executions
    }
    theirs = overdue.filter(pl.col("user.sid").is_in(agreed.implode()))["device.collector.uid"]
    assert 0 < len(done) == report["requested"] < overdue["device.collector.uid"].n_unique()
    assert done <= set(theirs)
    # No device was restarted if a person at it said no.
    refused = overdue.filter(
        pl.col("user.sid").is_in(
            rows.filter(
                pl.col("campaign.response.state").is_in(["declined"])
                | pl.col("campaign.response.answers").str.contains('"No"')
            )["user.sid"].implode()
        )
    )
    asked_about = {row["device"] for row in journal_rows(made, "restart_consent")}
    assert not done & (set(refused["device.collector.uid"]) & asked_about) - set(theirs)
    again = made.run("restart_agreed")
    assert again["requested"] == 0
    assert again["excluded"]["consent_used"] == len(done)
    assert made.run("restart_consent")["requested"] == 0


def asked_about(made: Acting, action: str) -> dict[str, list[str]]:
    """Return whom a plan asks, by the device that they are asked about."""
    made.plan(action)
    people: dict[str, list[str]] = {}
    for row in planned_rows(load_settings(), "sandbox.eu", action):
        if row["reason"] is None:
            people.setdefault(row["device"], []).append(row["person"])
    return people


@pytest.mark.slow
def test_of_several_people_at_a_device_one_no_counts_and_silence_does_not(made: Acting) -> None:
    set_fates(made, offline_share=0, answer_share=0, decline_share=0)
    people = asked_about(made, "restart_consent")
    shared = sorted(device for device, sids in people.items() if len(sids) > 1)[:4]
    alone = next(device for device, sids in people.items() if len(sids) == 1)
    both, one_no, one_declines, one_silent = shared
    for device, fates in (
        (both, ("agreed", "agreed")),
        (one_no, ("agreed", "disagreed")),
        (one_declines, ("agreed", "declined")),
        (one_silent, ("agreed", "expired")),
        (alone, ("agreed",)),
    ):
        for sid, fate in zip(people[device], fates, strict=False):
            made.tenant.actions.decree(sid, fate)
    made.run("restart_consent", ActionAsked(wait=False))
    made.tenant.clock.advance(timedelta(minutes=1))
    excluded = {"not_agreed": 2, "not_answered": len(people) - 5}
    assert made.plan("restart_agreed")["excluded"] == excluded
    # Nor does it once the question has expired.
    made.tenant.clock.advance(timedelta(days=2, hours=1))
    made.query("restart_overdue", OVERDUE)
    report = made.run("restart_agreed")
    assert report["excluded"] == excluded
    assert made.done().keys() & people.keys() == {both, one_silent, alone}


def test_an_answer_chooses_the_action_and_its_parameters_and_counts_once(made: Acting) -> None:
    set_fates(made, offline_share=0, answer_share=0, decline_share=0)
    people = asked_about(made, "restart_choice")
    shared = next(device for device, sids in people.items() if len(sids) > 1)
    alone = sorted(device for device, sids in people.items() if len(sids) == 1)[:3]
    answers = dict(zip(alone, ("Restart now", "Tonight", "Not this week"), strict=True))
    for device, answer in answers.items():
        made.tenant.actions.decree(people[device][0], f"answer:{answer}")
    for sid, answer in zip(people[shared], answers.values(), strict=False):
        made.tenant.actions.decree(sid, f"answer:{answer}")
    reports = scenarios.ask_and_act("restart_choice", clock=made.tenant.clock.now, sleep=made.sleep)
    assert [each["dataset"] for each in reports] == ["restart_choice"] + ["restart_chosen"] * 2
    waiting = len(people) - 4
    # Two people at one device who choose differently: it is left alone.
    for report in reports[1:]:
        excluded = {"not_agreed": 1, "not_answered": waiting, "other_answer": 2}
        assert report["excluded"] in (excluded, excluded | {"consent_used": 1, "other_answer": 1})
    requests = [each for each in made.tenant.actions.requests if each.kind == "remote_action"]
    asked = [(each.executions[0].device, each.parameters["DelayMinutes"]) for each in requests]
    assert asked == [(alone[0], "15"), (alone[1], "600")]
    with made.ledger() as ledger:
        plans = ledger.action_plans.of("restart_chosen")[::-1]
        kept = [ledger.actions.targets(plan_id=each.plan_id)["person"].to_list() for each in plans]
    assert [each.summary["answers"] for each in plans] == [["Restart now"], ["Tonight"]]
    assert kept == [people[device] for device in alone[:2]]
    # Not even if the answers choose another action later.
    catalog = Path(made.place.environment["NXP_CATALOG"]) / "actions"
    text = (catalog / "restart_choice.yaml").read_text("utf-8")
    made.specify("clean_up", targets={"answers_to": "restart_choice"})
    text = text.replace('"Restart now": restart_chosen', '"Restart now": clean_up')
    (catalog / "restart_choice.yaml").write_text(text, "utf-8")
    again = scenarios.ask_and_act("restart_choice", clock=made.tenant.clock.now, sleep=made.sleep)
    assert [each["requested"] for each in again] == [0, 0, 0]
    assert again[1]["excluded"]["consent_used"] == 2
    with pytest.raises(UsageError, match="nxp act self-help restart_choice"):
        made.run("clean_up")
    with pytest.raises(UsageError, match=r"no targets\.consent and no answers"):
        scenarios.ask_and_act("startup_report")


def journal_rows(made: Acting, action: str) -> list[dict[str, str]]:
    with made.ledger() as ledger:
        (plan,) = ledger.action_plans.of(action)
        return ledger.actions.targets(plan_id=plan.plan_id).to_dicts()


def test_a_consent_counts_only_while_it_is_needed_and_not_for_ever(made: Acting) -> None:
    made.run("restart_consent")
    # Somebody restarts a few of the devices in the meantime.
    devices = made.devices("restart_overdue")
    made.tenant.actions.by_console("remote_action", "#restart_for_updates", devices=devices[:3])
    made.tenant.clock.advance(timedelta(minutes=1))
    report = made.plan("restart_agreed")
    assert report["excluded"]["not_affected"] == len(set(devices[:3]))
    made.tenant.clock.advance(timedelta(days=8))
    assert made.plan("restart_agreed")["candidates"] == 0


def test_self_healing_acts_without_asking_and_says_what_it_helped(made: Acting) -> None:
    text = Path("deployments/queries/full_disks.nql").read_text("utf-8")
    made.query("full_disks", text.replace("10GB", "60GB"))
    found = set(made.devices("full_disks"))
    assert found
    report = made.run("free_disk_space")
    assert set(made.done()) == found
    assert report["effect"]["ended"] == len(found)
    assert report["effect"]["still"] < len(found)
    # Devices that it did not help are left alone until they have cooled down.
    again = made.run("free_disk_space")
    assert again["requested"] == 0
    assert set(again["excluded"]) <= {"cool_down"}


def test_on_demand_data_lands_what_devices_return(
    made: Acting,
) -> None:
    set_fates(made, offline_share=0.1, failure_share=0.05)
    report = made.run("startup_report", ActionAsked())
    assert report["excluded"]["platform"]
    assert report["outcomes"].keys() > {"success", "waiting_on_device"}
    place: Place = made.place
    place.land(place.plan("startup_reports"))
    landed = place.landed("startup_reports")
    assert landed.height == report["outcomes"]["success"]
    assert landed.schema["collected_at"] == pl.Datetime("us", "UTC")
    assert landed.schema["boot_duration_ms"] == pl.Int64
    assert landed["startup_programs"].str.json_decode(pl.List(pl.String)).list.len().max()


def test_too_many_failures_end_as_partly_done_with_their_reasons(made: Acting) -> None:
    set_fates(made, offline_share=0, failure_share=1)
    with pytest.raises(PartlyDoneError, match=r"\d+ failed: see nxp act status free_disk_space"):
        made.run("free_disk_space")
    with made.ledger() as ledger:
        report = ledger.runs("free_disk_space", 1)[0]["report"]
    assert report["outcomes"] == {"failure": report["targets"]}
    assert sum(report["reasons"].values()) == report["targets"]


def test_a_workflow_that_waits_is_told_to_go_on_and_read_back(made: Acting) -> None:
    device = made.devices()[0]
    asked = ActionAsked((device,), parameters={"ticket": "REQ7"}, **ENGINEER)
    report = made.run("replace_device", asked)
    assert report["outcomes"] == {"in_progress": 1}
    row = journal_rows(made, "replace_device")[0]
    with made.opened("replace_device") as run:
        workflow = run.tools.client.workflows.details("#device_replacement")
        run.tools.client.workflows.resume(workflow.uuid, row["execution_id"], {"approved": "yes"})
    made.tenant.clock.advance(timedelta(minutes=2))
    with made.ledger() as ledger:
        (plan,) = ledger.action_plans.of("replace_device")
    again = made.run("replace_device", ActionAsked(wait=False), plan_id=plan.plan_id)
    assert again["outcomes"] == {"success": 1}
    assert len(made.tenant.actions.requests) == 2
    # The second run of the plan has changed the row of the first one.
    shown = query_lake(made.place.lake, "SELECT run_id, status FROM _targets")[1]
    assert shown == [(report["run_id"], "success")]


def test_sql_shows_outcomes_that_came_after_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with acting(tmp_path, monkeypatch.setenv, devices=20, now=None, acting=MOVING) as made:
        made.specify("clean_up", targets={"query_id": "#windows_devices"}, lands="startup_reports")
        named = ("--device", made.devices()[0], "--device", "PC-GONE", "--dry-run")
        tried = called(
            "act", "run", "restart_service", *named, "-p", "ServiceName=x", capsys=capsys
        )
        assert "left out: PC-GONE (unknown)" in tried.stderr.splitlines()
        ran = called("act", "run", "clean_up", "--no-wait", capsys=capsys)
        everybody = len(made.devices())
        assert f"0 of {everybody} targets have ended" in ran.stderr
        (file,) = made.place.lake.folder.glob("_changes/action=clean_up/*/*.parquet")
        made.tenant.clock.advance(timedelta(seconds=60))
        refreshed = called("act", "status", "clean_up", "--refresh", capsys=capsys)
        assert refreshed.stderr.endswith("lands with: nxp export startup_reports\n")
    rows = called("sql", "FROM _targets", "--json", capsys=capsys).stdout
    assert [row["status"] for row in json.loads(rows)] == ["success"] * everybody
    assert file.stat().st_mode & 0o777 == 0o600
    # Retention counts from the run, not from the read-back.
    path = str(file.relative_to(made.place.lake.folder))
    assert first_written(made.place.lake, path) is not None
