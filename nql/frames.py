"""How far back a query goes, by its time frame."""

from datetime import timedelta
from typing import Final

from nql import syntax

_UNITS: Final = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
# Events without a frame: a guess, see docs/sandbox.md.
_DEFAULT: Final = timedelta(hours=24)


def reach_of(query: syntax.Query) -> timedelta | None:
    """Return how far back from now a query's frame certainly goes, None if it is fixed in time."""
    match query.selection:
        case None:
            return _DEFAULT
        case syntax.During(span) | syntax.Between(syntax.Span() as span, _):
            # Days are whole days, and today's is not over.
            whole = span.amount - 1 if span.unit == "d" else span.amount
            return max(whole, 0) * _UNITS[span.unit]
        case _:
            return None
