"""Polars SQL expressions over the columns of a dataset: checked without data, exact in arithmetic.

An expression must be one of a single row, so that it has the same value whatever batch, run or
replay the row is in. Polars does not say so itself: the tree of the parsed expression is read, and
only what is known to look at one row is allowed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

import orjson
import polars as pl

from connectors.catalogue.expression_trees import (
    MOST_CHARACTERS,
    TRUNCATED,
    ExpressionError,
    TreeReader,
    branches,
    expression_of,
    refused,
)
from connectors.catalogue.other_dialects import advised

SHOWN: Final = 160
_QUOTED: Final = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)
# Refused before anything is parsed: parsing a subquery opens the files that it names.
_QUERY: Final = re.compile(r"\bselect\b|\bwith\b(?!\s+time\b)", re.IGNORECASE)
# The start of a text that may end elsewhere than it seems to, and hide one: E'\'', $$'$$.
_ODD_TEXT: Final = re.compile(r"(?<!\w)[A-Za-z]&?$")
_CLOCK: Final = re.compile(
    r"\b(current_(?:date|time|timestamp)|localtime(?:stamp)?|now(?=\s*\())\b", re.IGNORECASE
)
# Polars takes it for the column itself where it is not followed by OVER.
_LAST: Final = re.compile(r"\blast_value\s*\(", re.IGNORECASE)
# How Polars' parser shows what it does not support.
_PARSED: Final = re.compile(r"(expression [A-Z]\w+).*|(array element) [A-Z]\w+.*")
# What Polars' parser refuses where it does not know the type of a column, which we do.
_TRUNC: Final = re.compile(r"\bdate_trunc\s*\(\s*'(\w+)'\s*,", re.IGNORECASE)
_ZONE: Final = re.compile(r"(?<![\w.\"`'])(\w+)(?=\s+at\s+time\s+zone\b)", re.IGNORECASE)
_A_TIME: Final = "write a time as TIMESTAMPTZ '2026-11-01 00:00:00Z', a date as DATE '2026-11-01'"
_IN_A_LIST: Final = (
    "a list stands where one value is needed: ARRAY_CONTAINS(list, value) looks into it, "
    "ARRAY_TO_STRING(list, ',') makes a text of it"
)
# Words of Polars that help only those who write Python, and what helps here.
_ADVICE: Final = (
    ("cannot compare 'date/datetime", f"a time or date is compared with text: {_A_TIME}"),
    (
        "AT TIME ZONE could not resolve",
        "the type in front of AT TIME ZONE is not known: write CAST(… AS TIMESTAMPTZ) there",
    ),
    ("cannot cast List type", _IN_A_LIST),
    (
        "sql parser error: Unterminated string literal",
        "a text does not end: in YAML, # after a blank begins a comment; quote the whole value",
    ),
    (
        "casting from Utf8View to Boolean",
        "text is not true or false: compare it with a text, as in x = 'true'",
    ),
    ("casting from string to date is", "text is not cast to a date: write DATE(x, '%Y-%m-%d')"),
    (
        "casting from Utf8View to list",
        "a text stands where a list is needed: STRING_TO_ARRAY(x, ',') makes a list of it",
    ),
    (
        "casting from string to datetime",
        "text is not cast to a time: write CAST(TIMESTAMP(x, '%Y-%m-%d %H:%M:%S') AS TIMESTAMPTZ)",
    ),
)
# What Polars raises for single values that do not fit, in the words of its casts.
_OF_A_VALUE: Final = re.compile(r"conversion from `")
_MOMENT: Final = datetime(2026, 11, 1, 10, tzinfo=UTC)
# Values for columns of each type; a mistake of types fails with all of them.
_SAMPLES: Final[Sequence[Mapping[type[pl.DataType], Any]]] = (
    {
        pl.String: "1",
        pl.Int64: 1,
        pl.Float64: 0.5,
        pl.Boolean: True,
        pl.Datetime: _MOMENT,
        pl.Date: _MOMENT.date(),
        pl.List: ["1"],
    },
    {
        pl.String: "2026-11-01",
        pl.Int64: 0,
        pl.Float64: -1.5,
        pl.Boolean: False,
        pl.Datetime: _MOMENT,
        pl.Date: _MOMENT.date(),
        pl.List: ["a", "b"],
    },
)
_OF_LISTS: Final = re.compile(r"could not evaluate comparison .*List")
_OF_TIMES: Final = re.compile(r"could not evaluate '.+' comparison .*Datetime")


class UnknownColumnError(ExpressionError):
    """An expression names a column that is not there."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class PreparedExpression:
    """An expression that is one of a single row, and the type of frames that it has."""

    expression: pl.Expr
    kind: pl.DataType


