"""The journal of acting on real databases: a request changes its state once, as it may."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from connectors.errors import HeldError, StaleError, UsageError
from connectors.ledger import ActionPlanRecord, ActionPlanState, Ledger, Verdict, open_ledger
from connectors.ledger.action_requests import TargetBatch

ACTION = ("remote_action", "#clean_up_disk")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """A clock that the test moves."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    opened = open_ledger(ledger_url, "acme.eu", clock)
    yield opened
    opened.close()


def batch(*targets: str) -> TargetBatch:
    frame = pl.DataFrame(
        {"target": targets, "device": targets}, schema={"target": pl.String, "device": pl.String}
    )
    return TargetBatch(str(uuid.uuid4()), frame.with_columns(person=pl.lit(None, pl.String)))


def planned(ledger: Ledger, plan_id: str, **more: Any) -> ActionPlanRecord:
    record = ActionPlanRecord(
        **{
            "plan_id": plan_id,
            "action": "disk",
            "kind": ACTION[0],
            "action_id": ACTION[1],
            "sha256": "0" * 64,
            "location": f"_plans/{plan_id}",
            "created_at": NOW,
            "specification": "f",
            "version": ledger.actions.version(*ACTION),
            "summary": {"targets": 2},
            **more,
        }
    )
    ledger.action_plans.add(record)
    return record


def state(ledger: Ledger, intent_id: str) -> str:
    found = ledger.actions.get(intent_id)
    assert found
    return found.state


def test_a_plan_begins_once_with_all_its_requests_as_intents(ledger: Ledger) -> None:
    plan, batches = planned(ledger, "p1"), [batch("a", "b"), batch("c")]
    ledger.actions.begin(plan, batches)
    ledger.actions.begin(plan, [batch("z")])
    found = ledger.actions.requests(plan_id="p1")
    assert [(each.ordinal, each.targets, each.state) for each in found] == [
        (0, 2, "intent"),
        (1, 1, "intent"),
    ]
    begun = ledger.action_plans.get("p1")
    assert begun
    assert begun.state == ActionPlanState.RUNNING
    assert sorted(ledger.actions.targets(plan_id="p1")["target"]) == ["a", "b", "c"]


def test_a_plan_is_stale_once_the_action_was_requested_otherwise(ledger: Ledger) -> None:
    plan, other = planned(ledger, "p1"), planned(ledger, "p2")
    ledger.actions.begin(other, [batch("a")])
    with pytest.raises(StaleError, match="plan again"):
        ledger.actions.begin(plan, [batch("a")])
    assert not ledger.actions.requests(plan_id="p1")
    kept = ledger.action_plans.get("p1")
    assert kept
    assert kept.state == ActionPlanState.PLANNED


def test_what_a_person_says_counts_until_the_plan_begins(ledger: Ledger) -> None:
    plan = planned(ledger, "p1")
    ledger.action_plans.judge("p1", Verdict("ops", "no need", "T-1"), approved=False)
    with pytest.raises(StaleError, match="is declined"):
        ledger.actions.begin(plan, [batch("a")])
    assert not ledger.actions.requests(plan_id="p1")
    ledger.action_plans.judge("p1", Verdict("ops", "needed", "T-2"), approved=True)
    ledger.action_plans.judge("p1", Verdict("ops", "needed"), approved=True)
    ledger.actions.begin(plan, [batch("a")])
    with pytest.raises(UsageError, match="running"):
        ledger.action_plans.judge("p1", Verdict("ops", "too late"), approved=False)
    said = ledger.action_plans.get("p1")
    assert said
    assert (said.approved_by, said.approved_why, said.ticket) == ("ops", "needed", "T-2")


def test_a_request_is_sent_by_one_run_only(ledger: Ledger) -> None:
    one = batch("a")
    ledger.actions.begin(planned(ledger, "p1"), [one])
    ledger.actions.sending(one.intent_id)
    with pytest.raises(HeldError):
        ledger.actions.sending(one.intent_id)


