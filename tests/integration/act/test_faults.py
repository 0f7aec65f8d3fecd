"""Whichever step of a run fails, nobody is acted on twice, and nobody is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import (
    AccessError,
    PartlyDoneError,
    ResultTruncatedError,
    StorageError,
    UnavailableError,
    UnknownOutcomeError,
)
from connectors.ledger.action_requests import RequestState
from connectors.ledger.leases import LEASE_TIME
from tasks.act.asked import ActionAsked
from tasks.act.run import choose_action
from tasks.act.status import refresh_action
from tasks.stories import act as stories
from tests.actions import CLEAN_UP, Acting, acting
from tests.steps import TELLING, Reached, Step, at_each_step

NAME = "clean_up"
FOUND: dict[str, Any] = {"targets": {"query_id": "#windows_devices"}}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv) as ready:
        ready.specify(NAME, **FOUND, limits={"per_request": 10, "cool_down": "90min"})
        yield ready


def sent(made: Acting) -> list[dict[str, Any]]:
    with made.ledger() as ledger:
        return [asdict(each) for each in ledger.actions.requests()]


def settle(made: Acting, since: datetime) -> None:
    """Run to the end, free what was certainly never sent, and check that each got it once.

    Devices come and go while time passes: those that stay must have got it.
    """
    before = set(made.devices())
    made.run(NAME)
    assert set(made.done(since).values()) <= {1}
    with made.ledger() as ledger:
        assert not ledger.actions.requests(states=[RequestState.SENDING])
        if ledger.actions.requests(states=[RequestState.UNKNOWN]):
            made.tenant.clock.advance(timedelta(minutes=31))
            made.run(NAME)
            for request in ledger.actions.requests(states=[RequestState.NOT_SEEN]):
                targets = ledger.actions.targets(intent_id=request.intent_id)
                assert not made.done(since).keys() & set(targets["target"])
                ledger.actions.resolve(request.intent_id, sent=False, why="looked")
            made.run(NAME)
        taken = {each.id for each in made.tenant.actions.requests if each.created_at >= since}
        assert taken <= set(ledger.actions.request_ids("remote_action", CLEAN_UP))
    done = made.done(since)
    assert set(done.values()) == {1}
    assert before & set(made.devices()) <= done.keys()


def fail_at(made: Acting, step: Step, fail: Callable[[], None]) -> None:
    """Run, with a failure at a step."""
    made.tenant.clock.advance(timedelta(hours=2))
    since, main = made.tenant.clock.now(), threading.current_thread()
    is_reached, is_due = Reached(step), False

    def take(is_request: bool) -> None:
        nonlocal is_due
        # Steps of the thread that renews the lease do not count.
        if threading.current_thread() is not main:
            return
        is_due = is_due or is_reached(is_request)
        # The ledger fails in the next of its statements.
        if is_due and not (is_request and fail is lose_the_ledger):
            is_due = False
            fail()

    # Partly done: all was sent, and then the reading back failed.
    with at_each_step(take), suppress(UnavailableError, PartlyDoneError, KeyboardInterrupt):
        made.run(NAME)
    # If releasing a lease fails, it must run out, since this process lives.
    made.tenant.clock.advance(2 * LEASE_TIME)
    settle(made, since)


def steps_of(made: Acting) -> int:
    """Count the steps of a run; one before it creates the ledger."""
    made.run(NAME)
    made.tenant.clock.advance(timedelta(hours=2))
    steps: list[bool] = []
    with at_each_step(steps.append):
        made.run(NAME)
    return len(steps)


def interrupt() -> None:
    raise KeyboardInterrupt


def lose_the_ledger() -> None:
    raise UnavailableError("the ledger cannot be used")


@pytest.mark.parametrize("fail", [pytest.param(interrupt, marks=pytest.mark.slow), lose_the_ledger])
def test_a_run_that_fails_at_any_step_is_gone_on_with(
    made: Acting, fail: Callable[[], None]
) -> None:
    made.run(NAME)
    for step in TELLING:
        fail_at(made, step, fail)


@pytest.mark.chaos
@pytest.mark.parametrize("fail", [interrupt, lose_the_ledger])
def test_a_run_that_fails_at_each_step_is_gone_on_with(
    made: Acting, fail: Callable[[], None]
) -> None:
    for step in range(1, steps_of(made) + 1):
        fail_at(made, (0, step), fail)


def test_a_token_that_is_refused_once_sends_once(made: Acting) -> None:
    made.tenant.faults.add("401@act:1")
    assert made.run(NAME)["requested"] == len(made.devices())
    assert made.done() == dict.fromkeys(made.devices(), 1)


def test_a_token_that_is_refused_twice_leaves_all_to_the_next_run(made: Acting) -> None:
    made.tenant.faults.add("401@act:2")
    with pytest.raises(AccessError):
        made.run(NAME)
    assert not made.tenant.actions.requests
    made.run(NAME)
    assert made.done() == dict.fromkeys(made.devices(), 1)


def test_a_read_back_that_is_cut_settles_nothing_that_is_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting(tmp_path, monkeypatch.setenv, row_limit=30) as made:
        made.specify(NAME, **FOUND)
        made.tenant.faults.add("500@act:1")
        with pytest.raises(UnknownOutcomeError):
            made.run(NAME)
        for _ in range(2):
            made.tenant.actions.by_console("remote_action", CLEAN_UP, devices=made.devices())
        made.tenant.clock.advance(timedelta(hours=1))
        for run in (lambda: made.run(NAME), lambda: refresh_action(NAME)):
            with pytest.raises(ResultTruncatedError, match="row limit"):
                run()
        assert {each["state"] for each in sent(made)} == {"unknown"}


@pytest.mark.parametrize("minutes", [-4])
def test_a_clock_that_is_wrong_finds_what_was_sent_all_the_same(made: Acting, minutes: int) -> None:
    def clock() -> datetime:
        return made.tenant.clock.now() + timedelta(minutes=minutes)

    def run() -> dict[str, Any]:
        return stories.act(choose_action(NAME), ActionAsked(), clock=clock, sleep=made.sleep)

    made.tenant.faults.add("timeout-after@act:1")
    with pytest.raises(UnknownOutcomeError):
        run()
    run()
    assert made.done() == dict.fromkeys(made.devices(), 1)
    assert {each["state"] for each in sent(made)} == {"requested"}


def test_a_plan_that_cannot_be_written_is_none(made: Acting) -> None:
    folder = made.place.lake.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_plans").write_text("in the way", "utf-8")
    with pytest.raises(StorageError):
        made.run(NAME)
    with made.ledger() as ledger:
        assert not ledger.action_plans.of(NAME)
    assert not made.tenant.actions.requests
