"""Limits that processes share through one ledger: calls, waiting times, exports at once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from connectors.errors import LimitReachedError
from connectors.ledger import ExportLimits, ExportSlot, Ledger, open_ledger
from connectors.ledger.gate import CALLS_AT_ONCE, CallGate
from connectors.ledger.leases import LEASE_TIME
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from tasks.runs.counted import call_gate
from tests.landing import Place

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATIENCE = timedelta(minutes=5)


class Clock:
    """A clock that `sleep` moves; it records the seconds slept."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


Open = Callable[..., Ledger]


@pytest.fixture
def opened(ledger_url: str) -> Iterator[Open]:
    """Return a function that opens the ledger like another process: with its own connections."""
    with ExitStack() as stack:

        def open_one(clock: Callable[[], datetime], tenant: str = "acme.eu") -> Ledger:
            return stack.enter_context(open_ledger(ledger_url, tenant, clock))

        yield open_one


def gate(
    ledger: Ledger, clock: Clock, per_second: float | None = None, per_day: int | None = None
) -> CallGate:
    return CallGate(
        ledger.limits,
        per_second=per_second,
        per_day=per_day,
        longest_wait=PATIENCE,
        clock=clock,
        sleep=clock.sleep,
    )


def test_patience_asked_of_one_process_is_kept_by_all(opened: Open) -> None:
    clock = Clock()
    first, second = (gate(opened(clock), clock) for _ in range(2))
    second.enter()
    first.limited(NOON + timedelta(seconds=30))
    # What a gate knows is at most a second old.
    clock.now += timedelta(seconds=1)
    second.enter()
    assert clock.slept == [29.0]
    second.enter()
    assert clock.slept == [29.0]


def test_patience_for_long_is_an_error_and_a_shorter_one_never_replaces_it(opened: Open) -> None:
    clock = Clock()
    first, second, other = opened(clock), opened(clock), opened(clock, "globex.eu")
    gate(first, clock).limited(NOON + timedelta(hours=2))
    gate(second, clock).limited(NOON + timedelta(seconds=2))
    with pytest.raises(LimitReachedError, match="2026-11-20 14:00:00Z") as caught:
        gate(second, clock).enter()
    assert caught.value.not_before == NOON + timedelta(hours=2)
    # Another tenant's limits are its own.
    gate(other, clock).enter()
    second.forget_failures("anything")
    gate(first, clock).enter()
    assert clock.slept == []


def test_the_calls_of_all_processes_keep_one_rate(opened: Open) -> None:
    clock = Clock()
    gates = [gate(opened(clock), clock, per_second=4) for _ in range(3)]
    for number in range(24):
        gates[number % 3].enter()
    # 24 calls at 4 a second: the last one goes 23 quarters after the first.
    assert clock.now >= NOON + timedelta(seconds=23 / 4)
    assert clock.now <= NOON + timedelta(seconds=24 / 4)


def test_calls_that_were_not_made_in_time_are_not_made_in_a_burst(opened: Open) -> None:
    clock = Clock()
    entering = gate(opened(clock), clock, per_second=4)
    entering.enter()
    clock.now += timedelta(minutes=1)
    began = clock.now
    for _ in range(8):
        entering.enter()
    assert clock.now - began >= timedelta(seconds=7 / 4)


def test_the_calls_of_24_hours_are_shared_and_a_small_limit_is_counted_call_by_call(
    opened: Open,
) -> None:
    clock = Clock()
    ledgers = [opened(clock), opened(clock)]
    first, second = (gate(ledger, clock, per_day=25) for ledger in ledgers)
    for _ in range(10):
        first.enter()
    clock.now += timedelta(hours=20)
    # A killed process takes nothing with it: each call is counted when it is made.
    for _ in range(15):
        second.enter()
    assert ledgers[0].limits.calls_today() == 25
    with pytest.raises(
        LimitReachedError, match=r"25 of 25 API calls .* 2026-11-21 12:01Z"
    ) as caught:
        first.enter()
    free_at = NOON + timedelta(hours=24, minutes=1)
    assert caught.value.not_before == free_at
    clock.now = free_at
    for _ in range(10):
        first.enter()
    with pytest.raises(LimitReachedError):
        second.enter()


