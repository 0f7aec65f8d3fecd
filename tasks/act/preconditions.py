"""What has to hold before anybody is acted on: what the tenant shows decides who is left out.

At most once holds within one ledger, needs an executions query that hides nothing, and a cool-down
needs a clock that agrees with the tenant's.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.catalogue import query_path
from connectors.catalogue.retention import RetentionClass, kept_for
from connectors.errors import ConfigurationError, DataRefusedError, HeldError
from connectors.ledger.action_requests import ActionRequest, RequestState
from connectors.nexthink.acting.intents import LEDGER_IN_REASON
from nql.errors import NqlError
from nql.frames import reach_of
from nql.parser import parse
from tasks.act.exclusions import elsewhere
from tasks.act.outcomes import refresh
from tasks.act.readback import REACH, SHOWS_WITHIN, SKEW
from tasks.act.run import ActionRun

logger = logging.getLogger(__name__)

# The header has whole seconds, and the answer takes time to arrive.
WARN_BEYOND: Final = timedelta(minutes=1)
# More than the read-back allows for.
STOP_BEYOND: Final = SKEW


def require_clock(run: ActionRun) -> None:
    """Raise if this machine's clock is minutes from the tenant's: cool-downs would be wrong.

    Raises:
        ConfigurationError: it is; nothing was sent.
    """
    ahead = run.tools.client.clock_ahead
    if ahead is None or abs(ahead) <= WARN_BEYOND:
        return
    minutes = abs(ahead) / timedelta(minutes=1)
    way = "ahead of" if ahead > timedelta(0) else "behind"
    said = f"{run.action}: this machine's clock is {minutes:,.0f} minutes {way} the tenant's"
    if abs(ahead) > STOP_BEYOND:
        raise ConfigurationError(
            f"{said}, so a cool-down cannot be measured: set the clock by NTP; nothing was sent"
        )
    logger.warning("%s: set it by NTP", said)


def require_one_ledger(run: ActionRun, executions: pl.DataFrame) -> None:
    """Raise if another ledger of ours acts too: each of the two knows only its own requests.

    Only remote actions have a place for the ledger's id. Requests of earlier releases have none.

    Raises:
        HeldError: another one does; nothing was sent.
    """
    own = run.ledger.identity.own
    named = executions.select(
        pl.col("reason").str.extract(LEDGER_IN_REASON, 2).str.to_lowercase().alias("ledger"),
        "requested_at",
    )
    known = [own, *run.ledger.identity.retired()]
    others = named.filter(pl.col("ledger").is_not_null() & ~pl.col("ledger").is_in(known))
    if others.is_empty():
        return
    latest = others.sort("requested_at", nulls_last=False).row(-1, named=True)
    at = latest["requested_at"]
    when = f", the last on {at:%Y-%m-%d at %H:%M} UTC" if at else ""
    raise HeldError(
        f"{run.action}: the tenant shows {others.height:,} executions of {run.specification.id} "
        f"that another ledger of ours requested ({latest['ledger']}{when}); this ledger is {own}, "
        "and nobody is acted on twice only within one ledger: act from that one "
        f"(NXP_LEDGER_URL); or, if it is out of use, nxp act retire-ledger {latest['ledger']} "
        "--why TEXT; nothing was sent"
    )


def require_own_shown(run: ActionRun, executions: pl.DataFrame, since: datetime) -> None:
    """Raise if the executions query hides requests that the tenant has accepted from us.

    Those count that are old enough to show, and young enough for the query's frame and the tenant's
    retention. A request without a plan counts once it was seen: its targets may not exist.

    Args:
        run: of the action.
        executions: what was read back.
        since: from when on.

    Raises:
        DataRefusedError: some do not show; nothing was sent.
    """
    begin, end = max(since, run.now - _reach(run) + SHOWS_WITHIN), run.now - SHOWS_WITHIN
    accepted = run.ledger.actions.requests(
        action=run.key, states=[RequestState.REQUESTED], since=begin
    )
    due = [each for each in accepted if each.sent_at and each.sent_at <= end]
    shown = [found for each in due if (found := _is_shown(run, each, executions)) is not None]
    hidden = shown.count(False)
    if not hidden:
        return
    query_id = run.specification.read_back
    raise DataRefusedError(
        f"{run.action}: the saved query {query_id} does not show {hidden:,} of {len(shown):,} "
        f"requests that the tenant has accepted since {begin:%Y-%m-%d %H:%M} UTC, so it may hide "
        "those of others too: in Nexthink it has another filter or a shorter time frame than in "
        f"the catalogue: paste it again (nxp nql queries '{query_id}' prints it); or the tenant "
        "keeps less: set tenant_retention; nothing was sent"
    )


def _is_shown(run: ActionRun, request: ActionRequest, executions: pl.DataFrame) -> bool | None:
    """Return whether any execution of a request shows; None if that cannot be expected."""
    targets = run.ledger.actions.targets(intent_id=request.intent_id)
    if request.plan_id is None and targets["status"].is_null().all():
        return None
    ids = {request.request_id, *targets["request_id"]} - {None}
    if not ids:
        # A person has said that it was sent.
        return None
    if executions["request_id"].is_null().all():
        # The query does not list them, which a campaign's need not.
        return bool(executions["target"].is_in(targets["target"].implode()).any())
    return bool(executions["request_id"].is_in(list(ids)).any())


def _reach(run: ActionRun) -> timedelta:
    """Return how far back the executions query goes, as far as catalogue and settings say."""
    kept = kept_for(run.chosen.tenant.tenant_retention, RetentionClass.EVENTS)
    path = query_path(run.chosen.settings.catalog, run.specification.read_back)
    try:
        framed = reach_of(parse(path.read_text("utf-8")))
    except (NqlError, OSError, UnicodeError):
        framed = None
    return min(each for each in (REACH, kept, framed) if each is not None)


def acted_elsewhere(run: ActionRun) -> pl.Series:
    """Return the targets that somebody else has acted on within the cool-down, or is acting on.

    Raises:
        ConfigurationError, DataRefusedError, HeldError: what the tenant shows cannot be relied on.
        PipelineError: as the export of the executions.
    """
    specification = run.specification
    if not specification.cool_down:
        # The same may be done again at once, by anybody.
        return pl.Series([], dtype=pl.String)
    since = run.now - specification.cool_down
    executions = refresh(run, since - specification.lifetime)
    require_clock(run)
    require_own_shown(run, executions, since - specification.lifetime)
    require_one_ledger(run, executions)
    return elsewhere(executions, run.ledger.actions.request_ids(*run.key), since)
