"""Plans of actions: who is left out and why, what makes them stale, what a person has to say."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.errors import (
    ConfigurationError,
    DataRefusedError,
    NotApprovedError,
    ResultTruncatedError,
    StaleError,
    UsageError,
)
from connectors.ledger import Verdict
from tasks.act.asked import ActionAsked
from tasks.act.run import choose_action
from tasks.stories import act as stories
from tests.actions import CLEAN_UP, Acting, acting

NAME = "clean_up"
FOUND = {"targets": {"query_id": "#windows_devices"}}
ALL = """devices during past 30d
| list device.collector.uid, device.name, device.operating_system.platform
"""
KIND = "remote_action"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv) as ready:
        ready.query("all_devices", ALL)
        ready.specify(NAME, **FOUND)
        yield ready


def test_a_plan_sends_nothing_and_says_who_it_is_for(made: Acting) -> None:
    report = made.plan(NAME)
    assert report["state"] == "planned"
    assert report["targets"] == report["candidates"] == len(made.devices())
    assert not made.tenant.actions.requests
    files = list(Path(made.place.environment["NXP_LAKE"]).rglob(f"{report['plan_id']}.parquet"))
    assert pl.read_parquet(files[0])["target"].sort().to_list() == sorted(made.devices())
    assert files[0].stat().st_mode & 0o077 == 0


def test_a_plan_is_run_by_id_and_hash_once(made: Acting) -> None:
    planned = made.plan(NAME)
    with pytest.raises(StaleError, match="another hash"):
        made.run(NAME, plan_id=planned["plan_id"], sha256="abc")
    for _ in range(2):
        report = made.run(NAME, plan_id=planned["plan_id"], sha256=planned["sha256"][:12])
        assert report["outcomes"] == {"success": planned["targets"]}
    assert set(made.done().values()) == {1}


def test_a_plan_whose_file_was_changed_is_not_run(made: Acting) -> None:
    planned = made.plan(NAME)
    (file,) = Path(made.place.environment["NXP_LAKE"]).rglob(f"{planned['plan_id']}.parquet")
    frame = pl.read_parquet(file)
    frame.head(1).write_parquet(file)
    with pytest.raises(StaleError, match="is not the one that was made"):
        made.run(NAME, plan_id=planned["plan_id"])
    assert not made.tenant.actions.requests


@pytest.mark.parametrize("moved", ["yaml", "time", "requested", "console"])
def test_a_plan_is_stale_when_what_it_was_made_from_has_moved_on(made: Acting, moved: str) -> None:
    planned = made.plan(NAME)
    match moved:
        case "yaml":
            made.specify(NAME, **FOUND, reason="another")
        case "time":
            made.tenant.clock.advance(timedelta(hours=25))
        case "requested":
            made.specify("other", **FOUND)
            made.run("other")
        case "console":
            made.tenant.actions.by_console(KIND, CLEAN_UP, devices=made.devices()[:1])
    before = len(made.tenant.actions.requests)
    with pytest.raises(StaleError, match="plan again"):
        made.run(NAME, plan_id=planned["plan_id"])
    with pytest.raises(StaleError, match="plan again"):
        made.run(NAME, plan_id=planned["plan_id"])
    assert len(made.tenant.actions.requests) == before


def test_who_was_acted_on_lately_is_left_out_whoever_did_it(made: Acting) -> None:
    devices = made.devices()
    made.tenant.actions.by_console(KIND, CLEAN_UP, devices=devices[:2])
    first = made.run(NAME)
    assert first["excluded"] == {"elsewhere": 2}
    second = made.run(NAME)
    assert second["excluded"] == {"cool_down": len(devices) - 2, "elsewhere": 2}
    made.tenant.clock.advance(timedelta(days=1))
    assert made.run(NAME)["requested"] == len(devices)


def test_a_device_that_never_came_online_may_be_acted_on_again(made: Acting) -> None:
    made.specify(NAME, **FOUND, expires="2h", limits={"cool_down": "5d"})
    never, devices = made.devices()[0], made.devices()
    made.tenant.actions.decree(never, "expired")
    report = made.run(NAME)
    assert report["outcomes"] == {"success": len(devices) - 1, "waiting_on_device": 1}
    assert report["state"] == "sent"
    assert made.run(NAME)["requested"] == 0
    made.tenant.clock.advance(timedelta(hours=3))
    again = made.run(NAME)
    assert again["requested"] == 1
    assert made.done()[never] == 2


def test_names_are_resolved_and_nobody_is_guessed(made: Acting) -> None:
    made.specify(NAME)
    rows = made.tenant.frame("#action_devices").to_dicts()
    windows = [row for row in rows if row["device.operating_system.platform"] == "Windows"]
    one, two = windows[:2]
    names = (one["device.name"], one["device.uid"], two["device.collector.uid"], "PC-NOBODY")
    report = made.run(NAME, ActionAsked(names))
    assert report["excluded"] == {"duplicate": 1, "unknown": 1}
    assert set(made.done()) == {one["device.collector.uid"], two["device.collector.uid"]}


def test_a_file_names_targets_and_people(made: Acting, tmp_path: Path) -> None:
    made.specify(NAME)
    names = made.tenant.frame("#windows_devices")["device.name"].to_list()
    file = tmp_path / "targets.txt"
    file.write_text("﻿" + "\r\n".join([names[0], "", f" {names[1]} ", names[0]]), "utf-8")
    assert made.run(NAME, ActionAsked(file=file))["excluded"] == {"duplicate": 1}
    made.specify(
        "ask", kind="campaign", id="#disk_clean_up_consent", parameters={"free_space": "1 GB"}
    )
    users = made.tenant.frame("#action_users").drop_nulls().to_dicts()
    file.write_text(f"{users[0]['user.upn']}\n{users[1]['user.sid']}\nnobody@example.com", "utf-8")
    report = made.run("ask", ActionAsked(file=file))
    assert (report["requested"], report["excluded"]) == (2, {"unknown": 1})
    assert set(made.done()) > {users[0]["user.sid"], users[1]["user.sid"]}


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"", b"\n \n"])
def test_a_file_that_is_no_list_is_refused(made: Acting, tmp_path: Path, text: bytes) -> None:
    made.specify(NAME)
    file = tmp_path / "targets"
    file.write_bytes(text)
    with pytest.raises(UsageError, match="targets"):
        made.plan(NAME, ActionAsked(file=file))


def test_targets_are_named_or_found_not_both(made: Acting) -> None:
    with pytest.raises(UsageError, match="finds its targets itself"):
        made.plan(NAME, ActionAsked(("PC1",)))
    made.specify(NAME)
    with pytest.raises(UsageError, match="has no targets"):
        made.plan(NAME)


def test_devices_of_another_platform_are_left_out(made: Acting) -> None:
    made.specify(
        NAME,
        id="#reset_vpn_client",
        run_as="INTERACTIVE_USER",
        targets={"query_id": "#all_devices"},
    )
    report = made.run(NAME)
    assert report["excluded"]["platform"] == report["candidates"] - len(made.devices())
    assert set(made.done()) == set(made.devices())


def test_more_targets_than_allowed_are_refused_as_a_whole(made: Acting) -> None:
    made.specify(NAME, **FOUND, limits={"targets": 3})
    with pytest.raises(DataRefusedError, match=r"more than the 3 that limits.targets allows"):
        made.run(NAME)
    assert not made.tenant.actions.requests


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "run-as": ({"run_as": "INTERACTIVE_USER"}, "it would run with different rights"),
    "unknown parameter": (
        {"parameters": {"X": "1", "MinimumAgeDays": "7", "EmptyRecycleBin": "true"}},
        "parameter X: its inputs are MinimumAgeDays, EmptyRecycleBin",
    ),
    "missing parameter": ({"parameters": {"MinimumAgeDays": "7"}}, "missing: EmptyRecycleBin"),
    "wrong option": (
        {"parameters": {"MinimumAgeDays": "7", "EmptyRecycleBin": "maybe"}},
        "EmptyRecycleBin: takes one of true, false",
    ),
    "not for the API": (
        {"id": "#restart_device", "parameters": {"DelayMinutes": "5"}},
        "may not be triggered by the API",
    ),
    "inactive workflow": ({"kind": "workflow", "id": "#old_onboarding"}, "it is not active"),
    "workflow by schedule": (
        {"kind": "workflow", "id": "#certificate_watch"},
        "may not be triggered by the API",
    ),
    "workflow parameter": (
        {"kind": "workflow", "id": "#disk_space_relief", "parameters": {"x": "1"}},
        "its parameters are threshold_gb",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_tenant_would_refuse_is_told_before_anybody_is_planned_for(
    made: Acting, case: str
) -> None:
    words, message = REFUSED[case]
    made.specify(NAME, **FOUND, **words)
    with pytest.raises(ConfigurationError, match=message):
        made.run(NAME)
    assert not made.tenant.actions.requests


@pytest.mark.parametrize(
    ("kind", "what"), [("remote_action", "remote action"), ("workflow", "workflow")]
)
def test_an_unknown_id_is_told(made: Acting, kind: str, what: str) -> None:
    made.specify(NAME, **FOUND, kind=kind, id="#no_such_thing", parameters={})
    with pytest.raises(UsageError, match=f"the tenant has no {what} #no_such_thing"):
        made.run(NAME)


def test_a_plan_waits_for_a_person_where_the_action_says_so(made: Acting) -> None:
    made.specify(NAME, **FOUND, approval="required")
    with pytest.raises(NotApprovedError, match=r"nxp act approve clean_up --plan \S+ --who"):
        made.run(NAME)
    assert not made.tenant.actions.requests
    with made.ledger() as ledger:
        (plan,) = ledger.action_plans.of(NAME)
        ledger.action_plans.judge(plan.plan_id, Verdict("ops", "not now"), approved=False)
    with pytest.raises(NotApprovedError, match="declined by ops"):
        made.run(NAME, plan_id=plan.plan_id)
    with made.ledger() as ledger:
        ledger.action_plans.judge(plan.plan_id, Verdict("ops", "now", "INC2"), approved=True)
    report = made.run(NAME, plan_id=plan.plan_id)
    assert (report["approved_by"], report["ticket"]) == ("ops", "INC2")
    assert {request.reference for request in made.tenant.actions.requests} == {"INC2"}


def test_who_is_asked_at_once_may_say_yes_or_no(made: Acting) -> None:
    made.specify(NAME, **FOUND, approval="required")

    def refuse(described: str) -> Verdict:
        assert f"{len(made.devices())} targets" in described
        raise NotApprovedError("the plan was not approved: nothing was sent")

    with pytest.raises(NotApprovedError):
        made.run(NAME, approve=refuse)
    with made.ledger() as ledger:
        assert ledger.action_plans.of(NAME)[0].state == "declined"
    report = made.run(NAME, approve=lambda _: Verdict("boss", "sure"))
    assert report["approved_by"] == "boss"
    assert set(made.done()) == set(made.devices())


def test_who_wants_a_person_asked_has_one_asked_also_where_the_action_needs_none(
    made: Acting,
) -> None:
    made.specify(NAME, **FOUND, approval="none")

    def refuse(described: str) -> Verdict:
        raise NotApprovedError(f"not {described}")

    with pytest.raises(NotApprovedError):
        made.run(NAME, approve=refuse)
    assert not made.tenant.actions.requests


def test_a_blank_name_or_reason_approves_nothing(made: Acting) -> None:
    made.specify(NAME, **FOUND, approval="required")
    with pytest.raises(NotApprovedError):
        made.run(NAME, ActionAsked(who=" ", why="\t"))
    assert not made.tenant.actions.requests


def test_a_new_action_is_a_dry_run(made: Acting) -> None:
    made.specify(NAME, **FOUND, dry_run=True)
    report = made.run(NAME, ActionAsked(who="me", why="because"))
    assert report["state"] == "dry_run"
    assert report["targets"] == len(made.devices())
    made.specify(NAME, **FOUND)
    assert made.run(NAME, ActionAsked(dry_run=True))["state"] == "dry_run"
    assert not made.tenant.actions.requests
    # The plan that was looked at is the one that is sent.
    assert made.run(NAME, plan_id=report["plan_id"])["requested"] == report["targets"]


def test_a_query_that_the_tenant_cuts_is_never_taken_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting(tmp_path, monkeypatch.setenv, row_limit=5) as made:
        made.specify(NAME, **FOUND)
        with pytest.raises(ResultTruncatedError, match="HTTP 206"):
            made.run(NAME)
        assert not made.tenant.actions.requests


def test_a_read_back_that_the_tenant_cuts_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting(tmp_path, monkeypatch.setenv, row_limit=25) as made:
        made.query("all_devices", ALL)
        few = f"{ALL}| limit 20"
        made.query("few", few)
        made.specify(NAME, targets={"query_id": "#few"})
        made.tenant.actions.by_console(KIND, CLEAN_UP, devices=made.devices("all_devices")[:30])
        with pytest.raises(ResultTruncatedError, match="#remote_action_executions"):
            made.run(NAME)
        assert len(made.tenant.actions.requests) == 1


def test_a_missing_saved_query_says_where_its_text_is(made: Acting) -> None:
    made.query("gone", ALL)
    made.specify(NAME, targets={"query_id": "#gone"})
    chosen = choose_action(NAME)
    (Path(made.place.environment["NXP_CATALOG"]) / "queries/gone.nql").unlink()
    with pytest.raises(ConfigurationError, match="nxp nql queries '#gone'"):
        stories.act(chosen, ActionAsked())
