"""Applying a plan: send what it says, chunk by chunk of keys, and record the outcomes.

A chunk is recorded before it is sent, and each answer as soon as it comes. So after a kill at any
moment the ledger knows for every value whether Nexthink has it, does not have it, or may have it.
"""

import logging
import time
from typing import Final

import polars as pl

from connectors.errors import PipelineError
from connectors.lake.records import write_changes, write_rejects
from connectors.ledger import Lease
from connectors.ledger.enriched import ValueState
from connectors.nexthink import EnrichmentAnswer
from tasks.runs.pace import Pace
from tasks.runs.progress import Progress, tell
from tasks.runs.stopping import StoppedError
from tasks.sync.applied import Applied
from tasks.sync.conflicts import VERDICT, divided, judged, rule_of, unseen
from tasks.sync.objects import IDENTITY, as_objects
from tasks.sync.outcomes import ObjectOutcome, errors_of, in_words
from tasks.sync.plan_file import SyncPlan
from tasks.sync.plan_rows import Action
from tasks.sync.planning import fields_of
from tasks.sync.push import PushLimits, push_batches
from tasks.sync.run import SyncRun
from tasks.sync.settled import Tried, known_rows
from tasks.sync.tenant_values import FRESH, read_tenant
from tasks.sync.wanted import RANGE_KEYS

logger = logging.getLogger(__name__)

SENDING: Final = "sending"

_CELL: Final = ["key", "field"]
_KNOWN_BEFORE: Final = ("value", "acknowledged_at", "attempts", "code", "stood", "stood_by")


def apply_plan(
    run: SyncRun, plan: SyncPlan, lease: Lease, *, is_resumed: bool, most: int = RANGE_KEYS
) -> Applied:
    """Send what a plan says, once; a plan that was interrupted is resumed.

    Args:
        run: the sync's run.
        plan: the plan, begun in the ledger.
        lease: on the sync.
        is_resumed: an earlier run has begun the plan.
        most: the most objects in a chunk.

    Raises:
        HeldError: another run took the sync over.
        DataRefusedError: the plan has a value that cannot be sent; its chunk was not sent.
        UnavailableError: the ledger cannot be used, or the tenant not be read; what was
            acknowledged before is recorded.
    """
    began, applied = time.monotonic(), Applied()
    sender = Sender(run, plan, applied)
    plans, settled_to = run.ledger.plans, plan.record.settled_to
    chunks = plan.chunks(settled_to, most=min(most, _objects_at_once(run)))
    for rows in chunks:
        last = str(rows["key"][-1])
        run.stop.check()
        if not sender.looks():
            applied.leave(rows)
            for left in chunks:
                applied.leave(left)
            break
        lease.check()
        plans.begin(plan.plan_id, last)
        sender.send(sender.left_of(rows) if is_resumed else rows)
        if applied.stopped:
            # Each outcome is saved: unlike after a kill, nothing of the chunk is in doubt.
            plans.begin(plan.plan_id, settled_to or "")
            for left in chunks:
                applied.leave(left)
            break
        if applied.is_complete:
            plans.settle(plan.plan_id, last)
            settled_to = last
    if applied.is_complete:
        plans.finish(plan.plan_id)
    applied.seconds = time.monotonic() - began
    return applied


def _objects_at_once(run: SyncRun) -> int:
    """Return how many objects are sent within the time for which a read of the tenant counts."""
    push = run.specification.push
    if push.per_minute is None:
        return RANGE_KEYS
    minutes = FRESH.total_seconds() / 60
    return max(push.objects, int(push.objects * push.per_minute * minutes))


