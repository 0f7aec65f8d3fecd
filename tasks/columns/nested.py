"""Reading lists and JSON in text columns, column-wise; only quoted lists go through Python."""

import json
from typing import Any, NoReturn

import orjson
import polars as pl
import pyarrow as pa

LISTS = pl.List(pl.String())
QUOTE = '"'
# What nests, or would need quotes to be told from the list's own signs.
NESTED = r"[\[\]{}]"
NULL = "null"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


AS_WRITTEN = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def read_lists(text: pl.Series) -> pl.Series:
    """Read `[a, b]` and `["a, b", "c"]` as lists of text; anything else becomes null.

    Without quotes an item is what stands between commas; with quotes the whole must be JSON.
    Numbers stay as written. `[]` is a list of none, and an item `null` is null.
    """
    is_quoted = text.str.contains(QUOTE, literal=True)
    values = _bare(text.set(is_quoted.fill_null(value=False), None))
    if not is_quoted.any():
        return values.alias(text.name)
    quoted = text.filter(is_quoted).unique()
    # By way of Arrow: Polars takes twenty times as long to make a column from nested lists.
    parsed = pl.Series(pa.array([_items(value) for value in quoted], pa.list_(pa.string())))
    positions = text.replace_strict(
        quoted, pl.int_range(len(quoted), eager=True), default=None, return_dtype=pl.Int64
    )
    return pl.select(
        pl.when(is_quoted).then(parsed.gather(positions)).otherwise(values).alias(text.name)
    ).to_series()


def read_json(text: pl.Series) -> pl.Series:
    """Keep the text that is JSON (RFC 8259: no NaN, no comments); anything else becomes null."""
    distinct = text.drop_nulls().unique()
    wrong = [value for value in distinct if not is_json(value)]
    return text.set(text.is_in(wrong).fill_null(value=False), None)


def is_json(text: str) -> bool:
    """Tell whether a text is one JSON document."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _bare(text: pl.Series) -> pl.Series:
    is_list = text.str.starts_with("[") & text.str.ends_with("]")
    inner = text.set(~is_list.fill_null(value=True), None).str.slice(1)
    inner = inner.str.head(-1).str.strip_chars()
    inner = inner.set(inner.str.contains(NESTED).fill_null(value=False), None)
    item = pl.element().str.strip_chars()
    items = inner.str.split(",").list.eval(pl.when(item != NULL).then(item))
    is_empty = inner == ""
    # Between two commas there must be something.
    has_gap = items.list.contains(pl.lit("")) & ~is_empty
    nothing = pl.lit(None, LISTS)
    none = pl.lit([], LISTS)
    read = pl.when(has_gap).then(nothing).when(is_empty).then(none).otherwise(items)
    return pl.select(read).to_series()


def _items(text: str) -> list[str | None] | None:
    """Read a JSON list of scalars, numbers as they are written; None where it is none."""
    try:
        found = AS_WRITTEN.decode(text)
        if not isinstance(found, list):
            return None
        items = [_item(item) for item in found]
        # Half of a surrogate pair is text to JSON and to nobody else.
        "".join(item or "" for item in items).encode()
    except (ValueError, RecursionError):
        return None
    return items


def _item(value: Any) -> str | None:
    if isinstance(value, list | dict):
        raise ValueError("nested")  # noqa: TRY004 - one kind of refusal for all of them
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)
