"""Rows of a plan of a sync: their columns, what each does, and how they are counted."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

import polars as pl

from connectors.ledger.enriched import ValueState
from tasks.sync.wanted import EMPTY

PLAN: Final = dict.fromkeys(
    ("key", "identity", "field", "before", "after", "action", "set_by"), pl.String
)


class Action(StrEnum):
    """What is done to a field of an object.

    - set: a value where Nexthink holds none.
    - change: a value other than the acknowledged one.
    - overwrite: a value where Nexthink holds one of others.
    - restore: what others had set before a value of ours is written again.
    - clear: the value is emptied.
    - settle: a value is written again because it is not known whether it is there. A clear or a
      change planned after it for the same field follows only once it is acknowledged: so a value
      of ours is never forgotten, and only such a value is ever emptied.
    """

    SET = "set"
    CHANGE = "change"
    CLEAR = "clear"
    SETTLE = "settle"
    OVERWRITE = "overwrite"
    RESTORE = "restore"


# What a draft of a plan says of values of others that were met before, and are looked at again if
# the tenant is read for another reason.
MET: Final = frozenset({ValueState.THEIRS.value, ValueState.SAME.value})


@dataclass(slots=True)
class DiffCounts:
    """Counts of cells by what becomes of them, and of keys. Counts of disjoint ranges add up.

    Attributes:
        set: and `change`, `clear`, `settle`, `overwrite`, `restore`: rows of the plan.
        unchanged: cells that are as wanted.
        waiting: cells that were refused and are not tried now.
        not_clearable: cells of gone keys whose field has no value that empties it.
        unmapped: known values of fields that are no longer mapped, which are left alone.
        theirs: cells with another value of others, which is left alone.
        same: cells where others have set what is wanted.
        not_shown: cells that do not show yet what was sent, so nothing is sent now.
        not_seen: cells that were to be changed or emptied and could not be read; or that the
            query does not list.
        changed_keys: keys with a change.
        cleared_keys: keys with a clear.
        absent_keys: keys that did not come; for `gone_keys` of them it is the second time.
        missing_keys: keys of this sync's values that did not come, whatever that means.
        new_keys: keys to send that the ledger does not know.
        first_keys: known keys that get a value in a field where none was tried, or another one.
    """

    set: int = 0
    change: int = 0
    clear: int = 0
    settle: int = 0
    overwrite: int = 0
    restore: int = 0
    unchanged: int = 0
    waiting: int = 0
    not_clearable: int = 0
    unmapped: int = 0
    theirs: int = 0
    same: int = 0
    not_shown: int = 0
    not_seen: int = 0
    changed_keys: int = 0
    cleared_keys: int = 0
    absent_keys: int = 0
    gone_keys: int = 0
    missing_keys: int = 0
    new_keys: int = 0
    first_keys: int = 0

    def add(self, other: "DiffCounts") -> None:
        """Add the counts of another range."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def count_rows(rows: pl.DataFrame, counts: DiffCounts) -> None:
    """Count the rows of a plan, and the keys that they change or clear."""
    for action, number in rows["action"].value_counts().iter_rows():
        setattr(counts, action, number)
    counts.changed_keys = rows.filter(pl.col("action") == Action.CHANGE.value)["key"].n_unique()
    counts.cleared_keys = rows.filter(pl.col("action") == Action.CLEAR.value)["key"].n_unique()


def count_first(rows: pl.DataFrame, known: pl.DataFrame, counts: DiffCounts) -> None:
    """Count the keys that get values which no earlier plan has sent.

    Args:
        rows: rows of a plan.
        known: the ledger's rows of at least these keys.
        counts: where to count.
    """
    is_first = pl.col("action").is_in([Action.SET.value, Action.OVERWRITE.value])
    tried = known.select("key", "field", "value", "open_value", "state")
    joined = rows.filter(is_first).join(tried, on=["key", "field"], how="left")
    # A value that was left to others was wanted, and not sent.
    is_fresh = pl.col("open_value").ne_missing(pl.col("after"))
    is_fresh |= pl.col("state").is_in(list(MET)).fill_null(value=False)
    has_none = pl.col("value").fill_null(EMPTY) == EMPTY
    fresh = joined.filter(is_fresh & has_none)["key"].unique()
    is_known = fresh.is_in(known["key"].unique().implode())
    counts.new_keys, counts.first_keys = int((~is_known).sum()), int(is_known.sum())
