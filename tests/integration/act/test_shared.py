"""What one ledger cannot know by itself: other ledgers, files, clocks and queries."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConfigurationError, DataRefusedError, HeldError, UsageError
from connectors.nexthink.acting.requests import RemoteActionRequest
from tasks.act.asked import ActionAsked
from tasks.act.raw import send_raw
from tasks.act.run import choose_action
from tasks.stories import act as stories
from tests.actions import CLEAN_UP, CLEAN_UP_PARAMETERS, Acting, acting, ledgers_in
from tests.commands import called
from tests.landing import Place

NAME = "clean_up"
KIND = "remote_action"
FOUND: dict[str, Any] = {"targets": {"query_id": "#windows_devices"}}
HOUR = timedelta(hours=1)
READ_BACK = "remote_action_executions"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv, devices=12, now=None) as ready:
        ready.specify(NAME, **FOUND)
        yield ready


@pytest.fixture
def elsewhere(made: Acting, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Acting]:
    """Move to another machine: the same tenant and files, and a ledger of its own."""

    def move(name: str) -> Acting:
        place = made.place
        variables = {
            "NXP_HOME": str(place.folder / name),
            "NXP_LEDGER_URL": f"sqlite:///{place.folder / name / 'ledger.db'}",
        }
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        return Acting(Place(place.tenant, place.folder, {**place.environment, **variables}))

    return move


def identity(made: Acting) -> str:
    with made.ledger() as ledger:
        return ledger.identity.own


def test_two_ledgers_do_not_both_act(
    made: Acting, elsewhere: Callable[[str], Acting], capsys: pytest.CaptureFixture[str]
) -> None:
    other = elsewhere("other")
    early = other.plan(NAME)
    made = elsewhere("home")
    made.run(NAME)
    everybody = dict.fromkeys(made.devices(), 1)
    reasons = [each.reason for each in made.tenant.actions.requests]
    assert ledgers_in(*reasons) == {identity(made)}
    made.tenant.clock.advance(HOUR)
    assert made.run(NAME)["excluded"] == {"cool_down": len(everybody)}
    elsewhere("other")
    for plan_id in (None, early["plan_id"]):
        with pytest.raises(HeldError, match=f"another ledger of ours .*{identity(made)}"):
            other.run(NAME, plan_id=plan_id)
    assert made.done() == everybody
    # Once it is known that the first is out of use, the second may; what was done still counts.
    with other.ledger() as ledger, pytest.raises(UsageError):
        ledger.identity.retire(ledger.identity.own, "a slip")
    assert called("act", "retire-ledger", "nonsense", "--why", "x", capsys=capsys).returncode == 2
    words = ("act", "retire-ledger", identity(made).upper(), "--why", "the machine is gone")
    assert called(*words, capsys=capsys).returncode == 0
    assert other.run(NAME)["excluded"] == {"elsewhere": len(everybody)}
    other.tenant.clock.advance(25 * HOUR)
    assert other.run(NAME)["requested"] == len(everybody)


@pytest.mark.slow
def test_a_ledger_that_was_moved_is_the_same_one(
    made: Acting, elsewhere: Callable[[str], Acting]
) -> None:
    made.run(NAME)
    (made.place.folder / "moved").mkdir()
    shutil.copy(made.place.folder / "ledger.db", made.place.folder / "moved" / "ledger.db")
    moved = elsewhere("moved")
    assert identity(moved) == identity(made)
    assert moved.run(NAME)["excluded"] == {"cool_down": len(made.devices())}


@pytest.mark.slow
def test_a_request_of_an_earlier_release_names_no_ledger(made: Acting) -> None:
    device = made.devices()[0]
    made.tenant.actions.accept(KIND, CLEAN_UP, [(device, None)], reason=f"nxp:{uuid.uuid4()} x")
    assert made.run(NAME)["excluded"] == {"elsewhere": 1}


@pytest.mark.parametrize(
    "hiding",
    [
        "| where status == failure",
        pytest.param("| where trigger_method == manual", marks=pytest.mark.slow),
    ],
)
def test_a_query_that_hides_our_requests_stops(made: Acting, hiding: str) -> None:
    made.specify(NAME, **FOUND, limits={"cool_down": "5min"})
    shipped = (made.place.folder / "catalog/queries" / f"{READ_BACK}.nql").read_text("utf-8")
    request = RemoteActionRequest(CLEAN_UP, [str(uuid.uuid4())], CLEAN_UP_PARAMETERS)
    with made.opened(NAME) as run:
        # Of a device that does not exist, no execution can show.
        send_raw(run.tools.client, run.ledger, [request])
    made.run(NAME)
    made.query(READ_BACK, shipped.replace("| list", f"{hiding}\n| list"))
    made.tenant.clock.advance(timedelta(minutes=6))
    # It may take half an hour until a request shows.
    assert made.run(NAME)["requested"] == len(made.devices())
    made.tenant.clock.advance(HOUR)
    before = len(made.tenant.actions.requests)
    with pytest.raises(DataRefusedError, match=f"#{READ_BACK} does not show 2 of 2 requests"):
        made.run(NAME)
    assert len(made.tenant.actions.requests) == before


@pytest.mark.slow
@pytest.mark.parametrize(("frame", "kept"), [("720h", ""), ("36h", ""), ("720h", "1d")])
def test_requests_count_as_far_back_as_the_query_and_the_tenant_go(
    made: Acting, monkeypatch: pytest.MonkeyPatch, frame: str, kept: str
) -> None:
    monkeypatch.setenv("NEXTHINK_TENANT_RETENTION", kept or "30d")
    path = made.place.folder / "catalog/queries" / f"{READ_BACK}.nql"
    known = path.read_text("utf-8").replace("720h", frame)
    # What the tenant runs reaches back a day.
    path.write_text(known.replace(frame, "24h"), "utf-8")
    made.run(NAME)
    catalogue = made.place.folder / "known"
    shutil.copytree(made.place.folder / "catalog", catalogue)
    (catalogue / "queries" / path.name).write_text(known, "utf-8")
    monkeypatch.setenv("NXP_CATALOG", str(catalogue))
    made.tenant.clock.advance(48 * HOUR)
    if frame == "720h" and not kept:
        with pytest.raises(DataRefusedError, match="does not show 1 of 1"):
            made.run(NAME)
    else:
        assert made.run(NAME)["requested"] == len(made.devices())


def test_the_strictest_cool_down_of_an_id_counts(
    made: Acting, capsys: pytest.CaptureFixture[str]
) -> None:
    made.specify("hasty", **FOUND, limits={"cool_down": "0s"})
    made.specify(NAME, **FOUND, limits={"cool_down": "3d"})
    made.run("hasty")
    made.tenant.clock.advance(26 * HOUR)
    assert made.run("hasty")["excluded"] == {"cool_down": len(made.devices())}
    checked = called("check", capsys=capsys)
    assert checked.returncode == 0
    assert f"clean_up and hasty have the same id {CLEAN_UP}" in checked.stderr
    assert "which is the 72 h of clean_up" in checked.stderr


@pytest.mark.parametrize(
    "ahead",
    [
        timedelta(hours=2),
        pytest.param(timedelta(minutes=-6), marks=pytest.mark.slow),
        pytest.param(timedelta(days=40), marks=pytest.mark.slow),
    ],
)
def test_a_clock_that_is_minutes_off_stops(made: Acting, ahead: timedelta) -> None:
    made.specify(NAME, **FOUND, limits={"cool_down": "1h"})
    made.tenant.actions.by_console(KIND, CLEAN_UP, devices=made.devices())
    made.tenant.clock.advance(timedelta(minutes=5))

    def clock() -> datetime:
        return made.tenant.clock.now() + ahead

    with pytest.raises(ConfigurationError, match=r"minutes (ahead of|behind) the tenant's"):
        stories.act(choose_action(NAME), ActionAsked(), clock=clock, sleep=made.sleep)
    assert not [each for each in made.tenant.actions.requests if each.trigger_method == "api"]
    assert made.run(NAME)["excluded"] == {"elsewhere": len(made.devices())}