def test_calls_taken_together_count_when_they_are_made(opened: Open) -> None:
    clock = Clock()
    ledger = opened(clock)
    first = gate(ledger, clock)
    first.enter()
    assert ledger.limits.calls_today() == CALLS_AT_ONCE
    clock.now += timedelta(hours=1)
    first.enter()
    assert ledger.limits.calls_today() == 1 + CALLS_AT_ONCE
    first.close()
    assert ledger.limits.calls_today() == 2
    clock.now = NOON + timedelta(hours=24, minutes=1)
    assert ledger.limits.calls_today() == 1


def test_exports_at_once_are_counted_by_tenant_and_by_worker(opened: Open) -> None:
    clock = Clock()
    ledger, other = opened(clock), opened(clock)

    def take(ledger: Ledger, unit: str, worker: str) -> object:
        allowed = ExportLimits(per_tenant=3, per_worker=2, worker=worker)
        return ledger.limits.take_slot(ExportSlot("crashes", unit), f"run {worker}", allowed)

    first, second = take(ledger, "1", "a"), take(ledger, "2", "a")
    assert first
    assert second
    assert take(ledger, "3", "a") is None
    third = take(other, "3", "b")
    assert third
    assert take(other, "4", "b") is None
    # Released when the export has ended, or run out if the process was killed.
    with first:  # type: ignore[attr-defined]
        pass
    assert take(other, "4", "b")
    assert take(ledger, "5", "a") is None
    clock.now += LEASE_TIME + timedelta(seconds=1)
    assert take(ledger, "5", "a")


def test_who_goes_on_with_an_export_takes_its_slot_over_and_no_second_one(opened: Open) -> None:
    clock = Clock()
    allowed = ExportLimits(per_tenant=1)
    slot = ExportSlot("crashes", "1", "half")
    killed = opened(clock).limits.take_slot(slot, "killed", allowed)
    limits = opened(clock).limits
    assert limits.take_slot(ExportSlot("crashes", "2"), "next", allowed) is None
    taken = limits.take_slot(slot, "next", allowed)
    assert killed
    assert taken
    assert not killed.renew()
    assert taken.renew()
    assert limits.take_slot(ExportSlot("crashes", "2"), "third", allowed) is None


def test_a_429_said_to_one_client_makes_another_wait(here: Place, opened: Open) -> None:
    here.tenant.faults.retry_after = 40
    here.tenant.faults.add("429-seconds@export:1")
    tenant = load_tenant(load_settings())
    clocks = [Clock(datetime.now(UTC)), Clock(datetime.now(UTC))]
    clients = []
    with ExitStack() as stack:
        for clock in clocks:
            gate = call_gate(opened(clock, tenant.name), tenant, clock, clock.sleep)
            client = NexthinkClient(tenant, clock=clock, sleep=clock.sleep, gate=gate)
            clients.append(stack.enter_context(client))
        clients[0].nql.start_export("#users")
        assert clocks[0].slept == [40.0]
        clients[1].nql.start_export("#users")
        assert clocks[1].slept == [pytest.approx(40, abs=2)]


def test_a_process_asks_the_ledger_once_for_many_calls(opened: Open) -> None:
    from sqlalchemy import event  # noqa: PLC0415

    clock = Clock()
    ledger = opened(clock)
    entering = gate(ledger, clock)
    entering.enter()
    transactions: list[str] = []
    event.listen(ledger.limits._engine, "begin", lambda _: transactions.append(""))
    for _ in range(CALLS_AT_ONCE):
        clock.now += timedelta(milliseconds=100)
        entering.enter()
    # Calls were taken once, and the waiting time was read once.
    assert len(transactions) <= 2
