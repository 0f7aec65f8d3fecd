"""What has to be sent so that Nexthink holds what the sources say. Frames in, frames out.

docs/planning.md describes the cases. Nothing is cleared that this sync has not set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from connectors.ledger.enriched import ValueState
from connectors.syncs import SyncMode
from tasks.sync.plan_rows import MET, PLAN, Action, DiffCounts, count_first, count_rows
from tasks.sync.wanted import EMPTY, WantedRange


@dataclass(frozen=True, slots=True)
class Fields:
    """The mapped fields: `mappings` has a fingerprint of each; `clearable` can be emptied."""

    mappings: Mapping[str, str]
    clearable: frozenset[str]


@dataclass(frozen=True, slots=True)
class ComparisonSettings:
    """The settings of a comparison.

    Attributes:
        mode: what an absent key means.
        now: values whose retry is due at this moment are tried again.
        inventory_at: when the inventory that lists the range's keys was exported.
        is_complete: a known key that is not wanted is gone; if not, its absence means nothing.
        waits: a refused value waits for another value, another mapping, or its retry time; if not,
            everything is tried now.
        takes: values of others are replaced, so those that were left alone do not wait.
    """

    mode: SyncMode
    now: datetime
    inventory_at: datetime | None = None
    is_complete: bool = False
    waits: bool = True
    takes: bool = False


@dataclass(frozen=True, slots=True)
class SyncDifference:
    """The rows to send (columns `PLAN`, by key and field), counts, and keys that did not come."""

    rows: pl.DataFrame = field(repr=False)
    counts: DiffCounts
    absent: pl.Series = field(repr=False)


def difference(
    wanted: WantedRange,
    known: pl.DataFrame,
    *,
    fields: Fields,
    view: ComparisonSettings,
    absent_before: pl.Series,
) -> SyncDifference:
    """Compare what the sources say with what Nexthink has acknowledged, for one range of keys.

    Args:
        wanted: what the sources say.
        known: the ledger's rows of the range (columns `connectors.ledger.KNOWN`); if the pull is
            not complete, those of the wanted keys, and all that are open or unknown.
        fields: the mapped fields.
        view: the settings of the comparison.
        absent_before: the keys that the last complete scan did not find.
    """
    mapped = known.filter(pl.col("field").is_in(list(fields.mappings)))
    others = mapped.join(wanted.keys, on="key", how="anti")
    cells = wanted.rows.join(wanted.keys, on="key", how="left")
    absent, counts = _no_keys(), DiffCounts(unmapped=_with_value(known).height)
    counts.unmapped -= _with_value(mapped).height
    counts.missing_keys = _held(others)["key"].n_unique()
    if not view.is_complete:
        cells = pl.concat([cells, _left_open(others)], how="diagonal")
    elif view.mode is SyncMode.MIRROR:
        held = _held(others)
        if wanted.listed is not None:
            # A key that is not in the inventory was not looked for.
            held = held.filter(pl.col("key").is_in(wanted.listed.implode()))
        emptied = held.filter(pl.col("field").is_in(list(fields.clearable)))
        absent = emptied["key"].unique().sort()
        gone = absent.filter(absent.is_in(absent_before.implode()))
        counts.absent_keys, counts.gone_keys = len(absent), len(gone)
        is_gone = pl.col("key").is_in(gone.implode())
        counts.not_clearable = held.filter(is_gone).height - emptied.filter(is_gone).height
        wiped = emptied.filter(is_gone).select(
            "key", "field", pl.lit(EMPTY).alias("value"), "identity"
        )
        cells = pl.concat([cells, wiped], how="diagonal")
    listed = wanted.listed if wanted.listed is not None else _no_keys()
    judged = _judged(cells, mapped, fields, view, listed)
    rows = _plan_rows(judged)
    _count(judged, rows, counts)
    count_first(rows, known, counts)
    return SyncDifference(rows, counts, absent)


def _no_keys() -> pl.Series:
    return pl.Series("key", [], pl.String)


def _with_value(known: pl.DataFrame) -> pl.DataFrame:
    return known.filter(pl.col("value").fill_null("") != "")


def _held(known: pl.DataFrame) -> pl.DataFrame:
    """Return the rows for which Nexthink holds a value of ours, or may hold one."""
    return known.filter((pl.col("value").fill_null("") != "") | _may_be_written())


def _may_be_written() -> pl.Expr:
    is_open = pl.col("state") == ValueState.OPEN.value
    return is_open & (pl.col("open_value").fill_null("") != "")


def _left_open(others: pl.DataFrame) -> pl.DataFrame:
    """Return cells that were sent but not acknowledged: a pull of changes does not include them."""
    again = pl.col("state").is_in([ValueState.OPEN.value, ValueState.UNKNOWN.value])
    return others.filter(again & pl.col("open_value").is_not_null()).select(
        "key", "field", pl.col("open_value").alias("value"), "identity"
    )


def again(known: pl.DataFrame, fields: Fields, view: ComparisonSettings) -> SyncDifference:
    """Plan all open, unknown and rejected values again, as they were sent."""
    mapped = known.filter(
        pl.col("field").is_in(list(fields.mappings))
        & (pl.col("state") != ValueState.ACKNOWLEDGED.value)
        & pl.col("open_value").is_not_null()
    )
    cells = mapped.select("key", "field", pl.col("open_value").alias("value"), "identity")
    judged = _judged(cells, mapped, fields, view, _no_keys())
    rows, counts = _plan_rows(judged), DiffCounts()
    _count(judged, rows, counts)
    return SyncDifference(rows, counts, _no_keys())


_UNCHANGED: Final = "unchanged"
_WAITING: Final = "waiting"
_SETTLE_AND_CLEAR: Final = "settle and clear"
_SETTLE_AND_CHANGE: Final = "settle and change"


def _judged(
    cells: pl.DataFrame,
    known: pl.DataFrame,
    fields: Fields,
    view: ComparisonSettings,
    listed: pl.Series,
) -> pl.DataFrame:
    """Add to each cell (key, field, value, identity) what to do with it: `verdict`."""
    of_ledger = known.select(
        "key",
        "field",
        pl.col("value").alias("before"),
        "open_value",
        "state",
        "tried_at",
        "retry_at",
        "mapping",
    )
    joined = cells.join(of_ledger, on=["key", "field"], how="left")
    wants, before, state = pl.col("value"), pl.col("before"), pl.col("state")
    has_value = before.fill_null("") != ""
    is_taken = (state == ValueState.ACKNOWLEDGED.value).fill_null(value=False)
    is_taken &= before.eq_missing(wants)
    may_be_written = _may_be_written().fill_null(value=False)
    empties = wants == EMPTY
    waits = _waits(fields, view, listed) if view.waits else pl.lit(value=False)
    return joined.with_columns(
        verdict=pl.when(is_taken | (empties & ~has_value & ~may_be_written))
        .then(pl.lit(_UNCHANGED))
        .when(waits)
        .then(pl.lit(_WAITING))
        .when(_is_met(view))
        .then(state)
        .when(empties & has_value)
        .then(pl.lit(Action.CLEAR.value))
        .when(empties)
        .then(pl.lit(_SETTLE_AND_CLEAR))
        .when(before.eq_missing(wants))
        .then(pl.lit(Action.SETTLE.value))
        .when(~has_value & may_be_written & (pl.col("open_value") != wants))
        .then(pl.lit(_SETTLE_AND_CHANGE))
        .when(has_value)
        .then(pl.lit(Action.CHANGE.value))
        .otherwise(pl.lit(Action.SET.value))
    )


def _is_met(view: ComparisonSettings) -> pl.Expr:
    """Mark cells that hold a value of others, as far as is known, and want what they wanted."""
    met = {ValueState.SAME.value} if view.takes else MET
    is_same = pl.col("open_value").eq_missing(pl.col("value"))
    is_met = (is_same & pl.col("state").is_in(list(met))).fill_null(value=False)
    return is_met if view.waits else pl.lit(value=False)


def _waits(fields: Fields, view: ComparisonSettings, listed: pl.Series) -> pl.Expr:
    """Mark cells whose value was refused before, if nothing has changed since."""
    is_same = pl.col("open_value").eq_missing(pl.col("value"))
    mapping = pl.col("field").replace_strict(
        list(fields.mappings), list(fields.mappings.values()), default=None, return_dtype=pl.String
    )
    is_rejected = pl.col("state") == ValueState.REJECTED.value
    is_early = pl.col("retry_at") > view.now
    if view.inventory_at is not None:
        # The object has appeared in Nexthink since the value was tried.
        has_come = pl.col("key").is_in(listed.implode())
        has_come &= (pl.col("tried_at") < view.inventory_at).fill_null(value=True)
        is_early &= ~has_come
    is_unknown = pl.col("state") == ValueState.UNKNOWN.value
    waiting = (is_rejected & pl.col("mapping").eq_missing(mapping)) | (is_unknown & is_early)
    return (is_same & waiting).fill_null(value=False)


def _plan_rows(judged: pl.DataFrame) -> pl.DataFrame:
    verdict, nobody = pl.col("verdict"), pl.lit(None, pl.String).alias("set_by")
    single = judged.filter(verdict.is_in([*(action.value for action in Action), *MET])).select(
        "key",
        "identity",
        "field",
        "before",
        pl.col("value").alias("after"),
        verdict.alias("action"),
        nobody,
    )
    second = {_SETTLE_AND_CLEAR: Action.CLEAR.value, _SETTLE_AND_CHANGE: Action.CHANGE.value}
    both = judged.filter(verdict.is_in(list(second)))
    cell = ["key", "identity", "field"]
    settles = both.select(
        *cell,
        "before",
        pl.col("open_value").alias("after"),
        pl.lit(Action.SETTLE.value).alias("action"),
        nobody,
    )
    others = both.select(
        *cell,
        pl.col("open_value").alias("before"),
        pl.col("value").alias("after"),
        verdict.replace_strict(second, return_dtype=pl.String).alias("action"),
        nobody,
    )
    rows = pl.concat([single, settles, others]).cast(PLAN)  # type: ignore[arg-type] # polars wants a wider key
    # A settle comes before what follows it.
    return rows.sort("key", "field", pl.col("action") != Action.SETTLE.value)


def _count(judged: pl.DataFrame, rows: pl.DataFrame, counts: DiffCounts) -> None:
    for verdict, number in judged["verdict"].value_counts().iter_rows():
        if verdict in (_UNCHANGED, _WAITING):
            setattr(counts, verdict, number)
    count_rows(rows, counts)
