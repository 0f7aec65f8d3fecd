"""Values as text, one form for each type: all columns of all sources are text.

So a source's columns are known before its first row, an empty source has the same columns as a
full one, and joining two sources never fails on types. A missing value stays null; an empty text
stays an empty text.
"""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

PLAIN = {str, type(None)}
# From here on Python writes floats with an exponent.
WHOLE_BELOW = 1e16


class Beyond(str):
    """A time as its source writes it, since Python's calendar does not have it."""

    __slots__ = ()


def as_text(value: Any) -> str | None:  # noqa: PLR0911 - one line for each type
    """Return a value of any type as text."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return _shortest(value)
        case Decimal():
            return None if value.is_nan() else f"{value:f}"
        case datetime():
            return _instant(value)
        case timedelta():
            return repr(value.total_seconds())
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case dict() | list() | tuple():
            return json_text(value)
    # Also UUIDs, and dates and times, which str() writes in ISO 8601.
    return str(value)


def _shortest(value: float) -> str | None:
    """Return the shortest text that reads back as the same number: 42, 0.1, 1e+16."""
    if math.isnan(value):
        # Data written by pandas has NaN for a missing value.
        return None
    # Zero has a sign that no system of record means.
    return repr(value or 0.0).removesuffix(".0")


def _instant(value: datetime) -> str:
    """Return a date-time as text: in UTC if it has a zone, otherwise unchanged."""
    if value.tzinfo is None:
        return value.isoformat(" ")
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat('T')}Z"


def json_text(value: Any) -> str:
    """Return a list or a structure as JSON, its numbers in the form of those outside of it."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one line for each type
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            # JSON has neither NaN, as a missing value, nor infinity.
            if not math.isfinite(value):
                return as_text(value)
            return int(value) if value.is_integer() and abs(value) < WHOLE_BELOW else value
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case bytes():
            return b64encode(value).decode()
        case _:
            return as_text(value)


def text_batch(columns: Sequence[str], values: Iterable[Sequence[Any]]) -> pa.RecordBatch:
    """Return a batch made from the values of each column, of any type."""
    return pa.RecordBatch.from_arrays([text_array(each) for each in values], list(columns))


def text_array(values: Sequence[Any]) -> pa.Array:
    """Return values of any type as an array of text."""
    if not set(map(type, values)) <= PLAIN:
        values = [as_text(value) for value in values]
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        # Systems that count in UTF-16 may cut a long text in the middle of an emoji.
        return pa.array([_whole(value) for value in values], pa.string())


def _whole(value: str | None) -> str | None:
    if value is None:
        return None
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
