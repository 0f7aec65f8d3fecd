"""What the sources say: for each key which value a field is to have, or that it is to be empty."""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

# The value that empties a field; of numbers too, as kept and compared. Sent is the field's own.
EMPTY: Final = ""
# Objects that are compared, and sent, at a time: what bounds memory.
RANGE_KEYS: Final = 50_000
KEYS: Final = {"key": pl.String, "identity": pl.String}
ROWS: Final = {"key": pl.String, "field": pl.String, "value": pl.String}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One range of keys: `after` < key <= `up_to`, None where the range has no end there.

    Attributes:
        keys: key (compared) and identity (sent), each key once, ascending.
        rows: key, field and value; of a cell that says nothing there is no row.
        listed: with an inventory all keys that it has in the range: a key that does not come and
            is not listed was not looked for, so that its absence means nothing.
    """

    after: str | None
    up_to: str | None
    keys: pl.DataFrame = field(repr=False)
    rows: pl.DataFrame = field(repr=False)
    listed: pl.Series | None = field(default=None, repr=False)


@dataclass(slots=True)
class SourceCounts:
    """What the sources gave, complete once the last range was read. Objects, if not said else.

    A key comes, without a cell, where its rows contradict each other (`duplicates`) and where an
    ambiguous row may mean it: it is there, and nothing is known of it.

    `rows`, `without_key`, `unmatched`, `ambiguous`: rows of the select; `bad_values`: of a part of
    the cells; `not_clearable`: a field without a clearing value was to be emptied.
    `is_complete`: the absence of a key means that it is gone, in all sources.
    """

    rows: int = 0
    keys: int = 0
    without_key: int = 0
    duplicates: int = 0
    unmatched: int = 0
    ambiguous: int = 0
    bad_values: int = 0
    not_clearable: int = 0
    is_complete: bool = False
    is_full: bool = False


def folded(keys: pl.Expr) -> pl.Expr:
    """Give keys as they are compared: without case, and without blanks around."""
    return keys.str.strip_chars().str.to_lowercase()
