"""Sending a frame of values to the tenant, so that every object ends in exactly one outcome.

A few requests are under way at once. If one is refused because of objects that the answer does not
name, it is halved until those are alone. Objects without an answer are sent once more at the end.
The run stops if the tenant answers no requests, refuses the credential or every request, or has
reached a limit: the objects that have not been sent are then unknown.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import polars as pl

from connectors.errors import LimitReachedError, PipelineError, UnavailableError, UsageError
from connectors.nexthink.encoding import (
    ObjectLayout,
    RequestBatch,
    batches,
    check_objects,
    encode,
    with_values,
)
from connectors.nexthink.models import DEFAULT_BYTES, DEFAULT_OBJECTS
from tasks.runs.pace import Pace
from tasks.runs.stopping import Stop, pool_of, unbroken
from tasks.sync.halving import NOT_SENT, STOPPED, BatchSender, Push, Settled, identified
from tasks.sync.outcomes import ObjectOutcome, without_answer

logger = logging.getLogger(__name__)

Save: TypeAlias = Callable[[pl.DataFrame], None]

NO_ANSWER: Final = "NO_ANSWER"
# The code of objects whose request got an answer that says nothing about them.
_ANSWERED: Final = "HTTP_{}"
# Statuses of what stands before the API, or of an API that did not get to an answer.
_NO_ANSWERS: Final = frozenset(range(500, 600)) | {408}
_UNREAD: Final = frozenset(range(400, 500)) - {408}

MOST_CONCURRENCY: Final = 16
# Each of them has been tried for 15 s: this is an outage, which is left to the next scheduled run.
MOST_UNANSWERED: Final = 3
PAUSE_BEFORE_AGAIN_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PushLimits:
    """How much goes into a request, how many are under way, and how many start in a minute."""

    objects: int = DEFAULT_OBJECTS
    bytes: int = DEFAULT_BYTES
    concurrency: int = 2
    per_minute: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.concurrency <= MOST_CONCURRENCY:
            raise UsageError(f"concurrency must be from 1 to {MOST_CONCURRENCY}")
        if self.per_minute is not None and self.per_minute <= 0:
            raise UsageError("per_minute must be more than 0")


@dataclass(slots=True)
class Pushed:
    """What became of a frame. `stopped` is why not everything was sent.

    `lost` is the last error of a request that was not answered, or whose answer says nothing.
    """

    outcomes: Counter[ObjectOutcome] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    stopped: PipelineError | None = None
    lost: PipelineError | None = None


def is_unread(code: str | None) -> bool:
    """Return whether an object was certainly not taken: not sent, or its request refused unread."""
    return code == NOT_SENT or code in {_ANSWERED.format(status) for status in _UNREAD}


def push_batches(
    push: Push,
    objects: pl.DataFrame,
    layout: ObjectLayout,
    save: Save,
    *,
    limits: PushLimits | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    stop: Stop | None = None,
) -> Pushed:
    """Send all objects that have a value, and pass each to `save` with its outcome, once.

    Args:
        push: `client.enrichment.push`.
        objects: one row per object, with a unique key.
        layout: what the columns mean.
        save: receives the outcomes of some objects (name, value, outcome, code, reason) as soon as
            they are known; called from this thread.
        limits: the limits of requests.
        clock: a monotonic clock in seconds, for the rate.
        sleep: how to wait.
        stop: how long requests under way may take once this thread is interrupted (a signal);
            their answers are saved before the exception is raised again.

    Raises:
        DataRefusedError: the frame cannot be sent; nothing was sent.
    """
    limits = limits or PushLimits()
    check_objects(objects, layout)
    rows = with_values(objects, layout)
    pace, stop = Pace(limits.per_minute, clock, sleep), stop or Stop(sleep)
    with pool_of(limits.concurrency, "push", stop) as pool:
        run = _Run(push, layout, save, limits.concurrency, pace, pool)
        try:
            sent = run.send(
                batches(rows, layout, most_objects=limits.objects, most_bytes=limits.bytes)
            )
            if run.unanswered and not run.result.stopped:
                sleep(PAUSE_BEFORE_AGAIN_SECONDS)
                run.send_again()
            run.give_up_unanswered()
            run.give_up([rows.slice(sent)], NOT_SENT, STOPPED)
        except BaseException as error:
            run.sender.stop.set()
            stop.let_end(run.under_way, error)
            run.take_answers()
            raise
        finally:
            run.sender.stop.set()
    return run.result


class _Unanswered(NamedTuple):
    """Objects that were sent, and why nothing is known about them; None if the run was stopped."""

    objects: pl.DataFrame
    error: PipelineError | None


class _Run:
    """One push: requests in threads, everything else in the caller's."""

    def __init__(
        self,
        push: Push,
        layout: ObjectLayout,
        save: Save,
        concurrency: int,
        pace: Pace,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.result = Pushed()
        self.unanswered: list[_Unanswered] = []
        self.sender = BatchSender(push, layout, pace)
        self._layout = layout
        self._save = save
        self._concurrency = concurrency
        self._pool = pool
        self._in_a_row = 0
        self.under_way: set[Future[Settled]] = set()

    def send(self, requests: Iterator[RequestBatch]) -> int:
        """Send batches until none is left or the run stops; return how many objects were begun."""
        begun = 0
        while True:
            while len(self.under_way) < self._concurrency and not self.result.stopped:
                batch = next(requests, None)
                if batch is None:
                    break
                begun += batch.objects.height
                # The context carries Prefect's run, so that logs of threads belong to it.
                self.under_way.add(self._pool.submit(copy_context().run, self.sender.settle, batch))
            if not self.under_way:
                return begun
            done, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
            with unbroken():
                for future in done:
                    self._take(future.result())
                    self.under_way.remove(future)

    def take_answers(self) -> None:
        """Save the answers to requests that were under way when the run was interrupted."""
        for future in self.under_way:
            if future.done():
                with suppress(Exception):
                    self._take(future.result())

    def send_again(self) -> None:
        """Send once more what got no answer."""
        before, self.sender.is_again = self.unanswered, True
        waiting = deque(each.objects for each in before)
        self.unanswered = []
        self.send(self._encoded(waiting))
        self.unanswered += before[len(before) - len(waiting) :]

    def give_up_unanswered(self) -> None:
        """Save as unknown what got no answer, or one that says nothing about the objects."""
        for objects, error in self.unanswered:
            exchange = error.exchange if error else None
            status = exchange.status if exchange else None
            if status is None or status in _NO_ANSWERS:
                self.give_up([objects], NO_ANSWER, "sent, and not answered")
            else:
                code = _ANSWERED.format(status)
                self.give_up([objects], code, f"the whole request was answered with HTTP {status}")
            self.result.lost = error or self.result.lost

    def give_up(self, pieces: list[pl.DataFrame], code: str, reason: str) -> None:
        """Save objects as unknown."""
        for piece in pieces:
            if piece.height:
                self._keep(without_answer(identified(piece, self._layout), code, reason))

    def _encoded(self, waiting: deque[pl.DataFrame]) -> Iterator[RequestBatch]:
        while waiting:
            piece = waiting.popleft()
            yield RequestBatch(piece, encode(piece, self._layout))

    def _take(self, settled: Settled) -> None:
        self.result.requests += settled.requests
        for outcomes in settled.outcomes:
            self._keep(outcomes)
        error = settled.error
        self.unanswered += [_Unanswered(piece, error) for piece in settled.unanswered]
        self._in_a_row = self._in_a_row + 1 if error else 0
        if error is None or self.result.stopped:
            return
        logger.warning("%s", error)
        may_pass = isinstance(error, UnavailableError) and not isinstance(error, LimitReachedError)
        if not may_pass or self._in_a_row >= MOST_UNANSWERED:
            self.result.stopped = error
            self.sender.stop.set()

    def _keep(self, outcomes: pl.DataFrame) -> None:
        self._save(outcomes)
        for outcome, count in outcomes["outcome"].value_counts().iter_rows():
            self.result.outcomes[ObjectOutcome(outcome)] += count
        for code, count in outcomes["code"].drop_nulls().value_counts().iter_rows():
            self.result.codes[code] += count
