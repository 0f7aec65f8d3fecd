"""SIGTERM: work under way ends within the limit, nothing more is begun, a restart resumes."""

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from connectors.ledger import open_ledger
from tasks.runs.stopping import unbroken
from tests.actions import Acting, acting
from tests.landing import Place, catalogue, place
from tests.syncing import Syncing, syncing
from tests.victims import ended, start, stop, until

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
# Windows in the period, by the step of the shipped dataset.
WINDOWS = 2


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Place]:
    """A tenant whose exports take a second, and a dataset of many small windows."""
    window = {"column": "crashed_at", "from": "from", "to": "to", "step": "2h", "reach": "30d"}
    catalogue(tmp_path, {}, crashes={"window": window})
    with place(tmp_path, now=NOW, export_time=0.6) as tenant:
        yield tenant


def landing(made: Place, **env: str) -> Any:
    """Start a back-fill of 24 windows; the first ones are empty and known to be so."""
    words = (NOW.isoformat(), "crashes", "2026-11-18", "2026-11-20", "missing")
    kept = {"NEXTHINK_TENANT_RETENTION": "30d"}
    return start("tests.land_once", *words, env={**made.environment, **kept, **env})


def leases(made: Place) -> int:
    """Count the leases in the ledger, without the product's code."""
    engine = create_engine(made.environment["NXP_LEDGER_URL"])
    with engine.connect() as connection:
        held = connection.scalar(text("SELECT count(*) FROM units WHERE holder IS NOT NULL"))
    engine.dispose()
    return int(held or 0)


def known(made: Place) -> tuple[dict[str, Any], list[Any]]:
    """Return the newest run, and the units of the dataset."""
    ledger = open_ledger(made.environment["NXP_LEDGER_URL"], "sandbox.eu")
    try:
        return ledger.runs("crashes", 1)[0], ledger.units("crashes")
    finally:
        ledger.close()


@pytest.mark.parametrize(
    "exports", [4, *(pytest.param(count, marks=pytest.mark.chaos) for count in (1, 11, 24))]
)
def test_sigterm_lets_windows_under_way_land_and_a_restart_does_only_the_rest(
    made: Place, exports: int
) -> None:
    process = landing(made)
    until(process, lambda: made.tenant.requests["export"] >= exports)
    code, seconds, said = stop(process)
    assert code == 143, said
    assert seconds < 10
    begun = made.tenant.requests["export"]
    run, units = known(made)
    landed = [unit for unit in units if unit.state == "landed"]
    # Every export that was begun has landed; no window was begun afterwards.
    assert len(landed) == begun
    assert leases(made) == 0
    if begun < 24:
        assert run["state"] == "interrupted"
        assert {unit.state for unit in units} == {"landed", "pending"}
    else:
        assert run["state"] == "landed"
    assert (run["units"], run["rows_landed"]) == (begun, sum(unit.rows_landed for unit in landed))
    assert ended(landing(made)) == 0
    assert made.tenant.requests["export"] == 24
    assert {unit.state for unit in known(made)[1]} == {"landed"}


def test_past_the_limit_windows_are_left_resumable(tmp_path: Path) -> None:
    with place(tmp_path, now=NOW, export_time=4.0) as made:
        process = landing(made, NXP_STOP_SECONDS="0.5")
        until(process, lambda: made.tenant.requests["status"] >= 4)
        code, seconds, said = stop(process)
        assert code == 143, said
        assert seconds < 3
        run, units = known(made)
        assert (run["state"], run["units"]) == ("interrupted", 0)
        assert {unit.state for unit in units} == {"pending"}
        assert leases(made) == 0
        assert not any((tmp_path / "home" / "spool").iterdir())
        assert ended(landing(made)) == 0
        # They were resumed, since the journal had their ids.
        assert made.tenant.requests["export"] == WINDOWS


def test_a_second_sigterm_stops_at_once(tmp_path: Path) -> None:
    with place(tmp_path, now=NOW, export_time=15.0) as made:
        process = landing(made)
        until(process, lambda: made.tenant.requests["status"] >= 4)
        code, seconds, said = stop(process, times=2)
        assert code == 143, said
        assert seconds < 5
        assert known(made)[0]["state"] == "interrupted"
        assert leases(made) == 0


