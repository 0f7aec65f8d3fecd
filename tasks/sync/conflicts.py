"""What may be sent, by what the tenant was seen to hold. Frames in, frames out.

docs/planning.md describes the cases. Nothing is changed or emptied unless it was seen to be what
this sync last set; a value of others is replaced only by a plan that says so, and never emptied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import polars as pl

from connectors.ledger.enriched import KNOWN, ValueState
from connectors.syncs import OnConflict, SyncSpecification
from tasks.sync.objects import field_of
from tasks.sync.plan_rows import PLAN, Action
from tasks.sync.readback import kept_as_compared, shown_as_compared
from tasks.sync.tenant_values import SHOWN, TenantValues
from tasks.sync.wanted import EMPTY

CELL: Final = ["key", "field"]
# Who has set a value, as far as this ledger knows.
US, OTHERS = "us", "others"
# What the tenant holds as it is compared, null for an object that was not read.
HELD: Final = "held"
VERDICT: Final = "verdict"


class FieldVerdict(StrEnum):
    """What becomes of a row of a plan; in a report it is the reason why it was not sent.

    - send: the field is empty, or holds what this sync last set.
    - overwrite: it holds a value of others, which the sync takes.
    - theirs: it holds a value of others, which is left alone.
    - same: it holds what is wanted, set by others.
    - not shown: it does not show yet what this sync sent.
    - not seen: the object was not read, and something on it was to be changed or emptied; or the
      query does not list the field.
    - done: it was to be emptied, and is empty.
    """

    SEND = "send"
    OVERWRITE = "overwrite"
    THEIRS = "theirs"
    SAME = "same"
    NOT_SHOWN = "not shown"
    NOT_SEEN = "not seen"
    DONE = "done"


# Where several objects have one key, the first of these counts.
_WORST_FIRST: Final = (
    FieldVerdict.THEIRS,
    FieldVerdict.OVERWRITE,
    FieldVerdict.NOT_SHOWN,
    FieldVerdict.NOT_SEEN,
    FieldVerdict.SAME,
    FieldVerdict.SEND,
    FieldVerdict.DONE,
)


@dataclass(frozen=True, slots=True)
class ConflictRule:
    """When the tenant was read, how long a value takes to show, and whether conflicts are taken.

    Of `unread` fields nothing is known, so nothing is sent.
    """

    read_at: datetime
    after: timedelta
    takes: bool
    unread: frozenset[str] = frozenset()


def rule_of(specification: SyncSpecification, held: TenantValues) -> ConflictRule:
    """Return how conflicts of a sync are decided, by what was read."""
    after = specification.verify.after if specification.verify else timedelta(0)
    takes = specification.on_conflict is OnConflict.TAKE
    return ConflictRule(held.read_at, after, takes, frozenset(unread_fields(specification, held)))


def unread_fields(specification: SyncSpecification, held: TenantValues) -> tuple[str, ...]:
    """Return the custom fields that the query does not list, unless the YAML accepts that.

    Without any other field the query is refused.
    """
    known = {*held.fields, *(specification.verify.blind if specification.verify else ())}
    return tuple(each for each in specification.fields if "#" in each and each not in known)


def judged(
    rows: pl.DataFrame, known: pl.DataFrame, shown: pl.DataFrame, rule: ConflictRule
) -> pl.DataFrame:
    """Return a plan's rows with a verdict, HELD, and in `set_by` who has set what is held.

    Args:
        rows: rows of PLAN, whole keys.
        known: the ledger's rows of these keys.
        shown: what the tenant holds: key, field, SHOWN; several rows where objects share a key.
        rule: how conflicts are decided.
    """
    if rows.is_empty():
        none = pl.lit(None, pl.String)
        return rows.with_columns(none.alias(HELD), none.alias(VERDICT))
    # What follows a settle decides for both.
    wanted = rows.with_columns(
        after_all=pl.col("after").last().over(CELL), place=pl.int_range(pl.len())
    )
    told = known.select(
        *CELL, "value", "open_value", "state", "acknowledged_at", "tried_at", "stood"
    )
    known_forms = _as_compared(wanted.join(told, on=CELL, how="left"))
    held = shown.with_columns(shown_as_compared(pl.col(SHOWN)).alias("_shown"))
    joined = known_forms.join(held, on=CELL, how="left")
    ranked = joined.with_columns(_verdict(rule).alias(VERDICT), _is_ours().alias("ours")).sort(
        "place",
        pl.col(VERDICT).replace_strict(
            {verdict.value: rank for rank, verdict in enumerate(_WORST_FIRST)},
            return_dtype=pl.Int8,
        ),
    )
    worst = ranked.unique("place", keep="first", maintain_order=True)
    by = pl.when("ours").then(pl.lit(US)).when(pl.col(SHOWN) != EMPTY).then(pl.lit(OTHERS))
    return worst.with_columns(by.alias("set_by"), pl.col(SHOWN).alias(HELD)).select(
        *PLAN, HELD, VERDICT
    )


def unseen(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a plan's rows as `judged` does where nothing can be read: only sets are sent."""
    is_set = pl.col("action") == Action.SET
    verdict = (
        pl.when(is_set)
        .then(pl.lit(FieldVerdict.SEND.value))
        .otherwise(pl.lit(FieldVerdict.NOT_SEEN.value))
    )
    return rows.with_columns(
        pl.lit(None, pl.String).alias("set_by"),
        pl.lit(None, pl.String).alias(HELD),
        verdict.alias(VERDICT),
    ).select(*PLAN, HELD, VERDICT)


