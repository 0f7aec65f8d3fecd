"""Requests of which nobody knows whether the tenant has taken them: looked up, never sent again."""

import logging
from datetime import timedelta
from typing import Final

import polars as pl

from connectors.actions import ActionKind
from connectors.ledger import ActionRequest, Ledger, RequestState
from tasks.act.readback import SKEW, read_executions
from tasks.act.run import ActionRun

logger = logging.getLogger(__name__)

# Until then a tenant may still show it.
SHOWS_WITHIN: Final = timedelta(minutes=30)
# A request that was under way that long has been answered or given up.
_UNDER_WAY: Final = timedelta(minutes=10)
_LEFT_OVER: Final = "the command had ended before it was sent"
_BY_API: Final = ("api", "external_api", "api_call")


def look_up(run: ActionRun, executions: pl.DataFrame | None = None) -> list[ActionRequest]:
    """Settle requests of unknown outcome that the tenant shows; give those that are left.

    Call it under the action's lease: what was being sent by somebody is in doubt then. One that
    does not show within half an hour is `not_seen`: a person has to say what it is.

    Args:
        run: of the action.
        executions: what was read back just now, if it was.

    Raises:
        PipelineError: as `read_executions`.
    """
    journal = run.ledger.actions
    settle_left(run.ledger, run.key)
    doubtful = (RequestState.UNKNOWN, RequestState.NOT_SEEN)
    unknown = journal.requests(action=run.key, states=doubtful)
    if not unknown:
        return []
    if executions is None:
        since = min(request.sent_at or request.created_at or run.now for request in unknown)
        executions = read_executions(run, since)
    known = journal.request_ids(*run.key)
    for request in unknown:
        targets = journal.targets(intent_id=request.intent_id)
        seen = shown_of(request, targets, executions, known)
        if seen.height:
            ids = seen["request_id"].drop_nulls().unique().to_list()
            # Of a campaign every target has its own.
            journal.requested(request.intent_id, ids[0] if len(ids) == 1 else None, seen)
            logger.info("%s: request %s has shown", run.action, request.intent_id)
        elif request.state == RequestState.UNKNOWN and _is_late(run, request):
            journal.not_seen(request.intent_id)
            logger.warning(
                "%s: request %s of %d targets does not show: nxp act resolve",
                run.action,
                request.intent_id,
                request.targets,
            )
    return journal.requests(action=run.key, states=doubtful)


def settle_left(ledger: Ledger, key: tuple[str, str]) -> None:
    """Settle what ended commands left of an action; call it under the action's lease.

    What was being sent is in doubt; what had not been sent never will be.
    """
    ledger.actions.doubt(*key)
    for left in ledger.actions.requests(action=key, states=[RequestState.INTENT]):
        if left.plan_id is None:
            ledger.actions.give_up(left.intent_id, _LEFT_OVER)


def shown_of(
    request: ActionRequest, targets: pl.DataFrame, executions: pl.DataFrame, known: pl.Series
) -> pl.DataFrame:
    """Give the executions that are of a request: `target` and `request_id`, or nothing.

    The intent id in the reason tells for certain. Without it those count that began while it was
    sent, by the API, for its targets only, under an id that is of no other request of ours.
    """
    columns = ["target", "request_id"]
    certain = executions.filter(
        pl.col("reason").str.contains(request.intent_id, literal=True).fill_null(value=False)
    )
    if certain.height:
        mine = certain.filter(pl.col("target").is_in(targets["target"].implode()))
        return mine.unique("target", keep="first").select(columns)
    if request.sent_at is None or executions["reason"].is_not_null().any():
        # The tenant shows reasons, and ours is not among them.
        return executions.select(columns).clear()
    fits = (
        pl.col("requested_at").is_between(request.sent_at - SKEW, request.sent_at + _UNDER_WAY)
        & (pl.col("trigger").is_null() | pl.col("trigger").is_in(list(_BY_API)))
        & pl.col("request_id").is_not_null()
        & ~pl.col("request_id").is_in(known.implode())
    )
    of_others = executions.filter(~pl.col("target").is_in(targets["target"].implode()))
    mine = executions.filter(
        fits, ~pl.col("request_id").is_in(of_others["request_id"].drop_nulls().implode())
    )
    if request.kind != ActionKind.CAMPAIGN and mine["request_id"].n_unique() > 1:
        # Somebody else asked for the same at the same time: which one is ours cannot be told.
        mine = mine.clear()
    return mine.unique("target", keep="first", maintain_order=True).select(columns)


def _is_late(run: ActionRun, request: ActionRequest) -> bool:
    sent_at = request.sent_at or request.created_at
    return sent_at is not None and run.now - sent_at > SHOWS_WITHIN
