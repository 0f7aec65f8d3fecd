"""Who is left out of a plan, and why: one reason each, the first that applies.

The journal says who is in doubt and who was acted on lately; the tenant's own executions say who
was acted on by somebody else, from the console or another client.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import polars as pl

from connectors.actions import ActionKind
from connectors.ledger import UNSETTLED
from connectors.nexthink import SID, UUID
from tasks.act.candidates import CANDIDATES, NO_IDENTITY
from tasks.act.readback import is_final, target_of

DUPLICATE: Final = "duplicate"
PLATFORM: Final = "platform"
IN_DOUBT: Final = "in_doubt"
COOL_DOWN: Final = "cool_down"
UNDER_WAY: Final = "under_way"
ELSEWHERE: Final = "elsewhere"

# Candidates with the key of the target, null where there is none.
TARGETED: Final = {"target": pl.String, **CANDIDATES}
# What was to happen did not: the target is as it was.
UNDONE: Final = ("expired", "cancelled")


def targeted(
    candidates: pl.DataFrame, kind: ActionKind, *, devices: bool, people: bool
) -> pl.DataFrame:
    """Name each candidate's target, and leave out those without identity and repeated ones."""
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
    """Leave out targets that a series of keys names, or a condition meets, with the reason."""
    for reason, those in reasons:
        meets = those if isinstance(those, pl.Expr) else pl.col("target").is_in(those.implode())
        targets = targets.with_columns(
            reason=pl.coalesce("reason", pl.when(meets.fill_null(value=False)).then(pl.lit(reason)))
        )
    return targets


def other_platform(windows: bool, mac: bool) -> pl.Expr:
    """Meet devices for whose system a remote action has no script; unknown systems pass."""
    fitting = [name for name, has in (("windows", windows), ("macos", mac)) if has]
    return ~pl.col("platform").str.to_lowercase().is_in(fitting)


def by_journal(recent: pl.DataFrame, since: datetime) -> list[tuple[str, pl.Series]]:
    """Say who is in doubt, who was acted on since a moment, and who is still to be acted on.

    Args:
        recent: what `ledger.actions.recent` gives of a time that is longer by how long targets
            may take.
        since: when the cool-down began.
    """
    unsettled = pl.col("state").is_in([state.value for state in UNSETTLED])
    return [
        (IN_DOUBT, recent.filter(unsettled)["target"]),
        (COOL_DOWN, recent.filter(~unsettled, _is_done(since))["target"]),
        (UNDER_WAY, recent.filter(~unsettled, _is_under_way())["target"]),
    ]


def elsewhere(executions: pl.DataFrame, known: pl.Series, since: datetime) -> pl.Series:
    """Give the targets that somebody else has acted on since a moment, or is still to act on.

    Args:
        executions: read back.
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
    """Meet what was asked for or has ended since a moment, as far as it was not without effect."""
    undone = pl.col("status").is_in(list(UNDONE)).fill_null(value=False)
    # A device that was away ends days later; what has no time at all may be of just now.
    last = pl.max_horizontal("requested_at", "status_at").fill_null(since)
    return ~undone & (last >= since)


def _is_under_way() -> pl.Expr:
    return pl.col("status").is_not_null() & ~is_final(pl.col("status"))