def prepared(text: str, columns: Mapping[str, pl.DataType]) -> PreparedExpression:
    """Parse an expression, check it against columns, and find its type.

    Raises:
        ExpressionError: it is not one of a single row, names an unknown column, or fails even
            without rows.
    """
    expression = _parsed(text, columns)
    for name in dict.fromkeys(expression.meta.root_names()):
        if name not in columns:
            near = get_close_matches(name.lower(), columns, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise UnknownColumnError(name, f"{name!r} is not a column here{meant}")
    empty = pl.LazyFrame(schema=dict(columns))
    try:
        tree = orjson.loads(expression.meta.serialize(format="json"))
        exact = TreeReader(empty).read(tree)
        if exact != tree:
            expression = expression_of(exact)
        # Some mistakes show only when it runs, even without rows.
        kind = empty.select(expression.alias("value")).collect().schema["value"]
        for part in (expression, *map(expression_of, branches(exact))):
            _try_with_rows(part, columns)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        raise ExpressionError("it is nested too deeply: divide it") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ExpressionError(_first_line(error)) from None
    return PreparedExpression(expression, kind)


def _try_with_rows(expression: pl.Expr, columns: Mapping[str, pl.DataType]) -> None:
    """Raise what the expression raises whatever the values are, such as a cast that is not there.

    Polars finds such a mistake of types only when there is a value. A value that does not fit, such
    as a text that is no number, is not a mistake of the expression.

    Raises:
        PolarsError: it fails with every sample, and never for a value.
    """
    errors: list[BaseException] = []
    for values in _SAMPLES:
        sample = {name: [values.get(type(kind))] for name, kind in columns.items()}
        try:
            pl.DataFrame(sample, dict(columns)).select(expression)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            if _OF_A_VALUE.match(str(error)):
                return
            errors.append(error)
        else:
            return
    raise errors[0]


def _parsed(text: str, columns: Mapping[str, pl.DataType]) -> pl.Expr:
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"it is longer than {MOST_CHARACTERS:,} characters")
    odd = any(_ODD_TEXT.search(text[: each.start()]) for each in _QUOTED.finditer(text))
    plain = _QUOTED.sub("''", text)
    if odd or "$" in plain:
        raise ExpressionError("write texts in plain single quotes, without a letter or $ in front")
    if _QUERY.search(plain):
        raise refused("SubPlan")
    if _LAST.search(plain):
        raise refused("Over")
    if clock := _CLOCK.search(plain):
        raise ExpressionError(
            f"{clock[1]} changes from run to run: the same row must land the same again"
        )
    try:
        return pl.sql_expr(_with_types(text, columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ExpressionError(_first_line(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever else parsing meets
        raise ExpressionError(f"parsing it raises {type(error).__name__}") from None


def _with_types(text: str, columns: Mapping[str, pl.DataType]) -> str:
    """Return an expression in words that Polars' parser accepts without knowing the columns."""

    def cast(match: re.Match[str]) -> str:
        is_time = isinstance(columns.get(match[1]), pl.Datetime)
        return f"CAST({match[1]} AS TIMESTAMPTZ)" if is_time else match[1]

    # What is in quotes stays as it is.
    pieces = re.split(f"({_QUOTED.pattern})", text, flags=re.DOTALL)
    text = "".join(piece if n % 2 else _ZONE.sub(cast, piece) for n, piece in enumerate(pieces))
    return _TRUNC.sub(rf"CONCAT_WS('{TRUNCATED}\1',", text)


def _first_line(error: BaseException) -> str:
    """Return what Polars says in one line: about the expression, since there are no rows."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    line = _PARSED.sub(lambda match: f"{match[1] or 'an ARRAY of columns'} is not supported", line)
    if _OF_LISTS.match(line):
        line = _IN_A_LIST
    if _OF_TIMES.match(line):
        line = f"times with and without a zone, or a time and a number, are compared: {_A_TIME}"
    line = next((words for start, words in _ADVICE if line.startswith(start)), advised(line))
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
