"""Actions killed at each of their steps: nobody is acted on twice, and nobody is lost."""

import json
import os
import random
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.ledger.action_requests import RequestState
from tests.actions import Acting, acting
from tests.forks import fork
from tests.steps import TELLING, Step

NAME = "clean_up"
KILLS = int(os.environ.get("NXP_CHAOS_KILLS", "200"))
SEED = int(os.environ.get("NXP_CHAOS_SEED", "1"))
KILLED = -9
HELD = 8
ASKED = "users during past 30d | list user.sid"
# Longer than a request may take to show, but short enough for many cycles.
COOL_DOWN = timedelta(minutes=45)
KINDS: dict[str, dict[str, Any]] = {
    "remote_action": {"targets": {"query_id": "#windows_devices"}},
    "campaign": {
        "kind": "campaign",
        "id": "#disk_clean_up_consent",
        "parameters": {"free_space": "5 GB"},
        "targets": {"query_id": "#asked"},
    },
    "workflow": {
        "kind": "workflow",
        "id": "#disk_space_relief",
        "parameters": {"threshold_gb": "10"},
        "targets": {"query_id": "#windows_devices"},
    },
}


class Victims:
    """The process that forks victims."""

    def __init__(self, process: subprocess.Popen[str], made: Acting) -> None:
        self._process = process
        self._made = made

    def run(self, kill_at: Step | None = None) -> dict[str, Any]:
        """Run the action to its end, or to a step; return exit code and steps."""
        assert self._process.stdin
        assert self._process.stdout
        now = self._made.tenant.clock.now().isoformat()
        print(
            json.dumps({"action": NAME, "now": now, "kill_at": kill_at}),
            file=self._process.stdin,
            flush=True,
        )
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@contextmanager
def victims(made: Acting) -> Iterator[Victims]:
    process = fork(
        "tests.act_victim",
        env={**os.environ, **made.place.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield Victims(process, made)
        assert process.stdin
        process.stdin.close()


@contextmanager
def acting_by(
    kind: str, ledger_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Acting]:
    with acting(folder, monkeypatch.setenv, devices=20, days=1) as plain:
        monkeypatch.setenv("NXP_LEDGER_URL", ledger_url)
        environment = {**plain.place.environment, "NXP_LEDGER_URL": ledger_url}
        ready = Acting(replace(plain.place, environment=environment))
        ready.query("asked", ASKED)
        limits = {"targets": 100, "per_request": 5, "cool_down": "45min"}
        ready.specify(NAME, **KINDS[kind], limits=limits)
        yield ready


# One kind in every run of the tests, the others in long ones.
@pytest.fixture(
    params=[
        "remote_action",
        pytest.param("campaign", marks=pytest.mark.slow),
        pytest.param("workflow", marks=pytest.mark.slow),
    ]
)
def made(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Acting]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with acting_by(request.param, url, tmp_path, monkeypatch) as ready:
        yield ready


@pytest.fixture
def by_each(ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    """Remote actions, with a journal on each database."""
    with acting_by("remote_action", ledger_url, tmp_path, monkeypatch) as ready:
        yield ready


def test_it_finds_more_than_one_request(made: Acting) -> None:
    report = made.run(NAME)
    assert report["requests"] > 2
    assert report["requested"] == report["targets"] == len(made.done()) > 10


def cycle(made: Acting, lives: Victims, *kills: Step) -> bool:
    """Kill runs at steps, then finish with another; return whether the first was killed."""
    made.tenant.clock.advance(2 * COOL_DOWN)
    since = made.tenant.clock.now()
    codes = [lives.run(kill_at)["code"] for kill_at in kills]
    assert set(codes) <= {KILLED, 0}
    lives.run()
    assert_everybody_once(made, lives, since)
    return bool(codes[0] == KILLED)


def assert_everybody_once(made: Acting, lives: Victims, since: datetime) -> None:
    """Nobody was acted on twice; those that a lost request missed are, once it is resolved."""
    assert set(made.done(since).values()) <= {1}
    with made.ledger() as ledger:
        key = ledger.actions.requests(limit=1)[0]
        of = (key.kind, key.action_id)
        assert not ledger.actions.requests(action=of, states=[RequestState.SENDING])
        doubtful = ledger.actions.requests(action=of, states=[RequestState.UNKNOWN])
        # What the tenant accepted shows and was found; the requests in doubt never reached it.
        for request in doubtful:
            targets = ledger.actions.targets(intent_id=request.intent_id)
            assert not made.done(since).keys() & set(targets["target"].str.replace(r"\|.*", ""))
        if doubtful:
            made.tenant.clock.advance(timedelta(minutes=31))
            lives.run()
            assert set(made.done(since).values()) <= {1}
            for request in doubtful:
                assert ledger.actions.get(request.intent_id).state == RequestState.NOT_SEEN  # type: ignore[union-attr]
                ledger.actions.resolve(request.intent_id, sent=False, why="looked")
            lives.run()
        taken = {each.id for each in made.tenant.actions.requests if each.created_at >= since}
        assert taken <= set(ledger.actions.request_ids(*of))
    found = made.done(since)
    assert set(found.values()) == {1}
    assert found.keys() == everybody(made)


def steps_of(made: Acting, lives: Victims) -> int:
    """Count the steps of a run; one before it creates the ledger."""
    lives.run()
    made.tenant.clock.advance(2 * COOL_DOWN)
    steps: int = lives.run()["steps"]
    return steps


def everybody(made: Acting) -> set[str]:
    column = (
        "user.sid"
        if "campaign" in made.tenant.actions.requests[-1].kind
        else "device.collector.uid"
    )
    query = "#asked" if column == "user.sid" else "#windows_devices"
    return set(made.tenant.frame(query)[column].drop_nulls())


def kill_a_few(made: Acting) -> None:
    chance = random.Random(SEED)
    with victims(made) as lives:
        steps = steps_of(made, lives)
        for kill_at in TELLING:
            assert cycle(made, lives, kill_at, (0, chance.randint(1, steps // 2)))


def test_a_few_kills_act_on_nobody_twice_and_lose_nobody(made: Acting) -> None:
    kill_a_few(made)


@pytest.mark.chaos
@pytest.mark.parametrize("ledger_url", ["postgres"], indirect=True)
def test_a_few_kills_do_so_with_a_journal_on_postgresql(by_each: Acting) -> None:
    kill_a_few(by_each)


def run_at_once(made: Acting, rounds: int) -> None:
    """Several runs at once, some of which are killed."""
    chance = random.Random(SEED)
    with victims(made) as one, victims(made) as two, victims(made) as three:
        steps = steps_of(made, one)
        for _ in range(rounds):
            made.tenant.clock.advance(2 * COOL_DOWN)
            since = made.tenant.clock.now()
            kills = [(0, chance.randint(1, steps)), (0, chance.randint(1, steps)), None]
            with ThreadPoolExecutor() as pool:
                ends = list(pool.map(Victims.run, (one, two, three), kills))
            assert {end["code"] for end in ends} <= {KILLED, 0, HELD}
            one.run()
            assert_everybody_once(made, one, since)


@pytest.mark.parametrize("ledger_url", ["postgres"], indirect=True)
def test_runs_at_once_act_on_nobody_twice_and_lose_nobody(by_each: Acting) -> None:
    run_at_once(by_each, 1)


@pytest.mark.chaos
def test_a_kill_at_any_step_acts_on_nobody_twice_and_loses_nobody(made: Acting) -> None:
    with victims(made) as lives:
        steps = steps_of(made, lives)
        killed = sum(cycle(made, lives, (0, 1 + number % steps)) for number in range(KILLS))
    assert killed > KILLS * 0.9


@pytest.mark.chaos
def test_kills_of_the_runs_that_go_on_do_so_neither(by_each: Acting) -> None:
    chance = random.Random(SEED)
    with victims(by_each) as lives:
        steps = steps_of(by_each, lives)
        for _ in range(KILLS // 4):
            cycle(by_each, lives, *((0, chance.randint(1, steps)) for _ in range(3)))


@pytest.mark.chaos
def test_many_runs_at_once_act_on_nobody_twice_and_lose_nobody(by_each: Acting) -> None:
    run_at_once(by_each, KILLS // 8)
