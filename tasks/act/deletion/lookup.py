"""What has become of deletions that were requested: by what the inventory no longer has."""

import logging

import polars as pl

from connectors.ledger.action_requests import RequestState
from tasks.act.deletion.answers import DELETION
from tasks.act.deletion.inventory import Inventory
from tasks.act.deletion.run import DeletionRun
from tasks.act.lookup import settle_left
from tasks.act.readback import SHOWS_WITHIN

logger = logging.getLogger(__name__)

# A device that was to be deleted, and that the inventory no longer has.
DELETED = "deleted"
_DOUBTFUL = (RequestState.UNKNOWN, RequestState.NOT_SEEN)


def look_up(run: DeletionRun, inventory: Inventory) -> None:
    """Settle requests of unknown outcome, and keep which devices are gone. Call it under the lease.

    A request was done if none of its devices is there any more: one may have left by itself. After
    half an hour it is `not_seen`, and a person has to find out what happened. It is never sent
    again.
    """
    settle_left(run.ledger, DELETION)
    journal = run.ledger.actions
    for request in journal.requests(action=DELETION, states=_DOUBTFUL):
        if request.sent_at is None or request.sent_at > inventory.read_at:
            # What was read before it was sent says nothing about it.
            continue
        targets = _asked(journal.targets(intent_id=request.intent_id))
        gone = keep_gone(run, inventory, targets)
        if targets.height and gone == targets.height:
            journal.requested(request.intent_id, None)
            logger.info("the devices of request %s are gone: it was done", request.intent_id)
        elif (
            request.state == RequestState.UNKNOWN
            and inventory.read_at - request.sent_at > SHOWS_WITHIN
        ):
            journal.not_seen(request.intent_id)
            logger.warning(
                "%d of the %d devices of request %s are still there: see nxp act resolve",
                targets.height - gone,
                targets.height,
                request.intent_id,
            )


def keep_gone(run: DeletionRun, inventory: Inventory, targets: pl.DataFrame) -> int:
    """Keep which of the requested devices the inventory does not have; return how many."""
    gone = targets.filter(~inventory.has(pl.col("target")))
    new = gone.filter(pl.col("status").is_null() | (pl.col("status") != DELETED))
    if new.height:
        seen = new.select(
            "intent_id",
            "target",
            pl.lit(DELETED).alias("status"),
            pl.lit(inventory.read_at).alias("status_at"),
        )
        run.ledger.actions.save_seen(seen)
    return gone.height


def keep_gone_of(run: DeletionRun, inventory: Inventory, plan_id: str) -> int:
    """Keep which devices of a plan's accepted requests are gone; return how many are not."""
    journal = run.ledger.actions
    left = 0
    for request in journal.requests(plan_id=plan_id, states=[RequestState.REQUESTED]):
        if request.sent_at is None or request.sent_at > inventory.read_at:
            continue
        targets = _asked(journal.targets(intent_id=request.intent_id))
        left += targets.height - keep_gone(run, inventory, targets)
    return left


def _asked(targets: pl.DataFrame) -> pl.DataFrame:
    """Return the targets of a request without those that were left out of it or refused."""
    return targets.filter(pl.col("code").is_null())
