"""The columns of a query's result as `execute` returns it: their names and types.

The API names no types, and its version 2 names no columns if there are no rows. Both are found in
the catalogue if a dataset has the same query, otherwise in the values, or in the text of the query.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from connectors.catalogue.columns import Column, ColumnType
from connectors.catalogue.dataset import DatasetSpecification
from connectors.catalogue.loading import read_specifications
from connectors.catalogue.names import DATASETS
from connectors.nexthink import QueryResult

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
    (bool, ColumnType.BOOL),
    (int, ColumnType.INT),
    (float, ColumnType.FLOAT),
    (list, ColumnType.LIST),
    (object, ColumnType.JSON),
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
    type: ColumnType | None
    type_from: TypeFrom


@dataclass(frozen=True, slots=True)
class ResultColumns:
    """The columns of a result, in order, and where their names are known from."""

    columns: tuple[ResultColumn, ...]
    names_from: NamesFrom


def declared_columns(catalog: Path, query_id: str) -> tuple[Column, ...]:
    """Return the columns of the first dataset of the catalogue with a query; none if it has none.

    Problems of the catalogue do not matter: what it says about a result is only additional.
    """
    found = read_specifications(catalog / DATASETS, DatasetSpecification).valid
    return next(
        (tuple(each.columns) for each in found.values() if query_id in each.query_ids()), ()
    )


def columns_of(result: QueryResult, declared: Sequence[Column]) -> ResultColumns:
    """Return the columns of a result, given those that the catalogue declares for its query."""
    names, origin = _names(result, declared)
    types = {column.nql.lower(): column.type for column in declared}
    return ResultColumns(
        tuple(_column(name, types, (row.get(name) for row in result.data)) for name in names),
        origin,
    )


def _names(result: QueryResult, declared: Sequence[Column]) -> tuple[list[str], NamesFrom]:
    if result.headers:
        return result.headers, NamesFrom.ANSWER
    if declared:
        return [column.nql for column in declared], NamesFrom.CATALOGUE
    listed = listed_names(result.executed_query)
    return listed, NamesFrom.QUERY if listed else NamesFrom.UNKNOWN


def _column(name: str, types: dict[str, ColumnType], values: Iterable[Any]) -> ResultColumn:
    if declared := types.get(name.lower()):
        return ResultColumn(name, declared, TypeFrom.DECLARED)
    inferred = inferred_type(values)
    return ResultColumn(name, inferred, TypeFrom.INFERRED if inferred else TypeFrom.UNKNOWN)


def inferred_type(values: Iterable[Any]) -> ColumnType | None:
    """Return the type that fits all values of a JSON answer; None if all of them are null."""
    found = {_type(value) for value in values if value is not None}
    if not found:
        return None
    if len(found) == 1:
        return found.pop()
    if found == {ColumnType.INT, ColumnType.FLOAT}:
        return ColumnType.FLOAT
    nested = {ColumnType.LIST, ColumnType.JSON}
    return ColumnType.JSON if found & nested else ColumnType.STRING


def _type(value: Any) -> ColumnType:
    if isinstance(value, str):
        if _MOMENT.fullmatch(value):
            return ColumnType.DATETIME
        return ColumnType.DATE if _DAY.fullmatch(value) else ColumnType.STRING
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