Move = Callable[[Ledger, str], object]
MOVES: dict[str, Move] = {
    "sending": lambda ledger, intent: ledger.actions.sending(intent),
    "requested": lambda ledger, intent: ledger.actions.requested(intent, "r"),
    "refused": lambda ledger, intent: ledger.actions.refused(intent, "CODE"),
    "not_left": lambda ledger, intent: ledger.actions.not_left(intent),
    "unknown": lambda ledger, intent: ledger.actions.unknown(intent),
    "not_seen": lambda ledger, intent: ledger.actions.not_seen(intent),
    "give_up": lambda ledger, intent: ledger.actions.give_up(intent, "why"),
    "not_sent": lambda ledger, intent: ledger.actions.resolve(intent, sent=False, why="looked"),
    "doubt": lambda ledger, _intent: ledger.actions.doubt(*ACTION),
}
# For each way to reach a state: the moves that change it, and the new state.
WAYS: dict[tuple[str, ...], dict[str, str]] = {
    (): {"sending": "sending", "give_up": "not_sent", "not_sent": "not_sent"},
    ("sending",): {
        "requested": "requested",
        "refused": "refused",
        "not_left": "intent",
        "unknown": "unknown",
        "doubt": "unknown",
    },
    ("sending", "unknown"): {
        "requested": "requested",
        "not_seen": "not_seen",
        "not_sent": "not_sent",
    },
    ("sending", "unknown", "not_seen"): {"requested": "requested", "not_sent": "not_sent"},
    ("sending", "requested"): {},
    ("sending", "refused"): {"requested": "requested"},
    ("sending", "unknown", "not_sent"): {"requested": "requested"},
}


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_request_moves_only_where_it_may(ledger: Ledger, way: tuple[str, ...]) -> None:
    for name, move in MOVES.items():
        one = batch(name)
        ledger.actions.begin_raw(*ACTION, [one])
        for step in way:
            MOVES[step](ledger, one.intent_id)
        before = state(ledger, one.intent_id)
        with suppress(HeldError, UsageError):
            move(ledger, one.intent_id)
        expected = WAYS[way].get(name, before)
        assert (name, state(ledger, one.intent_id)) == (name, expected)


@pytest.mark.parametrize("way", [way for way in WAYS if way], ids="-".join)
def test_a_target_in_doubt_is_refused_to_a_raw_command(
    ledger: Ledger, way: tuple[str, ...]
) -> None:
    one = batch("a", "b")
    ledger.actions.begin_raw(*ACTION, [one])
    for step in way:
        MOVES[step](ledger, one.intent_id)
    settled = state(ledger, one.intent_id) in {"requested", "refused", "not_sent"}
    if settled:
        ledger.actions.begin_raw(*ACTION, [batch("b")])
        return
    with pytest.raises(HeldError, match="nxp act resolve"):
        ledger.actions.begin_raw(*ACTION, [batch("b")])
    ledger.actions.begin_raw(*ACTION, [batch("c")])
    ledger.actions.begin_raw("remote_action", "#other", [batch("b")])


def test_recent_targets_are_those_taken_since_and_all_in_doubt(
    ledger: Ledger, clock: Clock
) -> None:
    old, doubtful, left_out, refused = (
        batch("old"),
        batch("doubtful"),
        batch("in", "out"),
        batch("r"),
    )
    late = batch("late")
    ledger.actions.begin_raw(*ACTION, [old, doubtful, late])
    for each in (old, doubtful):
        ledger.actions.sending(each.intent_id)
    clock.now += timedelta(days=8)
    ledger.actions.begin_raw(*ACTION, [left_out, refused])
    # What was journalled long before it left counts from when it left.
    for each in (late, left_out, refused):
        ledger.actions.sending(each.intent_id)
    ledger.actions.requested(late.intent_id, "r2")
    ledger.actions.requested(old.intent_id, "r1")
    ledger.actions.unknown(doubtful.intent_id)
    seen = pl.DataFrame({"target": ["in", "out"], "code": [None, "refused"]})
    ledger.actions.requested(left_out.intent_id, None, seen)
    ledger.actions.refused(refused.intent_id, "BAD")
    found = ledger.actions.recent(*ACTION, clock.now - timedelta(days=7))
    assert dict(zip(found["target"], found["state"], strict=True)) == {
        "doubtful": "unknown",
        "in": "requested",
        "late": "requested",
    }
    assert found["requested_at"].dtype == pl.Datetime("us", "UTC")
    since = ledger.actions.requests(since=clock.now)
    assert {each.intent_id for each in since} == {
        each.intent_id for each in (late, left_out, refused)
    }


def test_what_is_read_back_is_kept_per_target(ledger: Ledger) -> None:
    one = batch("a", "b")
    ledger.actions.begin_raw(*ACTION, [one])
    ledger.actions.sending(one.intent_id)
    ledger.actions.requested(one.intent_id, "r1")
    for status in ("in_progress", "success"):
        seen = pl.DataFrame(
            {
                "intent_id": [one.intent_id],
                "target": ["a"],
                "request_id": ["r1a"],
                "status": [status],
                "status_at": [NOW],
            }
        )
        ledger.actions.save_seen(seen)
    rows = ledger.actions.targets(intent_id=one.intent_id).sort("target")
    assert rows["status"].to_list() == ["success", None]
    assert rows["device"].to_list() == ["a", "b"]
    assert set(ledger.actions.request_ids(*ACTION)) == {"r1", "r1a"}


def test_a_large_plan_is_journalled_at_once(ledger: Ledger) -> None:
    batches = [batch(*(f"{number}-{each}" for each in range(9_500))) for number in range(3)]
    ledger.actions.begin(planned(ledger, "p1"), batches)
    assert ledger.actions.targets(plan_id="p1").height == 28_500