@pytest.mark.chaos
def test_a_tenant_that_is_silent_does_not_keep_a_stopped_process(tmp_path: Path) -> None:
    with place(tmp_path, now=NOW, latency=40.0) as made:
        process = landing(made, NXP_STOP_SECONDS="1")
        time.sleep(2)
        code, seconds, said = stop(process)
        assert code == 143, said
        assert seconds < 15
        assert known(made)[0]["state"] == "interrupted"
        assert leases(made) == 0


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Syncing]:
    """A sync of many small requests."""
    with syncing(tmp_path, latency=0.1) as ready:
        for name, value in ready.place.environment.items():
            monkeypatch.setenv(name, value)
        ready.specify(push={"objects": 2, "concurrency": 2})
        ready.write([{"uid": uid, "owner": "v"} for uid in ready.uids()])
        yield ready


@pytest.mark.parametrize("requests", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_a_stopped_sync_has_saved_every_answer_and_the_next_sends_the_rest(
    sync: Syncing, requests: int
) -> None:
    words = (sync.place.tenant.clock.now().isoformat(),)
    process = start("tests.sync_once", *words, env=sync.place.environment)
    until(process, lambda: sync.requests >= requests)
    code, seconds, said = stop(process)
    assert code == 143, said
    assert seconds < 5
    received = sync.place.tenant.enrichment.received
    sent = sum(each.objects for each in received)
    assert sync.known().filter(state="acknowledged").height == sent < len(sync.uids())
    assert leases(sync.place) == 0
    with sync.ledger() as ledger:
        assert ledger.runs("assets", 1)[0]["state"] == "interrupted"
    assert sync.sync()["convergence"] == 100.0
    assert sum(each.objects for each in received) == len(sync.uids())


@pytest.fixture
def made_to_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acting]:
    """An action of a few requests, each answered late."""
    with acting(tmp_path, monkeypatch.setenv, latency=0.4) as ready:
        limits = {"targets": 100, "per_request": 5, "cool_down": "45min"}
        ready.specify("clean_up", targets={"query_id": "#windows_devices"}, limits=limits)
        yield ready


@pytest.mark.chaos
def test_a_request_that_acts_is_answered_before_the_process_stops(made_to_act: Acting) -> None:
    made = made_to_act
    now = made.tenant.clock.now().isoformat()
    process = start("tests.act_once", now, "clean_up", env=made.place.environment)
    until(process, lambda: made.tenant.requests["act"] >= 1)
    code, seconds, said = stop(process)
    assert code == 143, said
    assert seconds < 6
    with made.ledger() as ledger:
        states = [each.state for each in ledger.actions.requests()]
        assert sorted(set(states)) == ["intent", "requested"]
        assert states.count("requested") == len(made.tenant.actions.requests) == 1
        assert ledger.runs("clean_up", 1)[0]["state"] == "interrupted"
    assert leases(made.place) == 0
    made.run("clean_up")
    assert set(made.done().values()) == {1}
    assert made.done().keys() == set(made.devices())


class Signalled(BaseException):
    """Raised by the handler of these tests."""


@pytest.fixture
def handled() -> Iterator[None]:
    """Make SIGTERM raise, as in the command."""

    def handle(*_: object) -> None:
        raise Signalled

    before = signal.signal(signal.SIGTERM, handle)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("handled")
def test_a_signal_waits_for_what_must_not_be_broken() -> None:
    done = []

    def work() -> None:
        with unbroken(5):
            signal.raise_signal(signal.SIGTERM)
            done.append(1)

    with pytest.raises(Signalled):
        work()
    assert done == [1]
    # The handler is restored.
    with pytest.raises(Signalled):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("handled")
def test_a_signal_waits_no_longer_than_the_limit_and_a_second_one_not_at_all() -> None:
    def work(limit: float, signals: int) -> None:
        with unbroken(limit):
            for _ in range(signals):
                signal.raise_signal(signal.SIGTERM)
            threading.Event().wait(30)

    began = time.monotonic()
    with pytest.raises(Signalled):
        work(0.2, 1)
    assert time.monotonic() - began < 5
    with pytest.raises(Signalled):
        work(30, 2)
    assert time.monotonic() - began < 5
