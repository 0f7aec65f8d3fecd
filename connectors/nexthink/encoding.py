"""Writing frames as request bodies of the enrichment API, column by column.

Null cells are left out, and so are objects without any value; a cell with its field's `clearing`
value empties the field. No Python runs per row: expressions turn rows into text, and a batch is a
slice of one buffer.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from connectors.errors import DataRefusedError, UsageError
from connectors.nexthink.models import DEFAULT_BYTES, DEFAULT_OBJECTS, MOST_OBJECTS

# What JSON text must escape; everything else, even a DEL or an emoji, may stay.
_ESCAPES: Final = {
    **{chr(sign): f"\\u{sign:04x}" for sign in range(0x20)},
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    '"': '\\"',
    "\\": "\\\\",
}
_UNSAFE: Final = r'[\x00-\x1f"\\]'
_MOMENT_FORM: Final = "%Y-%m-%dT%H:%M:%S%.3fZ"


@dataclass(frozen=True, slots=True)
class ObjectLayout:
    """How the columns of a frame map to the objects of a request.

    Args:
        identification: the API's name for what identifies an object.
        key: the column that holds it; its values are unique.
        fields: the API's name of the field for each column of values.
        domain: what the tenant records as the source.
    """

    identification: str
    key: str
    fields: Mapping[str, str]
    domain: str

    def __post_init__(self) -> None:
        if not self.fields or not self.domain:
            raise UsageError("an enrichment needs a domain and at least one field")


@dataclass(frozen=True, slots=True)
class RequestBatch:
    """One request: its objects and its body."""

    objects: pl.DataFrame = field(repr=False)
    body: bytes = field(repr=False)


def encode(objects: pl.DataFrame, layout: ObjectLayout) -> bytes:
    """Return the body of one request for all objects of a frame; each needs a value.

    Raises:
        DataRefusedError: a key is missing, or a request cannot hold a column's type.
    """
    return _framed(_rows(objects, layout), layout)


def batches(
    objects: pl.DataFrame,
    layout: ObjectLayout,
    *,
    most_objects: int = DEFAULT_OBJECTS,
    most_bytes: int = DEFAULT_BYTES,
) -> Iterator[RequestBatch]:
    """Yield the requests for a frame, each made on demand.

    An object larger than `most_bytes` is sent alone.

    Raises:
        DataRefusedError: like `encode`.
    """
    if not 0 < most_objects <= MOST_OBJECTS or most_bytes <= 0:
        raise UsageError(
            f"a request must allow 1 to {MOST_OBJECTS:,} objects, and more than 0 bytes"
        )
    room = most_bytes - len(_framed(b",", layout))
    for piece in with_values(objects, layout).iter_slices(most_objects):
        text, ends = _lines(_objects_as_text(piece, layout))
        for start, stop in _cuts(ends, room):
            rows = text[ends[start] : ends[stop]]
            yield RequestBatch(piece.slice(start, stop - start), _framed(rows, layout))


def with_values(objects: pl.DataFrame, layout: ObjectLayout) -> pl.DataFrame:
    """Return a frame without the objects that have no value in any field."""
    empty = pl.all_horizontal(pl.col(column).is_null() for column in layout.fields)
    return objects.filter(~empty) if objects.select(empty.any()).item() else objects


def check_objects(objects: pl.DataFrame, layout: ObjectLayout) -> None:
    """Raise unless a frame can be encoded and its keys are unique.

    Raises:
        DataRefusedError: names the number of bad objects, or the bad column.
    """
    _check_keys(objects[layout.key])
    encode(objects.clear(), layout)
    repeated = objects.height - objects[layout.key].n_unique()
    if repeated:
        # With two requests running at once, chance would decide which value stays.
        raise DataRefusedError(f"{repeated:,} objects are in the frame more than once")


def json_expression(values: pl.Series) -> pl.Expr:
    """Return an expression for the values of a column as JSON; null stays null.

    Raises:
        DataRefusedError: a type that requests cannot hold, such as floats with their NaN.
    """
    dtype, value = values.dtype, pl.col(values.name)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        text = value.cast(pl.String)
        # Most columns need no escaping, and checking that is five times faster than escaping.
        if values.cast(pl.String).str.contains(_UNSAFE).any():
            text = text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
        return _quoted(text)
    if dtype.is_integer():
        return value.cast(pl.String)
    if isinstance(dtype, pl.Boolean):
        truth = pl.when(value).then(pl.lit("true")).otherwise(pl.lit("false"))
        return pl.when(value.is_not_null()).then(truth)
    if isinstance(dtype, pl.Date):
        return _quoted(value.dt.strftime("%Y-%m-%d"))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return _quoted(value.dt.convert_time_zone("UTC").dt.strftime(_MOMENT_FORM))
    if isinstance(dtype, pl.Null):
        return pl.lit(None, pl.String)
    raise DataRefusedError(
        f"column {values.name} is {dtype}, which an enrichment cannot hold: convert it to text, a "
        "whole number, a date, or a date-time with its zone"
    )


def _quoted(text: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), text, pl.lit('"'))


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _objects_as_text(objects: pl.DataFrame, layout: ObjectLayout) -> pl.Series:
    """Return each object as JSON, followed by a comma."""
    _check_keys(objects[layout.key])
    fields = [
        pl.concat_str(
            pl.lit(f'{{"name":{_quote(name)},"value":'),
            json_expression(objects[column]),
            pl.lit("}"),
        )
        for column, name in layout.fields.items()
    ]
    return objects.select(
        pl.concat_str(
            pl.lit(f'{{"identification":[{{"name":{_quote(layout.identification)},"value":'),
            json_expression(objects[layout.key]),
            pl.lit('}],"fields":['),
            pl.concat_str(fields, separator=",", ignore_nulls=True),
            pl.lit("]},"),
        )
    ).to_series()


def _check_keys(keys: pl.Series) -> None:
    if not isinstance(keys.dtype, pl.String):
        raise DataRefusedError(
            f"column {keys.name} is {keys.dtype}: an identification must be text"
        )
    missing = int((keys.is_null() | (keys == "")).sum())
    if missing:
        raise DataRefusedError(f"{missing:,} objects have nothing that identifies them")


def _lines(rows: pl.Series) -> tuple[memoryview, memoryview]:
    """Return the texts of a column, joined as bytes, and where each ends."""
    # Arrow's older layout keeps a column's texts in one buffer, so a range of rows is a slice.
    array = rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    ends = memoryview(offsets).cast("B").cast("q")[array.offset : array.offset + len(array) + 1]
    return memoryview(data).cast("B") if data else memoryview(b""), ends


def _cuts(ends: memoryview, room: int) -> Iterator[tuple[int, int]]:
    start, last = 0, len(ends) - 1
    while start < last:
        # `ends` begins with 0, so entry n + 1 is where row n ends.
        fitting = bisect_right(ends, ends[start] + room, lo=start + 1) - 1
        stop = max(start + 1, fitting)
        yield start, stop
        start = stop


def _rows(objects: pl.DataFrame, layout: ObjectLayout) -> memoryview:
    text, ends = _lines(_objects_as_text(objects, layout))
    return text[ends[0] : ends[-1]]


def _framed(rows: bytes | memoryview, layout: ObjectLayout) -> bytes:
    # Drops the comma after the last object.
    return b"".join(
        (b'{"enrichments":[', rows[:-1], b'],"domain":', _quote(layout.domain).encode(), b"}")
    )
