"""What the outcome of an object means for each of its values: the rows for the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from connectors.ledger.bulk import MOMENT
from connectors.ledger.enriched import KNOWN, ValueState
from connectors.nexthink.enrichment import MEANINGS, REFUSED, UNSPECIFIED, fields_named
from tasks.sync.conflicts import HELD
from tasks.sync.halving import NOT_SENT
from tasks.sync.objects import IDENTITY
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.plan_rows import Action

# For an object that the tenant does not know, or a value that read back differently.
RETRY_DAYS: Final = (1, 2, 4, 7)
# The code of a value that the read-back did not confirm.
READ_BACK: Final = "READ_BACK"
_SEEN: Final = ("before", "action", HELD, "set_by", "stood", "stood_by")
# Codes that refuse a value, even if no field is named. Of other codes only the name is known: an
# error without a field is about the object itself, most often that the tenant does not know it.
_OF_VALUES: Final = frozenset(MEANINGS.keys() - {REFUSED})


@dataclass(frozen=True, slots=True)
class Tried:
    """When values were sent, by which plan, and the fingerprint of each field's mapping."""

    at: datetime
    plan_id: str
    mappings: Mapping[str, str]


def retry_at(attempts: pl.Expr, at: datetime) -> pl.Expr:
    """Return when to try again after a number of attempts, which is at least one."""
    days = pl.lit(list(RETRY_DAYS)).list.get(attempts.clip(1, len(RETRY_DAYS)) - 1)
    return (pl.lit(at, MOMENT) + days * pl.duration(days=1)).cast(MOMENT)


def known_rows(sent: pl.DataFrame, outcomes: pl.DataFrame, tried: Tried) -> pl.DataFrame:
    """Return the ledger's rows for what was sent, by the outcomes of its objects.

    What was not sent has no row, so the ledger's own row stays.

    Args:
        sent: key, identity, field, before, after, action, and HELD and `set_by` as they were seen
            right before; value, acknowledged_at, attempts, code, stood and stood_by as known
            before, null if nothing was known.
        outcomes: of objects: value (the identity), outcome, code, reason.
        tried: about the sending.

    Returns:
        Rows of KNOWN.
    """
    rows = _with_answers(sent, outcomes)
    at, named = pl.lit(tried.at, MOMENT), pl.col("named")
    is_taken = pl.col("state") == ValueState.ACKNOWLEDGED
    # The other values of an object with a bad value may or may not have been written.
    is_other = (pl.col("state") == ValueState.REJECTED) & (named.list.len() > 0)
    is_other &= ~pl.col("field").is_in(named)
    state = pl.when(is_other).then(pl.lit(ValueState.OPEN.value)).otherwise("state")
    before = pl.col("attempts").fill_null(0)
    # For a value that once did not read back, an acknowledgement is not enough: its attempts are
    # kept until the next read-back confirms it.
    kept = pl.when(pl.col("code_before") == READ_BACK).then(before).otherwise(0)
    attempts = pl.when(is_taken).then(kept).otherwise(before + 1)
    is_unknown = pl.col("state") == ValueState.UNKNOWN
    mapping = pl.col("field").replace_strict(dict(tried.mappings), default="")
    # What others had set is theirs again, not ours.
    restored = is_taken & (pl.col("action") == Action.RESTORE.value).fill_null(value=False)
    is_ours = is_taken & ~restored
    return rows.select(
        "key",
        "field",
        IDENTITY,
        value=pl.when(is_ours).then("after").when(~is_unknown & ~is_taken).then("value"),
        acknowledged_at=pl.when(is_ours)
        .then(at)
        .when(~is_unknown & ~is_taken)
        .then("acknowledged_at"),
        open_value=pl.when(restored).then("before").when(~is_taken).then("after"),
        state=pl.when(restored).then(pl.lit(ValueState.THEIRS.value)).otherwise(state),
        stood=pl.when(is_ours).then(HELD).when(~is_taken).then("stood"),
        stood_by=pl.when(is_ours).then("set_by").when(~is_taken).then("stood_by"),
        code=pl.when(~is_taken).then("code"),
        attempts=attempts.cast(pl.Int64),
        tried_at=at,
        retry_at=pl.when(is_unknown).then(retry_at(attempts, tried.at)),
        mapping=mapping,
        plan_id=pl.lit(tried.plan_id),
    ).select(pl.col(name).cast(dtype) for name, dtype in KNOWN.items())


def _with_answers(sent: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return what was sent, each value with its object's answer and what that means."""
    answered = outcomes.filter(pl.col("code").ne_missing(NOT_SENT)).select(
        pl.col("value").alias(IDENTITY), "outcome", "code", "reason"
    )
    unsaid = [name for name in _SEEN if name not in sent.columns]
    return (
        sent.with_columns(pl.lit(None, pl.String).alias(name) for name in unsaid)
        .rename({"code": "code_before"})
        .join(answered, on=IDENTITY, how="inner")
        .join(_states(answered), on=["outcome", "code", "reason"], how="left", nulls_equal=True)
    )


def is_unknown_object(code: str | None, reason: str | None) -> bool:
    """Return whether a refusal is about the object and not about a value: see `_OF_VALUES`."""
    return code not in _OF_VALUES and not fields_named(reason or "")


def is_no_such_object(code: str | None, reason: str | None) -> bool:
    """Return whether a refusal says that the tenant does not have the object.

    A refusal without a code of the tenant's own says nothing about the object.
    """
    return code not in (REFUSED, UNSPECIFIED) and is_unknown_object(code, reason)


def _states(answered: pl.DataFrame) -> pl.DataFrame:
    """Return the state and the named fields for each distinct outcome; there are only a few."""
    kinds = answered.select("outcome", "code", "reason").unique()
    rows = []
    for outcome, code, reason in kinds.iter_rows():
        named = list(fields_named(reason or ""))
        match outcome:
            case ObjectOutcome.ACKNOWLEDGED:
                state = ValueState.ACKNOWLEDGED
            case ObjectOutcome.REJECTED if is_unknown_object(code, reason):
                state = ValueState.UNKNOWN
            case ObjectOutcome.REJECTED:
                state = ValueState.REJECTED
            case _:
                state = ValueState.OPEN
        rows.append((outcome, code, reason, state.value, named))
    return pl.DataFrame(
        rows,
        schema=kinds.schema | {"state": pl.String, "named": pl.List(pl.String)},
        orient="row",
    )
