"""The columns of a query's result as `execute` returns it: their names and types.

The API names no types, and its version 2 names no columns if there are no rows. Both may be
declared by a dataset with the same query; otherwise they are in the values, or in the query's text.
Types are those of a dataset's columns.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', re.DOTALL)
_BRACKETS: Final = re.compile(r"\([^()]*\)")
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?"
)
_BUCKET: Final = re.compile(r"\d+ ?[a-z]+")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
# A bool is an int too.
_KINDS: Final = (
    (bool, "bool"),
    (int, "int"),
    (float, "float"),
    (list, "list"),
    (object, "json"),
)


class NamesFrom(StrEnum):
    """Where the names of a result's columns are known from."""

    ANSWER = "answer"
    CATALOGUE = "catalogue"
    QUERY = "query"
    UNKNOWN = "unknown"


class TypeFrom(StrEnum):
    """Where the type of a column is known from."""

    DECLARED = "declared"
    INFERRED = "inferred"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column: the tenant's name, and a type unless no value shows one."""

    name: str
    type: str | None
    type_from: TypeFrom


@dataclass(frozen=True, slots=True)
class ResultColumns:
    """The columns of a result, in order, and where their names are known from."""

    columns: tuple[ResultColumn, ...]
    names_from: NamesFrom


def columns_of(
    headers: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    query: str,
    declared: Mapping[str, str] | None = None,
) -> ResultColumns:
    """Return the columns of a result.

    Args:
        headers: as the answer has them, or the keys of its rows.
        rows: by column.
        query: the text that was run.
        declared: the types of the columns that a dataset declares for this query.
    """
    declared = declared or {}
    names, origin = _names(headers, query, declared)
    types = {name.lower(): kind for name, kind in declared.items()}
    return ResultColumns(
        tuple(_column(name, types, (row.get(name) for row in rows)) for name in names), origin
    )


def _names(
    headers: Sequence[str], query: str, declared: Mapping[str, str]
) -> tuple[Sequence[str], NamesFrom]:
    if headers:
        return headers, NamesFrom.ANSWER
    if declared:
        return list(declared), NamesFrom.CATALOGUE
    listed = listed_names(query)
    return listed, NamesFrom.QUERY if listed else NamesFrom.UNKNOWN


def _column(name: str, types: Mapping[str, str], values: Iterable[Any]) -> ResultColumn:
    if declared := types.get(name.lower()):
        return ResultColumn(name, declared, TypeFrom.DECLARED)
    inferred = inferred_type(values)
    return ResultColumn(name, inferred, TypeFrom.INFERRED if inferred else TypeFrom.UNKNOWN)


def inferred_type(values: Iterable[Any]) -> str | None:
    """Return the type that fits all values of a JSON answer; None if all of them are null."""
    found = {_type(value) for value in values if value is not None}
    if not found:
        return None
    if len(found) == 1:
        return found.pop()
    if found == {"int", "float"}:
        return "float"
    nested = {"list", "json"}
    return "json" if found & nested else "string"


def _type(value: Any) -> str:
    if isinstance(value, str):
        if _MOMENT.fullmatch(value):
            return "datetime"
        return "date" if _DAY.fullmatch(value) else "string"
    return next(kind for python, kind in _KINDS if isinstance(value, python))


def listed_names(query: str) -> list[str]:
    """Return the columns that the text of a query asks for, as it writes them.

    The last `list` counts, or the last `summarize` with the fields it groups by. A tenant may write
    the names with a prefix: `event.start_time` as `execution.event.start_time`.
    """
    plain = _TEXT.sub("''", _COMMENT.sub(" ", query))
    while (flat := _BRACKETS.sub(" ", plain)) != plain:
        plain = flat
    for clause in reversed(plain.split("|")[1:]):
        word, _, rest = " ".join(clause.split()).partition(" ")
        if word == "list":
            return _parts(rest)
        if word == "summarize":
            made, _, by = rest.partition(" by ")
            groups = _parts(by)
            if any(_BUCKET.fullmatch(group) for group in groups):
                # Its columns are the tenant's, and the query does not name them.
                return []
            aliases = [part.partition("=")[0].strip() for part in _parts(made) if "=" in part]
            return [*groups, *aliases]
    return []


def _parts(text: str) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())]
