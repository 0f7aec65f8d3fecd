"""Runs, faults, other clients and people in any order: no device is acted on again too soon."""

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from connectors.errors import PipelineError
from connectors.ledger.action_requests import RequestState
from connectors.nexthink.acting.requests import RemoteActionRequest
from tasks.act.asked import ActionAsked
from tasks.act.raw import send_raw
from tasks.act.status import refresh_action, resolve_request
from tasks.columns.times import read_datetimes
from tests.actions import CERTAIN, CLEAN_UP, CLEAN_UP_PARAMETERS, Acting, acting

NAME = "clean_up"
FOUND: dict[str, Any] = {"targets": {"query_id": "#windows_devices"}}
COOL_DOWN = timedelta(hours=6)
EXPIRES = timedelta(hours=2)
STEPS = int(os.environ.get("NXP_CHAOS_KILLS", "200"))
# Fewer do too little to say anything.
FEWEST = 25
SEED = int(os.environ.get("NXP_CHAOS_SEED", "1"))
FAULTS = ("429-seconds", "403", "401", "500", "503", "timeout-after", "cut", "reset", "404")
SETTINGS: dict[str, Any] = {
    **FOUND,
    "expires": "2h",
    "limits": {"per_request": 4, "cool_down": "6h"},
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    late = replace(CERTAIN, execution_time=3 * 3_600, offline_share=0.2, failure_share=0.1)
    with acting(tmp_path, monkeypatch.setenv, devices=20, days=2, acting=late) as ready:
        ready.specify(NAME, **SETTINGS)
        ready.specify("twin", **SETTINGS)
        yield ready


class Done(NamedTuple):
    """One thing that was asked of a device."""

    at: datetime
    request: str
    status: str
    ended: datetime | None


class Model:
    """Does things at random, and remembers which requests no cool-down was meant for."""

    def __init__(self, made: Acting, chance: random.Random) -> None:
        self.made = made
        self.chance = chance
        self.free: set[str] = set()

    def step(self) -> str:
        moves = [self.run] * 4 + [self.fault] * 3 + [self.wait] * 3
        moves += [self.plan, self.run_plan, self.console, self.raw, self.resolve, self.refresh]
        move = self.chance.choice(moves)
        with suppress(PipelineError):
            move()
        return move.__name__

    def action(self) -> str:
        return self.chance.choice((NAME, NAME, "twin"))

    def some(self) -> list[str]:
        return self.chance.sample(self.made.devices(), self.chance.randint(1, 3))

    def run(self) -> None:
        self.made.run(self.action(), ActionAsked(dry_run=self.chance.random() < 0.1, wait=False))

    def plan(self) -> None:
        self.made.plan(self.action())

    def run_plan(self) -> None:
        action = self.action()
        with self.made.ledger() as ledger:
            plans = ledger.action_plans.of(action, limit=3)
        if plans:
            self.made.run(
                action, ActionAsked(wait=False), plan_id=self.chance.choice(plans).plan_id
            )

    def fault(self) -> None:
        self.made.tenant.faults.add(f"{self.chance.choice(FAULTS)}@act:1")

    def wait(self) -> None:
        minutes = self.chance.choice((1, 20, 40, 90, 240, 420, 1_500))
        self.made.tenant.clock.advance(timedelta(minutes=minutes))

    def console(self) -> None:
        requests = self.made.tenant.actions.by_console(
            "remote_action", CLEAN_UP, devices=self.some()
        )
        self.free |= {each.id for each in requests}

    def raw(self) -> None:
        request = RemoteActionRequest(CLEAN_UP, self.some(), CLEAN_UP_PARAMETERS)
        before = {each.id for each in self.made.tenant.actions.requests}
        try:
            with self.made.opened(NAME) as run:
                send_raw(run.tools.client, run.ledger, [request])
        finally:
            after = {each.id for each in self.made.tenant.actions.requests}
            self.free |= after - before

    def resolve(self) -> None:
        """Say the truth of a request that does not show."""
        with self.made.ledger() as ledger:
            for lost in ledger.actions.requests(states=[RequestState.NOT_SEEN]):
                reasons = [each.reason or "" for each in self.made.tenant.actions.requests]
                sent = any(lost.intent_id in reason for reason in reasons)
                resolve_request(ledger, lost.intent_id, sent=sent, why="looked")

    def refresh(self) -> None:
        refresh_action(self.action())


def shown(made: Acting) -> dict[str, list[Done]]:
    """Give what the tenant knows of each device, oldest first."""
    rows = made.tenant.frame(
        "#remote_action_executions", {"nql_id": CLEAN_UP, "from": "2026-10-01 00:00:00"}
    )
    prefix = "remote_action.execution"
    zone = made.tenant.options.time_zone
    moments = [
        read_datetimes(rows[f"{prefix}.{name}"].cast(pl.String), zone)[0].alias(name)
        for name in ("request_time", "time")
    ]
    found = defaultdict(list)
    for row in rows.with_columns(moments).sort("request_time").iter_rows(named=True):
        status = row[f"{prefix}.status"]
        ended = row["time"] if status in {"success", "failure", "expired"} else None
        done = Done(row["request_time"], row[f"{prefix}.request_id"], status, ended)
        found[row["device.collector.uid"]].append(done)
    return found


def assert_never_too_soon(made: Acting, free: set[str]) -> None:
    for history in shown(made).values():
        for number, done in enumerate(history):
            if done.request in free:
                continue
            for earlier in history[:number]:
                if earlier.status == "expired":
                    assert earlier.ended
                    assert earlier.ended <= done.at
                    continue
                assert done.at - earlier.at >= COOL_DOWN
                assert earlier.ended
                assert done.at - earlier.ended >= COOL_DOWN


def assert_nobody_is_lost(made: Acting) -> None:
    """What the tenant has taken from us is journalled as that, once all is looked up."""
    made.tenant.faults.clear()
    refresh_action(NAME)
    ours = {
        each.id
        for each in made.tenant.actions.requests
        if each.trigger_method == "api" and each.executions
    }
    with made.ledger() as ledger:
        assert ours <= set(ledger.actions.request_ids("remote_action", CLEAN_UP))


def play(made: Acting, seed: int, steps: int) -> None:
    model, told = Model(made, random.Random(seed)), []
    for _ in range(steps):
        told.append(model.step())
        try:
            assert_never_too_soon(made, model.free)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {told}") from error
    assert_nobody_is_lost(made)
    assert len(made.tenant.actions.requests) > 3


def test_no_device_is_acted_on_again_too_soon_whatever_happens(made: Acting) -> None:
    play(made, SEED, FEWEST)


@pytest.mark.chaos
def test_no_device_is_acted_on_again_too_soon_however_long(made: Acting) -> None:
    play(made, SEED, max(STEPS, FEWEST))