class Sender:
    """Sends the chunks of one plan, and records what becomes of them."""

    def __init__(self, run: SyncRun, plan: SyncPlan, applied: Applied) -> None:
        self._run = run
        self._applied = applied
        self._plan_id = plan.plan_id
        self._held = plan.held
        push = run.specification.push
        self._limits = PushLimits(
            objects=push.objects, bytes=push.bytes, concurrency=push.concurrency
        )
        self._pace = Pace(push.per_minute, time.monotonic, run.stop.sleep)
        self._mappings = fields_of(run.specification).mappings
        self._files = 0
        self._outcomes: list[pl.DataFrame] = []

    def looks(self) -> bool:
        """Read what the tenant holds, unless it was read within the last minutes.

        Returns:
            Whether sending may go on; if not, something was sent before, and the reason is kept.

        Raises:
            DataRefusedError: what was read is incomplete; nothing was sent.
            UnavailableError: the tenant cannot be reached; nothing was sent.
        """
        if self._run.specification.verify is None:
            return True
        if self._held is not None and self._held.is_fresh(self._run.tools.clock()):
            return True
        try:
            self._held = read_tenant(self._run)
        except PipelineError as error:
            if not self._applied.requests:
                raise
            self._applied.stopped = error
        return self._applied.stopped is None

    def left_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that an interrupted run of this plan left: it saved each answer."""
        ours = (
            self._known(rows)
            .filter(pl.col("plan_id") == self._plan_id)
            .select(*_CELL, "value", "open_value", "state")
        )
        is_taken = (pl.col("state") == ValueState.ACKNOWLEDGED) & (
            pl.col("value") == pl.col("after")
        )
        is_refused = pl.col("state").is_in([ValueState.REJECTED, ValueState.UNKNOWN])
        is_refused &= pl.col("open_value") == pl.col("after")
        joined = rows.join(ours, on=_CELL, how="left", maintain_order="left").with_columns(
            is_done=(is_taken | is_refused).fill_null(value=False),
            is_refused=is_refused.fill_null(value=False),
        )
        # A value that is settled and then emptied or changed has two rows: both are done then.
        is_settle, is_clear = pl.col("action") == Action.SETTLE, pl.col("action") == Action.CLEAR
        followed = joined.filter(pl.col("is_done") & ~is_settle)
        left = joined.filter(~pl.col("is_done")).select(rows.columns)
        done = left.filter(is_settle).join(followed, on=_CELL, how="semi")
        # A value that could not be settled is not emptied either.
        refused = joined.filter(is_settle & pl.col("is_refused"))
        done = pl.concat([done, left.filter(is_clear).join(refused, on=_CELL, how="semi")])
        left = left.join(done, on=[*_CELL, "action"], how="anti", maintain_order="left")
        self._applied.settled_before += rows.height - left.height
        return left

    def send(self, rows: pl.DataFrame) -> None:
        """Send the rows of a chunk: first the values to be settled, then the rest.

        What others have set in the meantime is left alone.
        """
        rows = self._allowed(rows)
        is_settle = pl.col("action") == Action.SETTLE
        settle, rest = rows.filter(is_settle), rows.filter(~is_settle)
        self._outcomes = []
        settled = self._push(settle)
        is_refused = pl.col("state").is_in([ValueState.REJECTED, ValueState.UNKNOWN])
        refused = settled.filter(is_refused)
        # A refused value is not there: a change may follow, but there is nothing to empty.
        clears = rest.filter(pl.col("action") == Action.CLEAR).join(refused, on=_CELL, how="semi")
        # A value that may still be there must be neither emptied nor forgotten.
        taken = settled.filter(pl.col("state") == ValueState.ACKNOWLEDGED)
        unsure = settle.join(pl.concat([taken, refused]), on=_CELL, how="anti")
        held = rest.join(unsure, on=_CELL, how="semi")
        self._applied.held_back += held.height
        left = pl.concat([clears, held])
        self._applied.leave_values(left)
        rest = rest.join(left, on=[*_CELL, "action"], how="anti", maintain_order="left")
        if not self._applied.stopped:
            self._push(rest)
        else:
            self._applied.leave_values(rest)
        self._applied.add_objects(self._outcomes)

    def _allowed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that may be sent, by what the tenant holds; count the others."""
        if self._held is None:
            found = unseen(rows)
        else:
            shown = self._held.of(rows["key"].unique(), rows["field"].unique())
            rule = rule_of(self._run.specification, self._held)
            found = judged(rows, self._known(rows), shown, rule)
        sent, left = divided(found)
        counts = left.group_by("action", VERDICT).len()
        for action, verdict, count in counts.iter_rows():
            self._applied.values[action, verdict] += count
            self._applied.met[verdict] += count
        return sent

    def _push(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Send rows, each field of an object once; return the cells with their states after it."""
        if rows.is_empty():
            return rows.select(*_CELL, pl.lit("").alias("state"))
        run, states, known = self._run, list[pl.DataFrame](), self._known(rows)
        rows = rows.join(
            known.select(*_CELL, *_KNOWN_BEFORE),
            on=_CELL,
            how="left",
            maintain_order="left",
        )
        objects, layout = as_objects(
            rows, run.specification.identification.name, run.specification.domain
        )

        def push(body: bytes) -> EnrichmentAnswer:
            self._pace.wait()
            if run.stop.is_stopping:
                raise StoppedError
            return run.tools.client.enrichment.push(body)

        def save(outcomes: pl.DataFrame) -> None:
            states.append(self._save(rows, outcomes))

        pushed = push_batches(
            push,
            objects,
            layout,
            save,
            limits=self._limits,
            sleep=run.stop.sleep,
            stop=run.stop,
        )
        self._applied.requests += pushed.requests
        self._applied.stopped = self._applied.stopped or pushed.stopped
        self._applied.lost = pushed.lost or self._applied.lost
        return pl.concat(states)

    def _save(self, rows: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
        """Record the outcomes of some objects: changes, ledger, rejects; return their states."""
        run, now = self._run, self._run.tools.clock()
        sent = rows.join(outcomes.select(pl.col("value").alias(IDENTITY)), on=IDENTITY, how="semi")
        known = known_rows(sent, outcomes, Tried(now, self._plan_id, self._mappings))
        judged_now = _became(sent, known)
        changed = judged_now.filter(pl.col("state") == ValueState.ACKNOWLEDGED)
        self._files += 1
        if changed.height:
            # Written before the ledger: acknowledged values in it are never sent or recorded again.
            columns = changed.select("key", "field", "before", "set_by", "after", "action")
            write_changes(run.lake, run.sync, run.run_id, self._files, now, columns.to_arrow())
        run.ledger.enriched.save(run.sync, _ours(sent, known))
        self._reject(outcomes)
        self._outcomes.append(outcomes)
        self._applied.add_values(judged_now)
        tell(Progress(run.sync, self._plan_id, SENDING, sum(self._applied.values.values())))
        return judged_now.select(*_CELL, "state")

    def _known(self, rows: pl.DataFrame) -> pl.DataFrame:
        return self._run.ledger.enriched.read_keys(self._run.sync, rows["key"].unique())

    def _reject(self, outcomes: pl.DataFrame) -> None:
        """Write refused objects to the rejects.

        Their identities, and the tenant's own words, go into the protected file.
        """
        refused = outcomes.filter(pl.col("outcome") == ObjectOutcome.REJECTED)
        if refused.is_empty():
            return
        code, reason = pl.col("code"), pl.col("reason").fill_null("")
        text = pl.when(reason == "").then(code).otherwise(pl.concat_str(code, pl.lit(": "), reason))
        write_rejects(
            self._run.lake,
            self._run.sync,
            f"{self._run.started_at:%Y%m%dT%H%M%SZ}-{self._files}",
            self._run.run_id,
            refused.select(record=pl.lit(None, pl.Int64), reasons=pl.concat_list(text)).to_arrow(),
            [
                ": ".join(part for part in (identity, in_words(errors_of(errors))) if part)
                for identity, errors in refused.select("value", "errors").iter_rows()
            ],
        )


def _became(sent: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return what was sent with its state and code; what others had set counts as taken."""
    is_restored = (pl.col("action") == Action.RESTORE.value) & (
        pl.col("state") == ValueState.THEIRS.value
    )
    taken = pl.lit(ValueState.ACKNOWLEDGED.value)
    states = known.select(*_CELL, "state", "code")
    return (
        sent.drop("code")
        .join(states, on=_CELL, how="left")
        .with_columns(state=pl.when(is_restored).then(taken).otherwise("state"))
    )


def _ours(sent: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the rows to record: a value of others that was not restored is never wanted by us."""
    restores = sent.filter(pl.col("action") == Action.RESTORE.value)
    not_restored = known.filter(pl.col("state") != ValueState.THEIRS.value).join(
        restores, on=_CELL, how="semi"
    )
    return known.join(not_restored, on=_CELL, how="anti", maintain_order="left")
