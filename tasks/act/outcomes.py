"""What became of targets: reading it back, keeping it in the journal, waiting for it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.actions import OutcomeSpecification
from connectors.ledger import Asker
from connectors.ledger.action_requests import ActionRequest, RequestState
from connectors.ledger.actions import Actions
from connectors.ledger.gate import asking
from tasks.act.kept import show_in_lake
from tasks.act.readback import is_final, read_executions
from tasks.act.run import ActionRun
from tasks.runs.progress import LANDED, Progress, tell
from tasks.runs.recorded import recorded

# Most devices that are online answer within a minute; the others take hours.
FIRST_POLL: Final = timedelta(seconds=15)
POLL_GROWTH: Final = 2
_SHOWN: Final = ("execution_id", "status", "details", "answers", "status_at")
# A target is saved again if one of these has changed.
_COMPARED: Final = ("status", "details", "answers")
_BEFORE: Final = tuple(f"{name}_before" for name in _COMPARED)


@dataclass(frozen=True, slots=True)
class Waited:
    """How waiting for a plan's outcomes ended: counts of targets that the tenant has taken."""

    targets: int
    final: int
    exports: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether every target has ended."""
        return self.final == self.targets

    def __str__(self) -> str:
        """Sum up for an operator."""
        return f"{self.final:,} of {self.targets:,} targets have ended"


def refresh(run: ActionRun, since: datetime) -> pl.DataFrame:
    """Read back what the tenant shows since a moment, and save it for requests that it has taken.

    Returns:
        All executions that were read, ours or not.

    Raises:
        PipelineError: as `read_executions`.
    """
    executions = read_executions(run, since)
    keep_shown(run, executions, since)
    return executions


def keep_shown(run: ActionRun, executions: pl.DataFrame, since: datetime) -> None:
    """Save what was read back for requests since a moment that the tenant has taken."""
    journal = run.ledger.actions
    taken = journal.requests(action=run.key, states=[RequestState.REQUESTED], since=since)
    changed = [each for each in taken if keep_seen(journal, each, executions)]
    show_in_lake(run.lake, journal, changed)


def keep_seen(journal: Actions, request: ActionRequest, executions: pl.DataFrame) -> bool:
    """Save what was read back for a request that the tenant has taken; return if it is news."""
    targets = journal.targets(intent_id=request.intent_id)
    # What the tenant left out of the request has no execution in it.
    taken = targets.filter(pl.col("code").is_null())
    changed = changed_by(taken, request.request_id, executions)
    if changed.height:
        journal.save_seen(changed)
    return bool(changed.height)


def changed_by(
    targets: pl.DataFrame, request_id: str | None, executions: pl.DataFrame
) -> pl.DataFrame:
    """Return what has changed of a request's targets: `intent_id`, `target` and what is shown.

    A campaign has one request for each target. A request that a person has declared as sent may
    have no id: then the newest execution of the target counts.
    """
    named = targets.with_columns(
        pl.coalesce("request_id", pl.lit(request_id, pl.String)).alias("expected")
    ).select(
        "intent_id",
        "target",
        "expected",
        *(pl.col(name).alias(f"{name}_before") for name in _COMPARED),
    )
    shown = executions.select("target", "request_id", *_SHOWN)
    latest = shown.unique(["target", "request_id"], keep="first", maintain_order=True)
    by_id = named.join(latest, left_on=["target", "expected"], right_on=["target", "request_id"])
    unnamed = named.filter(pl.col("expected").is_null())
    newest = shown.unique("target", keep="first", maintain_order=True)
    by_target = unnamed.join(newest.drop("request_id"), on="target")
    found = pl.concat(
        [
            by_id.select("intent_id", "target", *_BEFORE, *_SHOWN),
            by_target.select("intent_id", "target", *_BEFORE, *_SHOWN),
        ]
    )
    is_new = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in _COMPARED
    )
    return found.filter(is_new).drop(_BEFORE)


@recorded("read back", says=str)
@asking(Asker.OUTCOME)
def await_outcomes(run: ActionRun, plan_id: str, since: datetime, wait: bool) -> Waited:
    """Read back until every target of a plan has its outcome, or the action's waiting time is over.

    Raises:
        PipelineError: as `read_executions`; what was read before is kept.
    """
    outcome, began = run.specification.outcome, time.monotonic()
    deadline = run.now + outcome.wait
    targets = final = exports = 0
    for pause in pauses(outcome) if wait else [timedelta(0)]:
        run.stop.sleep(min(pause, max(deadline - run.now, timedelta(0))).total_seconds())
        refresh(run, since)
        exports += 1
        targets, final = counted(run.ledger.actions.targets(plan_id=plan_id))
        tell(Progress(run.action, "outcomes", f"{final:,} of {targets:,} have ended", final))
        if final == targets or run.now >= deadline:
            break
    tell(Progress(run.action, "outcomes", LANDED))
    return Waited(targets, final, exports, round(time.monotonic() - began, 3))


def pauses(outcome: OutcomeSpecification) -> Iterator[timedelta]:
    """Return the pauses before the polls of a run: ever longer, the last poll at the end of `wait`.

    They grow as fast as needed so that no more than `exports` polls cover the waiting time.
    """
    pause, passed = min(FIRST_POLL, outcome.poll), timedelta(0)
    steps = outcome.exports - 1
    growth = max(1.0, (outcome.wait / pause) ** (1 / steps)) if steps else 1.0
    due = pause if steps else outcome.wait
    for _ in range(outcome.exports):
        due = min(max(due, passed + pause), outcome.wait)
        yield due - passed
        passed, due = due, due * growth
        if passed >= outcome.wait:
            return
        pause = min(pause * POLL_GROWTH, outcome.poll)


def counted(rows: pl.DataFrame) -> tuple[int, int]:
    """Return how many targets the tenant has taken, and how many of them have ended."""
    taken = rows.filter(pl.col("state") == RequestState.REQUESTED.value, pl.col("code").is_null())
    return taken.height, int(taken.select(is_final(pl.col("status"))).to_series().sum())
