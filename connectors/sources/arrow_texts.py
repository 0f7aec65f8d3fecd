"""Typed Arrow columns as text, exactly, also what Python's dates and times cannot hold.

Python's date-times have no nanoseconds, and its years end at 9999; those of files do not.
"""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as kinds

from connectors.errors import DataRefusedError
from connectors.sources.texts import as_text, json_text, text_array

Whole = npt.NDArray[np.int64]

PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
NANOS: Final = PER_SECOND["ns"]
NANOS_PER_MICRO: Final = 1_000
DAY_SECONDS: Final = 86_400
# Months, days and milliseconds of a Parquet interval, each in four bytes.
INTERVAL: Final = np.dtype([("months", "<u4"), ("days", "<u4"), ("millis", "<u4")])


def as_texts(batch: pa.RecordBatch, first_row: int = 1) -> pa.RecordBatch:
    """Return a typed batch with all columns as text.

    Raises:
        DataRefusedError: a value cannot be written; the error names its column and row.
    """
    arrays = [
        _or_refuse(name, column, first_row)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _or_refuse(name: str, column: pa.Array, first_row: int) -> pa.Array:
    try:
        return _written(column)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        place = next((n for n in range(len(column)) if not _is_writable(column.slice(n, 1))), 0)
        what = "text that is not UTF-8" if _is_text(column.type) else f"a value of {column.type}"
        raise DataRefusedError(
            f"column {name}, row {first_row + place} holds {what}, which cannot be read as text: "
            "write the column in another type"
        ) from None


def _is_writable(value: pa.Array) -> bool:
    try:
        _written(value)
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        return False
    return True


def _is_text(kind: pa.DataType) -> bool:
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def _written(column: pa.Array) -> pa.Array:  # noqa: PLR0911 - one line for each type
    kind = column.type
    if kinds.is_dictionary(kind):
        return _written(column.dictionary_decode())
    if _is_text(kind):
        # From bytes to text, so that Arrow checks them.
        return column.cast(pa.large_binary()).cast(pa.large_string()).cast(pa.string())
    if kinds.is_integer(kind) or kinds.is_boolean(kind) or kinds.is_null(kind):
        return column.cast(pa.string())
    if kinds.is_float32(kind) or kinds.is_float16(kind):
        return text_array(_short_floats(column))
    if kinds.is_temporal(kind) and not kinds.is_interval(kind):
        return pa.array(_times(column), pa.string())
    if kinds.is_nested(kind):
        texts = [value if value is None else json_text(value) for value in _values(column)]
        return pa.array(texts, pa.string())
    return text_array(column.to_pylist())


def _short_floats(column: pa.Array) -> list[float | None]:
    """Return short floats with their own digits: Python's have more, as 0.10000000149011612."""
    texts = column.cast(pa.float32()).cast(pa.string()).to_pylist()
    return [None if text is None else float(text) for text in texts]


def _values(column: pa.Array) -> list[Any]:  # noqa: PLR0911 - one line for each type
    """Return values of lists and structures, with dates and times in them as text."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if kinds.is_struct(kind):
        fields = [_values(column.field(n)) for n in range(kind.num_fields)]
        names = [kind.field(n).name for n in range(kind.num_fields)]
        rows = [dict(zip(names, each, strict=True)) for each in zip(*fields, strict=True)]
        return _with_nulls(column, rows or [{} for _ in range(len(column))])
    if kinds.is_map(kind):
        pairs = list(map(list, zip(_values(column.keys), _values(column.items), strict=True)))
        return _divided(column, pairs)
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return _divided(column, _values(column.values))
    if kinds.is_nested(kind):
        return _values(column.cast(pa.large_list(kind.value_type)))
    if kinds.is_temporal(kind) and not kinds.is_interval(kind):
        return _times(column)
    if kinds.is_float32(kind) or kinds.is_float16(kind):
        return _short_floats(column)
    return list(column.to_pylist())


def _divided(column: pa.Array, values: list[Any]) -> list[Any]:
    ends = column.offsets.to_pylist()
    rows = [values[start:end] for start, end in pairwise(ends)]
    return _with_nulls(column, rows)


def _with_nulls(column: pa.Array, rows: list[Any]) -> list[Any]:
    valid = column.is_valid().to_pylist()
    return [row if is_valid else None for row, is_valid in zip(rows, valid, strict=True)]


def _times(column: pa.Array) -> list[str | None]:
    """Return dates, times and durations as text."""
    kind = column.type
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    wide = column.cast(pa.int32()).cast(pa.int64()) if kind.bit_width == 32 else column  # noqa: PLR2004 - bits
    whole = wide.cast(pa.int64()).fill_null(0).to_numpy()
    if kinds.is_date(kind):
        days = whole if kinds.is_date32(kind) else whole // (DAY_SECONDS * PER_SECOND["ms"])
        texts = _iso(days.astype("datetime64[D]"))
    elif kinds.is_duration(kind):
        texts = [_duration(int(value), PER_SECOND[kind.unit]) for value in whole]
    elif kinds.is_time(kind):
        texts = _joined(whole, kind.unit, lambda text: text[11:])
    else:
        texts = instants(whole, kind.unit, is_zoned=kind.tz is not None)
    return [text if is_valid else None for text, is_valid in zip(texts, valid, strict=True)]


def instants(whole: Whole, unit: str, *, is_zoned: bool, nanos: Whole | None = None) -> list[str]:
    """Return moments since 1970 as text; `nanos` are added to those in other units."""
    if is_zoned:
        return [f"{text}Z" for text in _joined(whole, unit, str, nanos)]
    return _joined(whole, unit, lambda text: text.replace("T", " "), nanos)


def _joined(
    whole: Whole, unit: str, shown: Callable[[str], str], nanos: Whole | None = None
) -> list[str]:
    """Return moments as text; a fraction has six digits, or nine if they are needed."""
    seconds, fraction = np.divmod(whole, PER_SECOND[unit])
    fraction = fraction * (NANOS // PER_SECOND[unit]) + (0 if nanos is None else nanos)
    moments = _iso(seconds.astype("datetime64[s]"))
    parts = map(_fraction, fraction.tolist())
    return [shown(moment) + part for moment, part in zip(moments, parts, strict=True)]


def _iso(moments: npt.NDArray[np.datetime64]) -> list[str]:
    texts: list[str] = np.datetime_as_string(moments).tolist()
    # Years before Christ have their sign as one of four digits.
    return [f"-0{text[1:]}" if text[4:5] == "-" and text[0] == "-" else text for text in texts]


def _fraction(nanos: int) -> str:
    if not nanos:
        return ""
    micros, rest = divmod(nanos, NANOS_PER_MICRO)
    return f".{nanos:09d}" if rest else f".{micros:06d}"


def _duration(whole: int, per_second: int) -> str:
    """Return seconds: the shortest number that is exact."""
    exact = Decimal(whole) / per_second
    short = repr(whole / per_second)
    return short if Decimal(short) == exact else f"{exact:f}"


def has_nanos(micros: pa.Array, nanos: pa.Array) -> bool:
    """Return whether times in lists or structures, read in both units, lack nanoseconds."""
    if kinds.is_timestamp(micros.type):
        return bool(_lacking(micros, nanos).any())
    if kinds.is_struct(micros.type):
        fields = range(micros.type.num_fields)
        return any(has_nanos(micros.field(n), nanos.field(n)) for n in fields)
    if kinds.is_map(micros.type):
        return has_nanos(micros.keys, nanos.keys) or has_nanos(micros.items, nanos.items)
    return kinds.is_nested(micros.type) and has_nanos(micros.flatten(), nanos.flatten())


def _lacking(micros: pa.Array, nanos: pa.Array) -> Whole:
    """Return the nanoseconds that times of INT96 in microseconds lack.

    Nanoseconds since 1970 in 64 bits end in 2262 and begin again; their difference from the
    microseconds, in the same arithmetic, is what these lack.
    """
    whole = micros.cast(pa.int64()).fill_null(0).to_numpy().view(np.uint64)
    wrapped = nanos.cast(pa.int64()).fill_null(0).to_numpy().view(np.uint64)
    lacking: Whole = (wrapped - whole * np.uint64(NANOS_PER_MICRO)).view(np.int64)
    return lacking


def int96_texts(micros: pa.Array, nanos: pa.Array) -> pa.Array:
    """Return times of INT96, read once in microseconds and once in nanoseconds, as text."""
    whole = micros.cast(pa.int64()).fill_null(0).to_numpy()
    rest = _lacking(micros, nanos)
    texts = instants(whole, "us", is_zoned=micros.type.tz is not None, nanos=rest)
    valid = micros.is_valid().to_pylist()
    found = [text if is_valid else None for text, is_valid in zip(texts, valid, strict=True)]
    return pa.array(found, pa.string())


def interval_texts(column: pa.Array) -> pa.Array:
    """Return Parquet's intervals as ISO 8601: months and days have no length in seconds."""
    texts = [None if value is None else _interval(value) for value in column.to_pylist()]
    return pa.array(texts, pa.string())


def _interval(value: bytes) -> str:
    months, days, millis = map(int, np.frombuffer(value, INTERVAL)[0])
    seconds = as_text(Decimal(millis) / PER_SECOND["ms"])
    return f"P{months}M{days}DT{seconds}S"
