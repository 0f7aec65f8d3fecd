"""Outcomes: each object ends in exactly one, and in a true one, whatever the tenant answers."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import (
    AccessError,
    DataRefusedError,
    LimitReachedError,
    PipelineError,
    UnavailableError,
    UsageError,
)
from connectors.nexthink import EnrichmentAnswer, ObjectError, Taken
from connectors.nexthink.encoding import ObjectLayout
from tasks.runs.stopping import Stop
from tasks.sync import push as module
from tasks.sync.halving import MOST_REQUESTS_PER_BATCH, NOT_SENT
from tasks.sync.outcomes import ObjectOutcome, judge
from tasks.sync.push import MOST_UNANSWERED, NO_ANSWER, Pushed, PushLimits, push_batches
from tests.sampling import sampled

NAME = "device/device/name"
OWNER = "device/device/#owner"
LAYOUT = ObjectLayout(NAME, "name", {"owner": OWNER}, "cmdb")
ALL = EnrichmentAnswer(Taken.ALL)
MESSAGE = f"MARK-value is bad for {OWNER}, and for device/device/#other"


def error(value: str, code: str = "ENRICH_011") -> ObjectError:
    return ObjectError(NAME, value, code, MESSAGE)


def objects(*values: str) -> pl.DataFrame:
    return pl.DataFrame({"name": [NAME] * len(values), "value": list(values)})


def frame(keys: list[str]) -> pl.DataFrame:
    values = {"name": keys, "owner": [f"owner of {key}" for key in keys]}
    return pl.DataFrame(values, schema={"name": pl.String, "owner": pl.String})


def judged(answer: EnrichmentAnswer, *values: str) -> list[Any]:
    return list(judge(objects(*values), answer, {OWNER}).select("outcome", "code").iter_rows())


TAKEN, OPEN, WRONG = ("acknowledged", None), (None, None), ("rejected", "ENRICH_011")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ALL, [TAKEN, TAKEN]),
        (EnrichmentAnswer(Taken.SOME, (error("b"),)), [TAKEN, WRONG]),
        (EnrichmentAnswer(Taken.SOME, (error("b"), error("b", "ENRICH_001"))), [TAKEN, WRONG]),
        # In the tenant's own spelling.
        (EnrichmentAnswer(Taken.SOME, (error("B "),)), [TAKEN, WRONG]),
        # An error that names no object of the request may be about any of them.
        (EnrichmentAnswer(Taken.SOME, (error("b"), error("c"))), [OPEN, WRONG]),
        (EnrichmentAnswer(Taken.SOME, (error("b"),), unread=1), [OPEN, WRONG]),
        (EnrichmentAnswer(Taken.SOME), [OPEN, OPEN]),
        # All are refused, but not all are named.
        (EnrichmentAnswer(Taken.NOTHING, (error("b"),), code="HTTP_400"), [OPEN, WRONG]),
        (EnrichmentAnswer(Taken.NOTHING, code="ENRICH_042"), [OPEN, OPEN]),
    ],
)
def test_an_answer_is_read_object_by_object(answer: EnrichmentAnswer, expected: list[Any]) -> None:
    assert judged(answer, "a", "b") == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (EnrichmentAnswer(Taken.SOME, (error("z"),)), WRONG),
        (EnrichmentAnswer(Taken.SOME, unread=2), ("rejected", "unspecified")),
        (EnrichmentAnswer(Taken.SOME), ("unknown", "unspecified")),
        (EnrichmentAnswer(Taken.NOTHING, (error("z"),), code="HTTP_400"), WRONG),
        (EnrichmentAnswer(Taken.NOTHING, code="ENRICH_042"), ("rejected", "ENRICH_042")),
    ],
)
def test_an_object_alone_is_the_one_that_is_meant(answer: EnrichmentAnswer, expected: Any) -> None:
    assert judged(answer, "a") == [expected]


def test_two_objects_of_one_spelling_are_not_confused() -> None:
    answer = EnrichmentAnswer(Taken.SOME, (error("a "),))
    assert judged(answer, "a", "A", "b") == [OPEN] * 3
    exact = EnrichmentAnswer(Taken.SOME, (error("a"),))
    assert judged(exact, "a", "A", "b") == [WRONG, TAKEN, TAKEN]


def test_of_a_message_only_the_fields_that_were_sent_are_told() -> None:
    answer = EnrichmentAnswer(Taken.SOME, (error("b"), error("a", "ENRICH_777")))
    reasons = judge(objects("a", "b", "c"), answer, {OWNER})["reason"].to_list()
    assert reasons == [OWNER, f"a value is of the wrong type for its field: {OWNER}", None]


@dataclass
class FakeTenant:
    """Takes values, except of objects that it refuses, naming them or not; may not answer."""

    by_name: frozenset[str] = frozenset()
    as_a_whole: frozenset[str] = frozenset()
    # Refuses the right object, but names another.
    misnamed: frozenset[str] = frozenset()
    most_objects: int = 10_000
    # What happens to a request, by its number: before it has an effect, or after.
    lost: Callable[[int], PipelineError | None] = lambda _number: None
    lost_after: Callable[[int], PipelineError | None] = lambda _number: None
    holds: dict[str, str] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def push(self, body: bytes) -> EnrichmentAnswer:
        request = json.loads(body)
        values = {
            each["identification"][0]["value"]: each["fields"][0]["value"]
            for each in request["enrichments"]
        }
        with self.lock:
            number = len(self.sizes)
            self.sizes.append(len(values))
            if fault := self.lost(number):
                raise fault
            answer = self._decide(values)
        if fault := self.lost_after(number):
            raise fault
        return answer

    def _decide(self, values: Mapping[str, str]) -> EnrichmentAnswer:
        if len(values) > self.most_objects:
            return EnrichmentAnswer(Taken.NOTHING, code="ENRICH_042")
        if self.as_a_whole & values.keys():
            return EnrichmentAnswer(Taken.NOTHING, code="ENRICH_002")
        refused = (self.by_name | self.misnamed) & values.keys()
        errors = [error(key if key in self.by_name else "nobody") for key in sorted(refused)]
        self.holds |= {key: value for key, value in values.items() if key not in refused}
        if not refused:
            return ALL
        if len(refused) == len(values):
            return EnrichmentAnswer(Taken.NOTHING, tuple(errors), code="HTTP_400")
        return EnrichmentAnswer(Taken.SOME, tuple(errors))


@dataclass
class Time:
    """Time that passes only by sleeping."""

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def send(
    tenant: FakeTenant, keys: list[str], passing: Time | None = None, **limits: Any
) -> tuple[Pushed, dict[str, tuple[str, str | None]]]:
    """Push, and return the outcomes by key; fail if an object has none, or two."""
    passing = passing or Time()
    saved: list[pl.DataFrame] = []
    given_limits = PushLimits(**({"objects": 8} | limits))
    result = push_batches(
        tenant.push,
        frame(keys),
        LAYOUT,
        saved.append,
        limits=given_limits,
        clock=lambda: passing.now,
        sleep=passing.sleep,
    )
    rows = [row for piece in saved for row in piece.iter_rows(named=True)]
    assert sorted(row["value"] for row in rows) == sorted(keys)
    assert {row["name"] for row in rows} <= {NAME}
    assert result.outcomes == Counter(row["outcome"] for row in rows)
    assert result.codes == Counter(row["code"] for row in rows if row["code"])
    assert result.requests == len(tenant.sizes)
    assert "MARK" not in repr(result) + repr([row["reason"] for row in rows])
    return result, {row["value"]: (row["outcome"], row["code"]) for row in rows}


KEYS = st.lists(st.text("abcdefgh", min_size=1, max_size=3), unique=True, max_size=40)


@settings(max_examples=sampled(150))
@given(st.data(), KEYS, st.integers(1, 10), st.integers(1, 4))
def test_every_object_ends_in_one_outcome_and_it_is_true(
    data: st.DataObject, keys: list[str], size: int, concurrency: int
) -> None:
    some = st.frozensets(st.sampled_from(keys)) if keys else st.just(frozenset[str]())
    seed, share = data.draw(st.integers(0, 10**6)), data.draw(st.sampled_from([0.0, 0.1, 0.5]))

    def fault(salt: str) -> Callable[[int], PipelineError | None]:
        def decide(number: int) -> PipelineError | None:
            roll = random.Random(f"{seed} {salt} {number}").random()
            kinds = [UnavailableError, LimitReachedError, AccessError, DataRefusedError]
            return kinds[int(roll / share * 4)]("no") if roll < share else None

        return decide

    tenant = FakeTenant(
        by_name=data.draw(some),
        as_a_whole=data.draw(some),
        misnamed=data.draw(some),
        most_objects=data.draw(st.sampled_from([1, 3, 10_000])),
        lost=fault("before"),
        lost_after=fault("after"),
    )
    result, outcomes = send(tenant, keys, objects=size, concurrency=concurrency)
    bad = tenant.by_name | tenant.as_a_whole | tenant.misnamed
    acknowledged = {key for key, (outcome, _) in outcomes.items() if outcome == "acknowledged"}
    rejected = {key for key, (outcome, _) in outcomes.items() if outcome == "rejected"}
    # Nothing false is claimed, and nothing true is denied.
    assert acknowledged <= tenant.holds.keys()
    assert acknowledged.isdisjoint(bad)
    assert rejected <= bad
    if not share and not result.stopped:
        assert acknowledged == set(keys) - bad
        assert rejected == bad & set(keys)
        assert tenant.holds.keys() == acknowledged


@pytest.mark.parametrize("size", [1, 2, 3, 64, 4999, 5000])
def test_a_culprit_is_found_in_few_requests_wherever_it_is(size: int) -> None:
    keys = [str(number) for number in range(size)]
    for culprit in {keys[0], keys[-1], keys[size // 3]}:
        tenant = FakeTenant(as_a_whole=frozenset({culprit}))
        result, outcomes = send(tenant, keys, objects=5000)
        assert outcomes.pop(culprit) == ("rejected", "ENRICH_002")
        assert set(outcomes.values()) <= {("acknowledged", None)}
        assert result.requests <= 1 + 2 * (size - 1).bit_length()
        assert result.stopped is None


def test_a_misnamed_culprit_is_found_too() -> None:
    keys = [str(number) for number in range(40)]
    tenant = FakeTenant(misnamed=frozenset({"7"}), by_name=frozenset({"9"}))
    _, outcomes = send(tenant, keys, objects=40)
    rejected = {key for key, (outcome, _) in outcomes.items() if outcome == "rejected"}
    assert rejected == {"7", "9"}
    assert tenant.holds.keys() == set(keys) - {"7", "9"}


def test_a_lower_limit_of_objects_is_found_by_halving() -> None:
    keys = [str(number) for number in range(1000)]
    result, outcomes = send(FakeTenant(most_objects=300), keys, objects=1000)
    assert set(outcomes.values()) == {("acknowledged", None)}
    assert result.requests == 7


def test_a_tenant_that_refuses_everything_is_not_asked_for_ever() -> None:
    keys = [str(number) for number in range(10_000)]
    tenant = FakeTenant(as_a_whole=frozenset(keys))
    result, outcomes = send(tenant, keys, objects=5000, concurrency=1)
    assert isinstance(result.stopped, DataRefusedError)
    assert "ENRICH_002" in str(result.stopped)
    assert result.requests == MOST_REQUESTS_PER_BATCH
    assert Counter(outcomes.values()) == {
        ("unknown", "ENRICH_002"): 5000,
        ("unknown", NOT_SENT): 5000,
    }


def test_many_culprits_leave_some_unknown_and_the_run_going() -> None:
    keys = [str(number) for number in range(3000)]
    tenant = FakeTenant(as_a_whole=frozenset(keys[:1000]))
    result, outcomes = send(tenant, keys, objects=3000)
    assert result.stopped is None
    assert all(outcomes[key][0] == "unknown" for key in keys[:1000])
    assert {key for key, (outcome, _) in outcomes.items() if outcome == "acknowledged"} == set(
        tenant.holds
    )


def test_what_is_not_answered_is_sent_once_more_after_a_pause() -> None:
    keys = [str(number) for number in range(20)]
    lost = {1: UnavailableError("no")}
    tenant, passing = FakeTenant(lost=lost.get), Time()
    result, outcomes = send(tenant, keys, passing, concurrency=1)
    assert set(outcomes.values()) == {("acknowledged", None)}
    assert (tenant.sizes, result.stopped) == ([8, 8, 4, 8], None)
    assert passing.sleeps == [module.PAUSE_BEFORE_AGAIN_SECONDS]


def test_what_is_not_answered_twice_is_unknown() -> None:
    keys = [str(number) for number in range(20)]
    lost = {1: UnavailableError("no"), 3: UnavailableError("no")}
    _, outcomes = send(FakeTenant(lost=lost.get), keys, concurrency=1)
    assert [outcomes[key] for key in keys[8:16]] == [("unknown", NO_ANSWER)] * 8
    assert [outcomes[key] for key in keys[:8] + keys[16:]] == [("acknowledged", None)] * 12


def test_what_is_waiting_to_be_sent_again_when_the_run_stops_is_unknown() -> None:
    keys = [str(number) for number in range(24)]
    no = UnavailableError("no")
    lost: dict[int, PipelineError] = {0: no, 1: no, 3: AccessError("no")}
    result, outcomes = send(FakeTenant(lost=lost.get), keys, concurrency=1)
    assert isinstance(result.stopped, AccessError)
    assert Counter(code for _, code in outcomes.values()) == {None: 8, NO_ANSWER: 16}


def test_an_outage_stops_the_run() -> None:
    keys = [str(number) for number in range(80)]
    tenant = FakeTenant(lost=lambda number: UnavailableError("no") if number >= 2 else None)
    result, outcomes = send(tenant, keys, concurrency=1)
    assert isinstance(result.stopped, UnavailableError)
    assert result.requests == 2 + MOST_UNANSWERED
    assert Counter(code for _, code in outcomes.values()) == {None: 16, NO_ANSWER: 24, NOT_SENT: 40}


@pytest.mark.parametrize("kind", [AccessError, LimitReachedError, DataRefusedError])
def test_what_would_fail_every_request_stops_the_run_at_once(kind: type[PipelineError]) -> None:
    keys = [str(number) for number in range(80)]
    tenant = FakeTenant(lost=lambda number: kind("no") if number == 1 else None)
    result, outcomes = send(tenant, keys, concurrency=1)
    assert type(result.stopped) is kind
    assert Counter(code for _, code in outcomes.values()) == {None: 8, NO_ANSWER: 8, NOT_SENT: 64}


def test_requests_are_spread_over_time() -> None:
    passing = Time()
    send(FakeTenant(), [str(number) for number in range(40)], passing, concurrency=1, per_minute=30)
    assert passing.sleeps == [2.0] * 4


def test_no_more_are_under_way_than_allowed_and_as_many_as_allowed() -> None:
    meeting, most = threading.Barrier(3, timeout=10), []
    tenant = FakeTenant()
    under_way = Counter[str]()

    def push(body: bytes) -> EnrichmentAnswer:
        with tenant.lock:
            under_way["now"] += 1
            most.append(under_way["now"])
        # Only three requests at once can pass this.
        meeting.wait()
        with tenant.lock:
            under_way["now"] -= 1
        return tenant.push(body)

    keys = [str(number) for number in range(48)]
    limits = PushLimits(objects=8, concurrency=3)
    result = push_batches(push, frame(keys), LAYOUT, lambda _: None, limits=limits)
    assert result.outcomes == {ObjectOutcome.ACKNOWLEDGED: 48}
    assert max(most) == 3


def test_outcomes_are_saved_as_they_come_and_by_the_calling_thread() -> None:
    tenant, seen = FakeTenant(), []

    def save(outcomes: pl.DataFrame) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append((outcomes.height, len(tenant.sizes)))

    keys = [str(number) for number in range(24)]
    push_batches(
        tenant.push, frame(keys), LAYOUT, save, limits=PushLimits(objects=8, concurrency=1)
    )
    assert seen == [(8, 1), (8, 2), (8, 3)]


def test_a_save_that_fails_ends_the_push() -> None:
    tenant = FakeTenant()

    def save(_: pl.DataFrame) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        push_batches(
            tenant.push,
            frame([str(number) for number in range(80)]),
            LAYOUT,
            save,
            limits=PushLimits(objects=8, concurrency=2),
        )
    assert len(tenant.sizes) <= 3


def test_a_search_for_culprits_ends_with_the_push() -> None:
    keys = [str(number) for number in range(128)]
    tenant, failed = FakeTenant(as_a_whole=frozenset(keys[64:])), threading.Event()

    def push(body: bytes) -> EnrichmentAnswer:
        answer = tenant.push(body)
        if answer.taken is Taken.NOTHING:
            # The other batch was sent, but its outcomes could not be saved.
            failed.wait(10)
            time.sleep(0.02)
        return answer

    def save(_: pl.DataFrame) -> None:
        failed.set()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        push_batches(push, frame(keys), LAYOUT, save, limits=PushLimits(objects=64))
    assert len(tenant.sizes) < 20


def test_objects_without_a_value_are_not_sent() -> None:
    rows = pl.DataFrame({"name": ["a", "b"], "owner": ["x", None]})
    saved: list[pl.DataFrame] = []
    tenant = FakeTenant()
    push_batches(tenant.push, rows, LAYOUT, saved.append)
    assert pl.concat(saved)["value"].to_list() == ["a"]
    assert tenant.holds == {"a": "x"}


def test_a_frame_that_cannot_be_sent_is_refused_before_anything_is() -> None:
    tenant = FakeTenant()
    for rows in (frame(["a", "b", "a"]), frame(["a", ""])):
        with pytest.raises(DataRefusedError):
            push_batches(tenant.push, rows, LAYOUT, lambda _: None, limits=PushLimits(objects=1))
    assert tenant.sizes == []


@pytest.mark.parametrize("limits", [{"concurrency": 0}, {"concurrency": 17}, {"per_minute": 0}])
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PushLimits(**limits)


class Interrupted(BaseException):
    """The exception that a signal raises in the thread that waits."""


def test_what_is_answered_while_the_run_is_interrupted_is_saved() -> None:
    saved: list[pl.DataFrame] = []
    interrupted, both = threading.Event(), threading.Barrier(2)

    def push(body: bytes) -> EnrichmentAnswer:
        both.wait(5)
        if b"a-1" in body:
            return ALL
        # The other one is answered after the signal, but within the limit.
        assert interrupted.wait(5)
        if b"b-1" in body:
            return ALL
        raise AssertionError

    def save(outcomes: pl.DataFrame) -> None:
        saved.append(outcomes)
        if len(saved) == 1:
            interrupted.set()
            raise Interrupted

    with pytest.raises(Interrupted):
        push_batches(
            push,
            frame(["a-1", "b-1", "c-1", "d-1"]),
            LAYOUT,
            save,
            limits=PushLimits(objects=1, concurrency=2),
            stop=Stop(seconds=5),
        )
    assert set(pl.concat(saved)["value"]) == {"a-1", "b-1"}


def test_a_wait_that_is_ended_at_the_limit_leaves_its_objects_open() -> None:
    saved: list[pl.DataFrame] = []
    stop, both = Stop(seconds=0.1), threading.Barrier(2)

    def push(body: bytes) -> EnrichmentAnswer:
        both.wait(5)
        if b"a-1" in body:
            return ALL
        stop.sleep(60)
        raise AssertionError

    def save(outcomes: pl.DataFrame) -> None:
        saved.append(outcomes)
        raise Interrupted

    with pytest.raises(Interrupted):
        push_batches(
            push,
            frame(["a-1", "b-1"]),
            LAYOUT,
            save,
            limits=PushLimits(objects=1, concurrency=2),
            stop=stop,
        )
    assert set(pl.concat(saved)["value"]) == {"a-1"}
