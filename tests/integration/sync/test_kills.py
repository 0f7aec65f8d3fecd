"""Syncs that are killed or stopped at random moments: the next run converges, nothing is wiped."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acting import Client, enrichment
from tests.forks import fork
from tests.landing import NOW
from tests.syncing import OWNER, PATHS, POOL, TAG, Rows, Syncing, syncing

UID = "device/device/uid"
KILLS = int(os.environ.get("NXP_CHAOS_KILLS", "60"))
SEED = int(os.environ.get("NXP_CHAOS_SEED", "1"))
THEIRS = "theirs"
# Half of the objects change, and five go into a request, so each run has at least this many.
FEWEST_REQUESTS = 4


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    with syncing(tmp_path, devices=120, latency=0.02) as ready:
        ready.specify(
            push={"objects": 5, "concurrency": 2},
            on_conflict="take",
            guards={"shrink": 1, "changes": 1, "clears": 1, "overwrites": 1},
        )
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        yield ready


def start(made: Syncing) -> subprocess.Popen[str]:
    """Start a sync, and wait until its imports are done."""
    process = fork(
        "tests.sync_once",
        NOW.isoformat(),
        env={**os.environ, **made.place.environment},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == "ready\n"
    return process


class Source:
    """A register that changes at random; it remembers for which cells it ever had a value."""

    def __init__(self, made: Syncing, chance: random.Random) -> None:
        self._made = made
        self._chance = chance
        self.uids = made.uids()
        self.rows: Rows = [{"uid": uid} for uid in self.uids]
        self.ever: dict[str, set[str]] = {"owner": set(), "pool": set()}
        self.count = 0

    def change(self) -> None:
        for row in self._chance.sample(self.rows, len(self.rows) // 2):
            for column, had in self.ever.items():
                self.count += 1
                row[column] = self._chance.choice(["", f"v{self.count}", f"w{self.count}"])
                if row[column]:
                    had.add(row["uid"])
        self._made.write(self.rows)


def assert_converged(made: Syncing, source: Source) -> None:
    """Assert that the tenant holds what the source says, and none of our values elsewhere.

    Values of others are still there, unless one of ours replaced them and was emptied later.
    """
    for name, column in ((OWNER, "owner"), (POOL, "pool")):
        held = made.held(name)
        for row in source.rows:
            uid, value = row["uid"], row.get(column, "")
            if value:
                assert held[uid] == value
            elif uid in source.ever[column]:
                assert held[uid] in {None, THEIRS}
            else:
                assert held[uid] == THEIRS
    assert set(made.held(TAG).values()) == {THEIRS}


def write_theirs(made: Syncing, uids: list[str]) -> None:
    with Client(made.place.tenant) as client:
        fields = dict.fromkeys((OWNER, POOL, TAG), THEIRS)
        client.enrich(*(enrichment(UID, uid, fields) for uid in uids))


def await_requests(made: Syncing, victim: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 20
    while made.requests < count and victim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def kill_and_converge(made: Syncing, kills: int) -> None:
    chance = random.Random(SEED)
    source = Source(made, chance)
    write_theirs(made, source.uids)
    assert set(PATHS)
    source.change()
    began = time.monotonic()
    assert start(made).wait() == 0
    undisturbed = time.monotonic() - began
    killed = 0
    for number in range(kills):
        source.change()
        victim = start(made)
        if number % 2:
            time.sleep(chance.uniform(0, undisturbed))
        else:
            # Between two answers, so that these kills never miss, however fast the machine is.
            await_requests(made, victim, made.requests + chance.randint(1, FEWEST_REQUESTS))
        victim.kill()
        killed += victim.wait() != 0
        if number % 3 == 2:
            made.sync()
            assert_converged(made, source)
    made.sync()
    assert_converged(made, source)
    assert killed >= kills // 2
    before = made.requests
    made.sync()
    assert made.requests == before


def test_a_few_kills_and_the_next_run_converges(made: Syncing) -> None:
    kill_and_converge(made, 3)


@pytest.mark.chaos
def test_many_kills_and_the_next_run_converges(made: Syncing) -> None:
    kill_and_converge(made, KILLS)


def test_a_run_that_is_stopped_has_saved_every_answer(made: Syncing) -> None:
    made.specify(push={"objects": 2, "concurrency": 2})
    made.write([{"uid": uid, "owner": "v"} for uid in made.uids()])
    victim = start(made)
    await_requests(made, victim, 4)
    victim.send_signal(signal.SIGTERM)
    assert victim.wait() == 128 + signal.SIGTERM
    answered = sum(received.objects for received in made.place.tenant.enrichment.received)
    known = made.known()
    assert known.filter(state="acknowledged").height == answered < len(made.uids())
    with made.ledger() as ledger:
        assert ledger.runs("assets", 1)[0]["state"] == "interrupted"
    assert made.sync()["convergence"] == 100.0
