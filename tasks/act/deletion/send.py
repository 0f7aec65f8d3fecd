"""Sending a plan's deletions, each at most once, of devices that are as the plan says.

A device is deleted only if the inventory, read right before, still has it under the same name and
has not seen it since the plan was made.
"""

from datetime import timedelta
from typing import Final

import polars as pl

from connectors.errors import ActionRefusedError
from connectors.ledger import Lease
from connectors.ledger.action_requests import RequestState
from connectors.nexthink.acting.devices import DeviceDeletionRequest, DeviceEntry
from tasks.act.deletion.answers import seen_of
from tasks.act.deletion.inventory import Inventory, read_inventory
from tasks.act.deletion.named import AMBIGUOUS, NO_LAST_SEEN, UNKNOWN
from tasks.act.deletion.plan import DeletionPlan, is_too_old
from tasks.act.deletion.run import ACTION, DeletionRun
from tasks.act.send import Send, TakenRequest, send_once
from tasks.runs.progress import LANDED, Progress, tell

SEEN_SINCE: Final = "seen_since"
RENAMED: Final = "renamed"
# Devices come online all the time: what was read longer ago is read again.
_FRESH: Final = timedelta(minutes=2)
_TOO_OLD: Final = "interrupted for 24 hours"
_NOBODY_LEFT: Final = "none of its devices may be deleted any more"


def delete_planned(
    run: DeletionRun, plan: DeletionPlan, inventory: Inventory, lease: Lease
) -> None:
    """Send a plan's requests that have not been sent, one after the other. Call it under the lease.

    It ends at the first request that is not accepted; those after it have not left. A refusal would
    apply to the others too, so they are given up; after anything else the plan can be resumed.

    Raises:
        ActionRefusedError: the tenant refuses a request; the others are given up.
        AccessError, LimitReachedError, NotSentError: this request and the others were not done.
        UnknownOutcomeError: one request may have been done; the others have not been sent.
        HeldError: another run took deletions over.
    """
    journal = run.ledger.actions
    waiting = journal.requests(plan_id=plan.record.plan_id, states=[RequestState.INTENT])
    for number, request in enumerate(waiting, 1):
        tell(Progress(ACTION, "send", f"request {number} of {len(waiting)}"))
        run.stop.check()
        if run.now - inventory.read_at > _FRESH:
            inventory = read_inventory(run)
        if is_too_old(plan.record, run.now):
            journal.give_up(request.intent_id, _TOO_OLD)
            continue
        kept = _kept(run, request.intent_id, judged(plan.of(request.intent_id), inventory))
        if kept.is_empty():
            journal.give_up(request.intent_id, _NOBODY_LEFT)
            continue
        lease.check()
        try:
            send_once(run.ledger, request.intent_id, _sender(run, kept), run.stop.seconds)
        except ActionRefusedError as error:
            for other in waiting[number:]:
                journal.give_up(other.intent_id, f"refused before: {error.code or 'no code'}")
            raise
    tell(Progress(ACTION, "send", LANDED))


def judged(rows: pl.DataFrame, inventory: Inventory) -> pl.DataFrame:
    """Return planned rows with the reason why each must not be deleted now, null if it may be."""
    now = inventory.devices.group_by("uid").agg(
        pl.len().alias("rows"),
        pl.col("name").first().alias("name_now"),
        pl.col("last_seen").max().alias("seen_now"),
        pl.col("last_seen").has_nulls().alias("is_unsure"),
    )
    reason = (
        pl.when(pl.col("rows").is_null())
        .then(pl.lit(UNKNOWN))
        .when(pl.col("rows") > 1)
        .then(pl.lit(AMBIGUOUS))
        .when(pl.col("is_unsure"))
        .then(pl.lit(NO_LAST_SEEN))
        .when(pl.col("seen_now") != pl.col("last_seen"))
        .then(pl.lit(SEEN_SINCE))
        .when(pl.col("name_now").ne_missing(pl.col("name")))
        .then(pl.lit(RENAMED))
    )
    joined = rows.join(now, left_on="target", right_on="uid", how="left", maintain_order="left")
    return joined.with_columns(reason=reason).select(rows.columns)


def _kept(run: DeletionRun, intent_id: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that may be deleted; keep in the journal why the others are left out.

    A device that an earlier run of the plan has left out stays so.
    """
    known = run.ledger.actions.targets(intent_id=intent_id)
    left_before = known.filter(pl.col("code").is_not_null())["target"]
    rows = rows.filter(~pl.col("target").is_in(left_before.implode()))
    left_out = rows.drop_nulls("reason").select(
        pl.lit(intent_id).alias("intent_id"), "target", pl.col("reason").alias("code")
    )
    if left_out.height:
        run.ledger.actions.save_seen(left_out)
    return rows.filter(pl.col("reason").is_null())


def _sender(run: DeletionRun, rows: pl.DataFrame) -> Send:
    entries = [DeviceEntry(uid, name) for uid, name in rows.select("target", "name").iter_rows()]
    request = DeviceDeletionRequest(entries)
    client = run.tools.client
    return lambda: TakenRequest(None, seen_of(request, client.devices.delete(request)))
