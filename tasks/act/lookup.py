"""Looking up requests that the tenant may or may not have taken; they are never sent again."""

import logging
from datetime import timedelta
from typing import Final

import polars as pl

from connectors.actions import ActionKind
from connectors.ledger import Ledger
from connectors.ledger.action_requests import ActionRequest, RequestState
from tasks.act.preconditions import require_own_shown
from tasks.act.readback import SHOWS_WITHIN, SKEW, read_executions
from tasks.act.run import ActionRun

logger = logging.getLogger(__name__)

# After this time a request has been answered or given up.
_UNDER_WAY: Final = timedelta(minutes=10)
_LEFT_OVER: Final = "the command had ended before it was sent"
_BY_API: Final = ("api", "external_api", "api_call")


def look_up(run: ActionRun, executions: pl.DataFrame | None = None) -> list[ActionRequest]:
    """Settle requests of unknown outcome that the tenant shows; return those that are left.

    Call it under the action's lease: a request still marked as being sent is then in doubt. One
    that does not show within half an hour is `not_seen`: a person has to find out what happened.

    Args:
        run: of the action.
        executions: what was just read back, if anything.

    Raises:
        DataRefusedError: the query hides requests that the tenant has accepted.
        PipelineError: as `read_executions`.
    """
    journal = run.ledger.actions
    settle_left(run.ledger, run.key)
    doubtful = (RequestState.UNKNOWN, RequestState.NOT_SEEN)
    unknown = journal.requests(action=run.key, states=doubtful)
    if not unknown:
        return []
    since = min(request.sent_at or request.created_at or run.now for request in unknown)
    if executions is None:
        executions = read_executions(run, since)
    known = journal.request_ids(*run.key)
    for request in unknown:
        targets = journal.targets(intent_id=request.intent_id)
        seen = shown_of(request, targets, executions, known)
        if seen.height:
            ids = seen["request_id"].drop_nulls().unique().to_list()
            # In a campaign every target has its own id.
            journal.requested(request.intent_id, ids[0] if len(ids) == 1 else None, seen)
            logger.info("%s: the tenant shows request %s", run.action, request.intent_id)
        elif request.state == RequestState.UNKNOWN and _is_late(run, request):
            # A query that hides requests says nothing about this one.
            require_own_shown(run, executions, since)
            journal.not_seen(request.intent_id)
            logger.warning(
                "%s: the tenant does not show request %s of %d targets: see nxp act resolve",
                run.action,
                request.intent_id,
                request.targets,
            )
    return journal.requests(action=run.key, states=doubtful)


def settle_left(ledger: Ledger, key: tuple[str, str]) -> None:
    """Settle requests of an action that ended commands left; call it under the action's lease.

    A request that was being sent is in doubt; one that had not been sent never will be.
    """
    ledger.actions.doubt(*key)
    for left in ledger.actions.requests(action=key, states=[RequestState.INTENT]):
        if left.plan_id is None:
            ledger.actions.give_up(left.intent_id, _LEFT_OVER)


def shown_of(
    request: ActionRequest, targets: pl.DataFrame, executions: pl.DataFrame, known: pl.Series
) -> pl.DataFrame:
    """Return the executions of a request (`target` and `request_id`), or none.

    The intent id in the reason is certain proof. Without it those executions count that began while
    the request was sent, by the API, for its targets only, under an id that none of our other
    requests has.
    """
    columns = ["target", "request_id"]
    certain = executions.filter(
        pl.col("reason").str.contains(request.intent_id, literal=True).fill_null(value=False)
    )
    if certain.height:
        mine = certain.filter(pl.col("target").is_in(targets["target"].implode()))
        return mine.unique("target", keep="first").select(columns)
    if request.sent_at is None or executions["reason"].is_not_null().any():
        # The tenant shows reasons, but ours is not among them.
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
        # Somebody else requested the same at the same time: it is not known which one is ours.
        mine = mine.clear()
    return mine.unique("target", keep="first", maintain_order=True).select(columns)


def _is_late(run: ActionRun, request: ActionRequest) -> bool:
    sent_at = request.sent_at or request.created_at
    return sent_at is not None and run.now - sent_at > SHOWS_WITHIN
