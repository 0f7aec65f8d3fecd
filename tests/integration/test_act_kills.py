"""Actions killed at each of their steps: nobody is acted on twice, and nobody is lost."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.ledger import RequestState
from tests.actions import Acting, acting

NAME = "clean_up"
KILLS = int(os.environ.get("NXP_CHAOS_KILLS", "200"))
SEED = int(os.environ.get("NXP_CHAOS_SEED", "1"))
KILLED = -9
ASKED = "users during past 30d | list user.sid"
# Longer than a request may take to show, and so short that many cycles fit into the estate.
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

    def run(self, kill_at: int | None = None) -> tuple[int, int]:
        """Run the action to its end, or to a step; gives exit code and steps."""
        assert self._process.stdin
        assert self._process.stdout
        now = self._made.tenant.clock.now().isoformat()
        print(
            json.dumps({"action": NAME, "now": now, "kill_at": kill_at}),
            file=self._process.stdin,
            flush=True,
        )
        told = json.loads(self._process.stdout.readline())
        return told["code"], told["steps"]


@contextmanager
def victims(made: Acting) -> Iterator[Victims]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.act_victim"],
        env={**os.environ, **made.place.environment, "PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield Victims(process, made)
        assert process.stdin
        process.stdin.close()


@pytest.fixture(params=KINDS)
def made(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Acting]:
    with acting(tmp_path, monkeypatch.setenv, devices=20, days=1) as ready:
        ready.query("asked", ASKED)
        limits = {"targets": 100, "per_request": 5, "cool_down": "45min"}
        ready.specify(NAME, **KINDS[request.param], limits=limits)
        yield ready


def test_it_finds_more_than_one_request(made: Acting) -> None:
    report = made.run(NAME)
    assert report["requests"] > 2
    assert report["requested"] == report["targets"] == len(made.done()) > 10


def cycle(made: Acting, lives: Victims, kill_at: int) -> bool:
    """Kill one run at a step and let others go on, until everybody was acted on; was it killed?"""
    made.tenant.clock.advance(2 * COOL_DOWN)
    since = made.tenant.clock.now()
    code, _ = lives.run(kill_at)
    assert code in {KILLED, 0}
    lives.run()
    assert set(made.done(since).values()) <= {1}
    with made.ledger() as ledger:
        key = ledger.actions.requests(limit=1)[0]
        of = (key.kind, key.action_id)
        assert not ledger.actions.requests(action=of, states=[RequestState.SENDING])
        doubtful = ledger.actions.requests(action=of, states=[RequestState.UNKNOWN])
        # What the tenant has taken shows, and is known by it; the rest never reached it.
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
    found = made.done(since)
    assert set(found.values()) == {1}
    assert found.keys() == everybody(made)
    return code == KILLED


def steps_of(made: Acting, lives: Victims) -> int:
    """Count the steps of a run; the first one makes the ledger, too."""
    lives.run()
    made.tenant.clock.advance(2 * COOL_DOWN)
    return lives.run()[1]


def everybody(made: Acting) -> set[str]:
    column = (
        "user.sid"
        if "campaign" in made.tenant.actions.requests[-1].kind
        else "device.collector.uid"
    )
    query = "#asked" if column == "user.sid" else "#windows_devices"
    return set(made.tenant.frame(query)[column].drop_nulls())


def test_a_few_kills_act_on_nobody_twice_and_lose_nobody(made: Acting) -> None:
    chance = random.Random(SEED)
    with victims(made) as lives:
        steps = steps_of(made, lives)
        sending = range(steps // 3, steps)
        for kill_at in chance.sample(sending, 4):
            assert cycle(made, lives, kill_at)


@pytest.mark.chaos
def test_a_kill_at_any_step_acts_on_nobody_twice_and_loses_nobody(made: Acting) -> None:
    with victims(made) as lives:
        steps = steps_of(made, lives)
        killed = sum(cycle(made, lives, 1 + number % steps) for number in range(KILLS))
    assert killed > KILLS * 0.9
