"""What became of targets: read back, kept in the journal, waited for."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.ledger import RequestState
from tasks.act.readback import is_final, read_executions
from tasks.act.run import ActionRun
from tasks.runs.progress import LANDED, Progress, tell
from tasks.runs.recorded import recorded

# Most devices that are online answer within a minute; the others take hours.
FIRST_POLL: Final = timedelta(seconds=15)
POLL_GROWTH: Final = 2
_SHOWN: Final = ("execution_id", "status", "details", "answers", "status_at")
# What is kept again where it has changed.
_TOLD: Final = ("status", "details", "answers")
_BEFORE: Final = tuple(f"{name}_before" for name in _TOLD)


@dataclass(frozen=True, slots=True)
class Waited:
    """How waiting for a plan's outcomes ended: counts of targets that the tenant has taken."""

    targets: int
    final: int
    exports: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to come."""
        return self.final == self.targets

    def __str__(self) -> str:
        """Sum up for an operator."""
        return f"{self.final:,} of {self.targets:,} targets have ended"


def refresh(run: ActionRun, since: datetime) -> pl.DataFrame:
    """Read back what the tenant shows since a moment, and keep it for requests that it has taken.

    Returns:
        All executions that were read, ours or not.

    Raises:
        PipelineError: as `read_executions`.
    """
    executions = read_executions(run, since)
    keep_shown(run, executions, since)
    return executions


def keep_shown(run: ActionRun, executions: pl.DataFrame, since: datetime) -> None:
    """Keep what was read back for requests since a moment that the tenant has taken."""
    journal = run.ledger.actions
    taken = journal.requests(action=run.key, states=[RequestState.REQUESTED], since=since)
    for request in taken:
        targets = journal.targets(intent_id=request.intent_id)
        changed = changed_by(targets, request.request_id, executions)
        if changed.height:
            journal.save_seen(changed)


def changed_by(
    targets: pl.DataFrame, request_id: str | None, executions: pl.DataFrame
) -> pl.DataFrame:
    """Give what is new of a request's targets: `intent_id`, `target` and what is shown of them.

    A campaign has a request for each target; a request that a person says was sent may have no id,
    then the newest execution of the target counts.
    """
    named = targets.with_columns(
        pl.coalesce("request_id", pl.lit(request_id, pl.String)).alias("expected")
    ).select(
        "intent_id", "target", "expected", *(pl.col(name).alias(f"{name}_before") for name in _TOLD)
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
    is_new = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in _TOLD)
    return found.filter(is_new).drop(_BEFORE)


@recorded("read back", says=str)
def await_outcomes(run: ActionRun, plan_id: str, since: datetime, wait: bool) -> Waited:
    """Read back until every target of a plan has its outcome, or the action's wait is over.

    Raises:
        PipelineError: as `read_executions`; what was read before is kept.
    """
    outcome, began = run.specification.outcome, time.monotonic()
    deadline = run.now + outcome.wait
    pause, exports = min(FIRST_POLL, outcome.poll), 0
    while True:
        if exports or wait:
            run.stop.sleep(min(pause, max(deadline - run.now, timedelta(0))).total_seconds())
        refresh(run, since)
        exports += 1
        targets, final = counted(run.ledger.actions.targets(plan_id=plan_id))
        tell(Progress(run.action, "outcomes", f"{final:,} of {targets:,} have ended", final))
        if not wait or final == targets or run.now >= deadline:
            tell(Progress(run.action, "outcomes", LANDED))
            return Waited(targets, final, exports, round(time.monotonic() - began, 3))
        pause = min(pause * POLL_GROWTH, outcome.poll)


def counted(rows: pl.DataFrame) -> tuple[int, int]:
    """Count the targets that the tenant has taken, and those of them that have ended."""
    taken = rows.filter(pl.col("state") == RequestState.REQUESTED.value, pl.col("code").is_null())
    return taken.height, int(taken.select(is_final(pl.col("status"))).to_series().sum())
