"""Which candidates are left out of a plan, and why: each for the first reason that applies.

The journal shows which targets are in doubt and which were acted on recently; the tenant's own
executions show which were acted on by somebody else, from the console or another client.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from connectors.actions import ActionKind
from connectors.ledger.action_requests import UNSETTLED
from connectors.nexthink import SID, UUID
from tasks.act.candidates import CANDIDATES, NO_IDENTITY
from tasks.act.readback import is_final, target_of

DUPLICATE: Final = "duplicate"
PLATFORM: Final = "platform"
IN_DOUBT: Final = "in_doubt"
COOL_DOWN: Final = "cool_down"
UNDER_WAY: Final = "under_way"
ELSEWHERE: Final = "elsewhere"

# Candidates with the key of the target, null if it has none.
TARGETED: Final = {"target": pl.String, **CANDIDATES}
# With these the action did not happen: the target is unchanged.
UNDONE: Final = ("expired", "cancelled")


def targeted(
    candidates: pl.DataFrame, kind: ActionKind, *, devices: bool, people: bool
) -> pl.DataFrame:
    """Add each candidate's target; leave out those without an identity, and repeated ones."""
    lacks = pl.lit(value=False)
    for is_needed, column, form in ((devices, "device", UUID), (people, "person", SID)):
        if is_needed:
            fits = pl.col(column).str.contains(f"^(?:{form.pattern})$")
            lacks |= ~fits.fill_null(value=False)
    named = candidates.with_columns(
        reason=pl.coalesce("reason", pl.when(lacks).then(pl.lit(NO_IDENTITY)))
    ).with_columns(target=pl.when(pl.col("reason").is_null()).then(target_of(kind)))
    again = pl.col("target").is_not_null() & ~pl.col("target").is_first_distinct()
    return named.with_columns(
        reason=pl.coalesce("reason", pl.when(again).then(pl.lit(DUPLICATE)))
    ).select(*TARGETED)


def left_out(
    targets: pl.DataFrame, reasons: Iterable[tuple[str, pl.Series | pl.Expr]]
) -> pl.DataFrame:
    """Leave out, with the reason, targets whose key is in a series or that meet a condition."""
    for reason, those in reasons:
        meets = those if isinstance(those, pl.Expr) else pl.col("target").is_in(those.implode())
        targets = targets.with_columns(
            reason=pl.coalesce("reason", pl.when(meets.fill_null(value=False)).then(pl.lit(reason)))
        )
    return targets


def other_platform(windows: bool, mac: bool) -> pl.Expr:
    """Match devices whose system the remote action has no script for; unknown systems pass."""
    fitting = [name for name, has in (("windows", windows), ("macos", mac)) if has]
    return ~pl.col("platform").str.to_lowercase().is_in(fitting)


def by_journal(recent: pl.DataFrame, since: datetime) -> list[tuple[str, pl.Series]]:
    """Return the targets in doubt, those acted on since a moment, and those still under way.

    Args:
        recent: what `ledger.actions.recent` returns for the cool-down plus the time that targets
            may take.
        since: when the cool-down began.
    """
    unsettled = pl.col("state").is_in([state.value for state in UNSETTLED])
    return [
        (IN_DOUBT, recent.filter(unsettled)["target"]),
        (COOL_DOWN, recent.filter(~unsettled, _is_done(since))["target"]),
        (UNDER_WAY, recent.filter(~unsettled, _is_under_way())["target"]),
    ]


def cool_until(recent: pl.DataFrame, targets: pl.Series, cool_down: timedelta) -> datetime | None:
    """Return when the cool-down of the last of some targets is over.

    Args:
        recent: as in `by_journal`.
        targets: those that are left out for their cool-down.
        cool_down: how long it is.
    """
    theirs = recent.filter(pl.col("target").is_in(targets.implode()))
    last: datetime | None = theirs.select(
        pl.max_horizontal("requested_at", "status_at").max()
    ).item()
    return last and last + cool_down


def elsewhere(executions: pl.DataFrame, known: pl.Series, since: datetime) -> pl.Series:
    """Return the targets that somebody else has acted on since a moment, or is acting on.

    Args:
        executions: what was read back.
        known: ids of our own requests.
        since: when the cool-down began.
    """
    of_others = executions.filter(
        ~pl.col("request_id").is_in(known.implode()).fill_null(value=False),
        _is_done(since) | _is_under_way(),
        pl.col("target").is_not_null(),
    )
    return of_others["target"]


def _is_done(since: datetime) -> pl.Expr:
    """Match what was requested or has ended since a moment, unless it had no effect."""
    undone = pl.col("status").is_in(list(UNDONE)).fill_null(value=False)
    # A device that was offline ends days later; an execution without any time may be recent.
    last = pl.max_horizontal("requested_at", "status_at").fill_null(since)
    return ~undone & (last >= since)


def _is_under_way() -> pl.Expr:
    return pl.col("status").is_not_null() & ~is_final(pl.col("status"))
