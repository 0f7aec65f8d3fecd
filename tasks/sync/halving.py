"""One batch sent, and halved until each of its objects has an outcome of its own."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import polars as pl

from connectors.errors import DataRefusedError, PipelineError
from connectors.nexthink import EnrichmentAnswer
from connectors.nexthink.encoding import ObjectLayout, RequestBatch, encode
from connectors.nexthink.enrichment import UNSPECIFIED
from tasks.runs.pace import Pace
from tasks.sync.outcomes import ObjectOutcome, judge, without_answer

Push: TypeAlias = Callable[[bytes], EnrichmentAnswer]
NOT_SENT: Final = "NOT_SENT"
# Finding one bad object in 5,000 takes at most 27 requests, finding two at most 51.
MOST_REQUESTS_PER_BATCH: Final = 64
STOPPED: Final = "the run had stopped before"


@dataclass(slots=True)
class Settled:
    """What became of a batch: outcomes, pieces without an answer, and the error that ended it."""

    outcomes: list[pl.DataFrame] = field(default_factory=list)
    unanswered: list[pl.DataFrame] = field(default_factory=list)
    error: PipelineError | None = None
    requests: int = 0


@dataclass(slots=True)
class BatchSender:
    """Sends batches, each in a thread of its own, until `stop` is set.

    `is_again` means that all of it was sent before, so that it may be there already.
    """

    push: Push
    layout: ObjectLayout
    pace: Pace
    stop: threading.Event = field(default_factory=threading.Event)
    is_again: bool = False

    def settle(self, batch: RequestBatch) -> Settled:
        """Send one batch, and then halves of it while the answer does not say which are refused."""
        settled = Settled()
        waiting = deque([batch.objects])
        body, code = batch.body, UNSPECIFIED
        while waiting and settled.requests < MOST_REQUESTS_PER_BATCH and not self.stop.is_set():
            piece = waiting.popleft()
            try:
                self.pace.wait()
                settled.requests += 1
                answer = self.push(body or encode(piece, self.layout))
            except PipelineError as error:
                settled.error = error
                settled.unanswered = [piece, *waiting]
                return settled
            except Exception:
                # Stopped while it waited: the halves before this one have their answers.
                if not self.stop.is_set():
                    raise
                return settled
            body, code = b"", answer.code or code
            judged = judge(identified(piece, self.layout), answer, self.layout.fields.values())
            settled.outcomes.append(judged.filter(pl.col("outcome").is_not_null()))
            waiting.extend(_halves(piece.filter(judged["outcome"].is_null())))
        if waiting:
            self._leave(waiting, code, settled)
        return settled

    def _leave(self, waiting: deque[pl.DataFrame], code: str, settled: Settled) -> None:
        """Give up looking for the objects that are refused."""
        if self.stop.is_set() and not settled.requests and not self.is_again:
            pieces = (identified(piece, self.layout) for piece in waiting)
            settled.outcomes += [without_answer(piece, NOT_SENT, STOPPED) for piece in pieces]
            return
        if self.stop.is_set():
            settled.unanswered = list(waiting)
            return
        taken = any(
            (outcomes["outcome"] == ObjectOutcome.ACKNOWLEDGED).any()
            for outcomes in settled.outcomes
        )
        if not taken:
            settled.error = DataRefusedError(
                f"the tenant refuses whole requests, whichever objects are in them (code {code})"
            )
        reason = f"refused with others, and not alone within {MOST_REQUESTS_PER_BATCH} requests"
        settled.outcomes += [
            without_answer(identified(piece, self.layout), code, reason) for piece in waiting
        ]


def identified(objects: pl.DataFrame, layout: ObjectLayout) -> pl.DataFrame:
    """Return the identities of objects, as answers name them: `name` and `value`."""
    return objects.select(
        pl.lit(layout.identification).alias("name"), pl.col(layout.key).alias("value")
    )


def _halves(objects: pl.DataFrame) -> list[pl.DataFrame]:
    middle = objects.height // 2
    return [half for half in (objects.slice(0, middle), objects.slice(middle)) if half.height]
