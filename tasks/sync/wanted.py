"""What the sources say: for each key the value that a field should have, or that it is empty."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from connectors.syncs import Sameness

# The value that empties a field, also of numbers, as kept and compared. What is sent instead is the
# field's own clearing value.
EMPTY: Final = ""
# Objects that are compared, and sent, at a time: this bounds memory.
RANGE_KEYS: Final = 50_000
KEYS: Final = {"key": pl.String, "identity": pl.String}
ROWS: Final = {"key": pl.String, "field": pl.String, "value": pl.String}


@dataclass(frozen=True, slots=True)
class WantedRange:
    """One range of keys: `after` < key <= `up_to`; None means that the range is open on that side.

    Attributes:
        keys: key (compared) and identity (sent), each key once, ascending.
        rows: key, field and value; a cell that says nothing has no row.
        listed: all keys of the inventory in the range, if there is one: a key that does not come
            and is not listed was not looked for, so its absence means nothing.
    """

    after: str | None
    up_to: str | None
    keys: pl.DataFrame = field(repr=False)
    rows: pl.DataFrame = field(repr=False)
    listed: pl.Series | None = field(default=None, repr=False)


@dataclass(slots=True)
class SourceCounts:
    """What the sources gave, complete once the last range was read: objects, except as noted.

    A key comes without a cell if its rows contradict each other (`duplicates`), or if an ambiguous
    row may mean it: the object is there, and nothing is known about it.

    `rows`, `without_key`, `unmatched` and `ambiguous` count rows of the SELECT. Objects with
    `bad_values` had some of their cells refused; those that are `not_clearable` have a field that
    was to be emptied but has no clearing value.
    `refused_fields` have no value that their mapping takes, only such as it refuses.
    `notes` say why all rows came although changes were asked for.
    `is_complete`: in all sources, the absence of a key means that it is gone.
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
    notes: tuple[str, ...] = ()
    refused_fields: tuple[str, ...] = ()


def compared(texts: pl.Expr, ignore: Collection[Sameness]) -> pl.Expr:
    """Return keys, or values of an inventory, as they are compared; a blank one is null."""
    is_blank = texts.str.strip_chars() == ""
    value = texts
    if Sameness.NFC in ignore:
        value = value.str.normalize("NFC")
    if Sameness.BLANKS in ignore:
        value = value.str.strip_chars()
    if Sameness.CASE in ignore:
        value = value.str.to_lowercase()
    return pl.when(~is_blank).then(value)
