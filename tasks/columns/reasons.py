"""Why rows were rejected, counted and in words: columns and reasons, never a value."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

# How a reason of tasks.columns.conform continues after the column's name.
NOT, NULL = "not ", "null in a required column"
# Of an expression of the dataset, where its column has no value to be called wrong.
NOT_COMPUTED = "its expression fails"
BY_ZERO = "its expression divides by zero"
INFINITE = "its value is infinite or NaN"
TOO_FAR = "its value is outside the years 1 to 9999"
_TYPES: Final = {
    "bool": "true or false",
    "bytes": "a number of bytes",
    "date": "a date",
    "datetime": "a date-time",
    "duration": "a duration",
    "float": "a number",
    "int": "a whole number",
    "json": "JSON",
    "list": "a list",
    "string": "text",
}


def count_reasons(rejects: Iterable[pl.DataFrame]) -> Counter[str]:
    """Count rejected rows by reason; a row with several counts once for each.

    Args:
        rejects: frames with the column `reasons`.
    """
    counts: Counter[str] = Counter()
    for frame in rejects:
        counts.update(dict(frame["reasons"].explode().drop_nulls().value_counts().iter_rows()))
    return counts


def most_frequent(reasons: Mapping[str, int], rows: int) -> str:
    """Return the most frequent reason of a number of rejected rows, as the end of a clause.

    Such as `, 11 of them: boot_time is not a date-time`; empty if no reason is known.
    """
    if not reasons:
        return ""
    reason, count = min(reasons.items(), key=lambda item: (-item[1], item[0]))
    return f", {'all' if count == rows else count} of them: {in_words(reason)}"


def in_words(reason: str) -> str:
    """Return a reason as a sentence about its column."""
    column, _, rest = reason.partition(": ")
    if rest == NOT_COMPUTED:
        return f"the expression of {column} fails"
    if rest == BY_ZERO:
        return f"the expression of {column} divides by zero (NULLIF(divisor, 0) makes it null)"
    if rest in {INFINITE, TOO_FAR}:
        return f"the value of {column} is {rest.removeprefix('its value is ')}"
    if rest == NULL:
        return f"{column} is {NULL}"
    if rest.startswith(NOT):
        kind = rest.removeprefix(NOT)
        return f"{column} is not {_TYPES.get(kind, kind)}"
    return reason
