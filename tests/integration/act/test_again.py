"""Run after run: nobody is acted on again too early, however earlier plans ended."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import (
    DataRefusedError,
    LimitReachedError,
    NotApprovedError,
    StaleError,
    UsageError,
)
from connectors.ledger import Verdict
from connectors.ledger.action_requests import RequestState
from tasks.act.asked import ActionAsked
from tasks.act.status import overview, resolve_request
from tests.actions import CERTAIN, CLEAN_UP, Acting, acting

NAME = "clean_up"
KIND = "remote_action"
FOUND: dict[str, Any] = {"targets": {"query_id": "#windows_devices"}}
HOUR = timedelta(hours=1)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv) as ready:
        ready.specify(NAME, **FOUND, limits={"per_request": 5})
        yield ready


@pytest.fixture
def interrupted(made: Acting) -> Acting:
    """A plan whose first request was rejected, so that all requests are left."""
    made.tenant.faults.add("429-seconds@act:1")
    with pytest.raises(LimitReachedError):
        made.run(NAME)
    assert not made.tenant.actions.requests
    return made


def plans(made: Acting) -> list[dict[str, Any]]:
    with made.ledger() as ledger:
        return overview(ledger, NAME)


def test_a_cool_down_counts_from_when_a_request_left(interrupted: Acting) -> None:
    made = interrupted
    made.tenant.clock.advance(23 * HOUR)
    made.run(NAME)
    made.tenant.clock.advance(2 * HOUR)
    assert made.run(NAME)["excluded"] == {"cool_down": len(made.devices())}
    assert made.done() == dict.fromkeys(made.devices(), 1)


def test_a_device_that_is_still_to_act_is_not_asked_again(made: Acting) -> None:
    made.tenant.actions.options = replace(CERTAIN, execution_time=4 * 24 * 3_600)
    made.tenant.actions.by_console(KIND, CLEAN_UP, devices=made.devices()[:3])
    assert made.run(NAME)["excluded"] == {"elsewhere": 3}
    for _ in range(3):
        made.tenant.clock.advance(25 * HOUR)
        excluded = made.run(NAME)["excluded"]
        assert excluded.pop("elsewhere", 0) <= 3
        assert excluded.keys() <= {"under_way", "cool_down"}
    # A device that acted a day ago is asked again; one that has not acted yet is not.
    twice = {device for device, count in made.done().items() if count > 1}
    for device in twice:
        own = [
            request
            for request in made.tenant.actions.requests
            if any(execution.device == device for execution in request.executions)
        ]
        assert own[1].created_at - own[0].created_at > 24 * HOUR
    rows = made.tenant.frame(
        "#remote_action_executions", {"nql_id": CLEAN_UP, "from": "2026-11-01 00:00:00"}
    )
    waiting = rows.filter(~rows["remote_action.execution.status"].is_in(["success"]))
    assert waiting["device.collector.uid"].is_unique().all()
    assert waiting.height


def test_a_cool_down_counts_from_when_a_device_has_acted(made: Acting) -> None:
    made.tenant.actions.options = replace(CERTAIN, execution_time=40 * 3_600)
    made.run(NAME)
    made.tenant.clock.advance(41 * HOUR)
    # By now all have acted, some only hours ago.
    report = made.run(NAME)
    assert report["excluded"].keys() == {"cool_down"}
    assert 0 < report["requested"] < len(made.devices())


def test_an_interrupted_plan_leaves_out_on_whom_somebody_else_has_acted(
    interrupted: Acting,
) -> None:
    made = interrupted
    theirs = made.devices()[3]
    made.tenant.actions.by_console(KIND, CLEAN_UP, devices=[theirs])
    report = made.run(NAME)
    # The other targets of its request are planned again.
    assert (report["requested"], report["excluded"]["elsewhere"]) == (4, 1)
    assert made.done() == dict.fromkeys(made.devices(), 1)
    with made.ledger() as ledger:
        (dropped,) = ledger.actions.requests(states=[RequestState.NOT_SENT])
    assert dropped.why == "somebody else has acted on its targets"


@pytest.mark.parametrize(
    "way", ["asked", *(pytest.param(way, marks=pytest.mark.slow) for way in ("yaml", "plan"))]
)
def test_a_dry_run_sends_nothing_of_an_interrupted_plan_either(
    interrupted: Acting, way: str
) -> None:
    made = interrupted
    asked, plan_id = ActionAsked(dry_run=way != "yaml"), None
    if way == "yaml":
        made.specify(NAME, **FOUND, limits={"per_request": 5}, dry_run=True)
    if way == "plan":
        plan_id = plans(made)[0]["plan_id"]
    report = made.run(NAME, asked, plan_id=plan_id)
    assert report["state"] == "dry_run"
    assert not made.tenant.actions.requests
    assert plans(made)[-1]["states"] == {"intent": len(made.devices())}


def test_an_interrupted_plan_is_given_up_after_a_day_by_its_id_too(interrupted: Acting) -> None:
    made = interrupted
    made.tenant.clock.advance(25 * HOUR)
    with pytest.raises(DataRefusedError, match="not sent"):
        made.run(NAME, plan_id=plans(made)[0]["plan_id"])
    assert not made.tenant.actions.requests
    assert plans(made)[0]["state"] == "finished"


def test_an_interrupted_plan_is_given_up_when_its_yaml_is_of_another_action(
    interrupted: Acting,
) -> None:
    made = interrupted
    made.specify(NAME, **FOUND, id="#get_disk_usage", parameters={})
    report = made.run(NAME)
    assert report["requested"] == len(made.devices())
    assert {request.nql_id for request in made.tenant.actions.requests} == {"#get_disk_usage"}
    assert plans(made)[1]["states"] == {"not_sent": len(made.devices())}


def test_what_of_an_interrupted_plan_was_not_sent_may_be_given_up_by_a_person(
    interrupted: Acting,
) -> None:
    made = interrupted
    with made.ledger() as ledger:
        for request in ledger.actions.requests(states=[RequestState.INTENT]):
            with pytest.raises(UsageError, match="it is intent"):
                resolve_request(ledger, request.intent_id, sent=True, why="no")
            resolve_request(ledger, request.intent_id, sent=False, why="not wanted any more")
    # Now an action with another YAML may act on the same devices.
    made.specify("other", **FOUND)
    assert made.run("other")["requested"] == len(made.devices())
    made.run(NAME)
    assert made.done() == dict.fromkeys(made.devices(), 1)


def test_a_plan_that_was_declined_just_now_does_not_begin(made: Acting) -> None:
    made.specify(NAME, **FOUND, approval="required")

    def disagree(_: str) -> Verdict:
        # Somebody else says no before this yes has any effect.
        with made.ledger() as ledger:
            (plan,) = ledger.action_plans.of(NAME)
            with made.opened(NAME) as run, run.lease():
                ledger.action_plans.judge(plan.plan_id, Verdict("a", "b"), approved=True)
                ledger.action_plans.judge(plan.plan_id, Verdict("b", "no"), approved=False)
                with pytest.raises(StaleError, match="is declined: plan again"):
                    ledger.actions.begin(plan, [])
        raise NotApprovedError("no")

    with pytest.raises(NotApprovedError):
        made.run(NAME, approve=disagree)
    assert not made.tenant.actions.requests


def test_the_ticket_of_a_plan_stays_where_its_approval_has_none(made: Acting) -> None:
    made.specify(NAME, **FOUND, approval="required")
    planned = made.plan(NAME, ActionAsked(ticket="INC7"))
    report = made.run(NAME, ActionAsked(who="a", why="b"), plan_id=planned["plan_id"])
    assert report["ticket"] == "INC7"
    assert {request.reference for request in made.tenant.actions.requests} == {"INC7"}


def test_a_plan_that_cannot_be_sent_is_none(made: Acting) -> None:
    users = {"targets": {"query_id": "#action_users"}}
    made.specify("ask", kind="campaign", id="#disk_clean_up_consent", **users)
    many = ActionAsked(parameters={f"p{number}": "x" for number in range(31)})
    with pytest.raises(UsageError, match=r"ask: campaign request: 31 parameters"):
        made.plan("ask", many)
    with pytest.raises(UsageError, match="half a character"):
        made.plan(
            NAME, ActionAsked(parameters={"MinimumAgeDays": "\udcff", "EmptyRecycleBin": "true"})
        )
    with made.ledger() as ledger:
        assert not ledger.action_plans.of("ask")


def test_pairs_of_a_workflow_keep_to_the_pace_or_are_refused(made: Acting, tmp_path: Path) -> None:
    made.specify("repair", kind="workflow", id="#vpn_repair", limits={"per_minute": 1})
    devices = made.tenant.frame("#windows_devices")["device.name"].to_list()
    people = made.tenant.frame("#action_users").drop_nulls()["user.sid"].to_list()
    file = tmp_path / "pairs.csv"
    pairs = zip(devices[:2], people[:2], strict=True)
    file.write_text("\n".join(",".join(pair) for pair in pairs), "utf-8")
    with pytest.raises(DataRefusedError, match="cannot be split"):
        made.plan("repair", ActionAsked(file=file))
    file.write_text(f"{devices[0]},{people[0]}", "utf-8")
    assert made.run("repair", ActionAsked(file=file))["requested"] == 1
