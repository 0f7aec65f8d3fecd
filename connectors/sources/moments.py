"""Moments of an incremental column, as pulls compare them and cursors keep them.

A moment is a date-time, a date, a number or a text: whatever grows with each change of a row.
"""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from connectors.sources.cursor import IN_FUTURE, UNREADABLE, Cursor

_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
    "int": int,
    "float": float,
}


def is_moment(value: Any) -> bool:
    """Return whether a value can be a moment."""
    return type(value).__name__ in {*_READERS, "str"}


def earlier(moment: Any, by: timedelta) -> Any:
    """Return the moment that is a time span before another; numbers and texts stay as they are."""
    if not isinstance(moment, date):
        return moment
    try:
        return moment - by
    except OverflowError:
        # The calendar begins then.
        return (
            moment.min
            if not isinstance(moment, datetime)
            else moment.min.replace(tzinfo=moment.tzinfo)
        )


def is_mixed(oldest: Any, newest: Any) -> bool:
    """Return whether a column has moments of several types, which SQLite allows.

    SQLite orders values by type first, so changes of the lesser types would be missed for ever.
    """
    return oldest is not None and _kind(oldest) != _kind(newest)


def is_before(moment: Any, other: Any) -> bool:
    """Return whether a moment is before another; those of different types have no order."""
    return other is not None and _kind(moment) == _kind(other) and bool(moment < other)


def _kind(moment: Any) -> str:
    if isinstance(moment, datetime):
        return "date-times without a zone" if moment.tzinfo is None else "date-times with a zone"
    if isinstance(moment, (int, float, Decimal)):
        return "numbers"
    return {date: "dates", str: "texts"}.get(type(moment), "values of another type")


def unusable_since(cursor: Cursor, newest: Any, overlap: timedelta) -> str | None:
    """Return why the next pull cannot start at a cursor, None if it can."""
    try:
        before = read_moment(cursor.until)
    except (ValueError, TypeError, ArithmeticError):
        return UNREADABLE
    if newest is None:
        return None
    if _kind(before) != _kind(newest):
        return f"is of {_kind(before)}, but the column now has {_kind(newest)}"
    # The newest row may have been deleted. Further back, changes before the cursor would be missed.
    return IN_FUTURE if is_before(newest, earlier(before, overlap)) else None


def write_moment(moment: Any) -> str:
    """Return a moment as a cursor keeps it, with its type."""
    return json.dumps([type(moment).__name__, str(moment)])


def read_moment(written: str) -> Any:
    """Return a moment that a cursor has kept.

    Raises:
        ValueError, TypeError, ArithmeticError: it was not written by `write_moment`.
    """
    kind, value = json.loads(written)
    return _READERS.get(kind, str)(value)