def replanned(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a plan from judged ones: what is sent, and what is theirs."""
    verdict, action = pl.col(VERDICT), pl.col("action")
    is_settle = action == Action.SETTLE
    followed = rows.filter(~is_settle).select(*CELL, follows=pl.lit(value=True)).unique()
    paired = rows.join(followed, on=CELL, how="left", maintain_order="left")
    # A value of others is met once: what might be ours is not there.
    doubled = is_settle & pl.col("follows").fill_null(value=False)
    wanted = (FieldVerdict.SEND, FieldVerdict.OVERWRITE, FieldVerdict.THEIRS)
    kept = paired.filter(
        verdict.is_in([each.value for each in wanted]) & ~(doubled & (verdict != FieldVerdict.SEND))
    )
    rechecked = action.is_in([ValueState.THEIRS.value, ValueState.SAME.value])
    named = (
        pl.when(verdict != FieldVerdict.SEND)
        .then(verdict)
        .when(rechecked)
        .then(pl.lit(Action.SET.value))
        .otherwise(action)
    )
    return with_held(kept.with_columns(action=named)).select(*PLAN)


def with_held(rows: pl.DataFrame) -> pl.DataFrame:
    """Return judged rows with what is held as `before`; what follows a settle meets what it set."""
    settled = (pl.col("action") == Action.SETTLE).shift(1, fill_value=False).over(CELL)
    was_read = pl.col(HELD).is_not_null()
    held = pl.col(HELD).replace(EMPTY, None)
    return rows.with_columns(
        before=pl.when(settled).then("before").when(was_read).then(held).otherwise("before"),
        set_by=pl.when(settled).then(pl.lit(US)).otherwise("set_by"),
        held=pl.when(settled).then("before").otherwise(HELD),
    )


def divided(found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Divide judged rows of a plan into those that may be sent now, and those that may not.

    A value of others is overwritten only if it is the one that the plan says.
    """
    met = pl.col(HELD).replace(EMPTY, None).eq_missing(pl.col("before"))
    is_planned = (pl.col("action") == Action.OVERWRITE.value) & met
    verdict = pl.col(VERDICT)
    is_sent = (verdict == FieldVerdict.SEND.value) | (
        is_planned & (verdict == FieldVerdict.OVERWRITE.value)
    )
    left = found.filter(~is_sent).with_columns(
        verdict.replace(FieldVerdict.OVERWRITE.value, FieldVerdict.THEIRS.value)
    )
    return with_held(found.filter(is_sent)), left


def noted(rows: pl.DataFrame, mappings: Mapping[str, str], at: datetime) -> pl.DataFrame:
    """Return the ledger's rows for values of others: they wait while the same is wanted.

    Args:
        rows: judged rows.
        mappings: a fingerprint of each field's mapping.
        at: the present moment.

    Returns:
        Rows of KNOWN.
    """
    states = [FieldVerdict.THEIRS.value, FieldVerdict.SAME.value]
    theirs = rows.filter(pl.col(VERDICT).is_in(states) & (pl.col("after") != EMPTY))
    filled = {
        "open_value": pl.col("after"),
        "state": pl.col(VERDICT),
        "attempts": pl.lit(0),
        "tried_at": pl.lit(at, KNOWN["tried_at"]),
        "mapping": pl.col("field").replace_strict(
            list(mappings), list(mappings.values()), default=None, return_dtype=pl.String
        ),
    }
    plain = ("key", "identity", "field")
    return theirs.unique(CELL, keep="last", maintain_order=True).select(
        (pl.col(name) if name in plain else filled.get(name, pl.lit(None))).cast(dtype).alias(name)
        for name, dtype in KNOWN.items()
    )


def _as_compared(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the forms in which the tenant shows what is wanted, known, open and what stood before."""
    forms = {"wants": "after_all", "_value": "value", "_open": "open_value", "_stood": "stood"}
    parts = [
        part.with_columns(
            kept_as_compared(part[name], field_of(field)).alias(form)
            for form, name in forms.items()
        )
        for (field,), part in rows.partition_by("field", as_dict=True).items()
    ]
    is_open = (pl.col("state") == ValueState.OPEN.value).fill_null(value=False)
    empties = is_open & (pl.col("_open") == EMPTY).fill_null(value=False)
    return pl.concat(parts).with_columns(
        # Whether a field was emptied without an answer.
        empties.alias("_empties"),
        _open=pl.when(is_open).then(pl.col("_open").replace(EMPTY, None)),
    )


def _is_ours() -> pl.Expr:
    shown = pl.col("_shown")
    is_ours = (shown == pl.col("_value")).fill_null(value=False)
    is_ours |= (shown == pl.col("_open")).fill_null(value=False)
    return (is_ours & (shown != EMPTY)).fill_null(value=False)


def _verdict(rule: ConflictRule) -> pl.Expr:
    shown, value, wants = pl.col("_shown"), pl.col("_value"), pl.col("wants")
    # Blanks of others are a value too.
    is_empty, clears = pl.col(SHOWN) == EMPTY, wants == EMPTY
    has_value = (value != EMPTY).fill_null(value=False)
    may_come = pl.col("_open").is_not_null()
    young = pl.lit(rule.read_at - rule.after, KNOWN["tried_at"])
    is_recent = value.is_not_null() & (pl.col("acknowledged_at") > young).fill_null(value=False)
    is_before_ours = value.is_not_null() & (shown == pl.col("_stood")).fill_null(value=False)
    was_just_sent = may_come & (pl.col("tried_at") > young).fill_null(value=False)
    waits = (
        is_recent
        | (value.is_not_null() & ~is_empty & is_before_ours)
        | (has_value & is_empty & ~clears)
    )
    if not rule.takes:
        waits |= was_just_sent
    return (
        pl.when(shown.is_null())
        .then(
            pl.when(clears | has_value | pl.col("field").is_in(list(rule.unread)))
            .then(pl.lit(FieldVerdict.NOT_SEEN.value))
            .otherwise(pl.lit(FieldVerdict.SEND.value))
        )
        .when(_is_ours())
        .then(pl.lit(FieldVerdict.SEND.value))
        # Only a value of ours can still come: it is written, and then changed or emptied.
        .when(is_empty & ((may_come & ~has_value) | pl.col("_empties")))
        .then(pl.lit(FieldVerdict.SEND.value))
        .when(is_empty & ~has_value)
        # A number that means nothing is written all the same, so that it is known as ours.
        .then(
            pl.when(pl.col("after_all") == EMPTY)
            .then(pl.lit(FieldVerdict.DONE.value))
            .otherwise(pl.lit(FieldVerdict.SEND.value))
        )
        .when(waits)
        .then(pl.lit(FieldVerdict.NOT_SHOWN.value))
        .when(is_empty)
        .then(pl.lit(FieldVerdict.DONE.value))
        .when(shown == wants)
        .then(pl.lit(FieldVerdict.SAME.value))
        .when(pl.lit(rule.takes) & ~clears)
        .then(pl.lit(FieldVerdict.OVERWRITE.value))
        .otherwise(pl.lit(FieldVerdict.THEIRS.value))
    )
