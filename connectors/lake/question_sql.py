"""Which tables a question's SQL reads, by DuckDB's parser; nothing is opened."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final

import duckdb

# Functions that give rows and read nothing.
_HARMLESS: Final = frozenset({"range", "generate_series", "unnest"})
# DuckDB's own views, which show how other views are made.
_CATALOG: Final = re.compile(r"(?:duckdb|sqlite|pg|pragma)_", re.IGNORECASE)
# What may compare a column with a value, or make one of both.
_COMPARES: Final = frozenset({"COMPARISON", "OPERATOR", "BETWEEN", "FUNCTION", "CASE", "SUBQUERY"})
# What follows the columns of a PIVOT.
_ENDS: Final = frozenset({"using", "group", "order", "limit", "offset", ";", ")"})
_TEXT: Final = duckdb.token_type.string_const
_PIVOTS: Final = frozenset({"pivot", "pivot_wider"})
# An odd value, since nothing looks for it.
_ONE_VALUE: Final = " IN ('')"


def parsed(sql: str) -> Mapping[str, Any]:
    """Return what DuckDB's parser says of a text: `statements`, or an error.

    A PIVOT that finds its columns in the rows is shown as if they were given: only so is it one
    statement.
    """
    with _parser().cursor() as connection:
        found = _serialized(connection, sql)
        if found.get("error_type") not in {None, "parser"}:
            with_columns = _with_columns(sql)
            found = _serialized(connection, with_columns) if with_columns != sql else found
    return found


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Return a database that only parses: a new one for each question takes 20 ms."""
    return duckdb.connect(":memory:", config={"threads": 1})


def tables(node: Any, given: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the tables below a node of a parsed statement, without the names that WITH gives."""
    if isinstance(node, list):
        for each in node:
            yield from tables(each, given)
    elif isinstance(node, Mapping):
        named = node.get("cte_map")
        if isinstance(named, Mapping):
            given |= {str(each["key"]).lower() for each in named.get("map", ())}
        if node.get("type") == "BASE_TABLE" and str(node["table_name"]).lower() not in given:
            yield node["table_name"]
        for each in node.values():
            yield from tables(each, given)


def strays(node: Any) -> Iterator[str]:
    """Yield what a parsed statement reads that is not the plain name of a table."""
    if isinstance(node, list):
        for each in node:
            yield from strays(each)
    elif isinstance(node, Mapping):
        match node.get("type"):
            case "TABLE_FUNCTION":
                name = str(node["function"]["function_name"])
                yield from () if name.lower() in _HARMLESS else (name,)
            case "BASE_TABLE" if node.get("schema_name") or node.get("catalog_name"):
                yield f"{node.get('schema_name')}.{node['table_name']}"
            case "BASE_TABLE" if set(node["table_name"]) & set("./\\*"):
                # The path of a file, in quotes.
                yield node["table_name"]
            case "BASE_TABLE" if _CATALOG.match(node["table_name"]):
                # A WITH of that name may read it.
                yield node["table_name"]
            case "SHOW_REF":
                yield "SHOW"
        for each in node.values():
            yield from strays(each)


def without_values(sql: str, private: Collection[str]) -> str:
    """Return the text with an ellipsis for each value that stands next to one of some columns.

    A text counts if it is in the same comparison, function or list; a number if it is compared
    with the column itself. Names that the statement gives to such columns count as well.
    """
    encoded = sql.encode()
    with _parser().cursor() as connection:
        found = _serialized(connection, sql)
    if found.get("error"):
        # It finds columns in its rows (PIVOT), so the parser shows no places.
        words = {word for _, word in _words(encoded)}
        if not {each.lower() for each in private} & {word.strip('"') for word in words}:
            return sql
        tokens = [*duckdb.tokenize(sql), (len(encoded), _TEXT)]
        places = {
            (at, len(encoded[at:end].rstrip()))
            for (at, kind), (end, _) in pairwise(tokens)
            if kind == _TEXT
        }
    else:
        names = {each.lower() for each in private}
        while more := set(_renamed(found, names)) - names:
            names |= more
        places = set(_values(found, names))
    for at, length in sorted(places, reverse=True):
        encoded = encoded[:at] + "'…'".encode() + encoded[at + length :]
    return encoded.decode()


def _nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, list):
        for each in node:
            yield from _nodes(each)
    elif isinstance(node, Mapping):
        yield node
        for each in node.values():
            yield from _nodes(each)


def _names_one(node: Any, names: Collection[str]) -> bool:
    return any(
        each.get("class") == "COLUMN_REF" and str(each["column_names"][-1]).lower() in names
        for each in _nodes(node)
    )


def _renamed(node: Any, names: Collection[str]) -> Iterator[str]:
    """Yield the names that a statement gives to what has one of these columns in it."""
    for each in _nodes(node):
        if each.get("class") and each.get("alias") and _names_one(each, names):
            yield str(each["alias"]).lower()
        given = each.get("column_name_alias") or each.get("aliases")
        if given and _names_one(each, names):
            yield from (str(name).lower() for name in given)


def _values(node: Any, names: Collection[str]) -> Iterator[tuple[int, int]]:
    """Yield begin and length, in bytes, of each value next to one of these columns."""
    is_read = _names_one(node, names)
    for each in _nodes(node):
        if each.get("class") in _COMPARES and _names_one(each, names):
            children = [part for part in each.values() if isinstance(part, Mapping)]
            children += each.get("children") or ()
            is_direct = any(part.get("class") == "COLUMN_REF" for part in children)
            for one in _nodes(each):
                kind = (one.get("literal") or {}).get("kind")
                if kind == "STRING" or (kind and is_direct and one in children):
                    yield one["query_location"], one["query_location_length"]
        elif each.get("type") == "EXPRESSION_LIST" and is_read:
            # VALUES, which may be joined with the column.
            for one in _nodes(each):
                if (one.get("literal") or {}).get("kind") == "STRING":
                    yield one["query_location"], one["query_location_length"]


def _serialized(connection: duckdb.DuckDBPyConnection, sql: str) -> Mapping[str, Any]:
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    found: Mapping[str, Any] = json.loads(row[0]) if row else {}
    return found


def _with_columns(sql: str) -> str:
    """Return the text with one value for each column of a PIVOT that names none."""
    encoded, places = sql.encode(), []
    # For each open PIVOT: how deep it is in brackets, whether its ON and an IN have come.
    pivots: list[list[int]] = []
    depth = 0
    for at, word in _words(encoded):
        depth += word == "("
        if pivots and depth == pivots[-1][0]:
            _, on, has_values = pivots[-1]
            if on and (word == "," or word in _ENDS):
                places += [] if has_values else [at]
                pivots[-1][2] = 0
            if word in _ENDS:
                pivots.pop()
            elif word == "on":
                pivots[-1][1] = 1
            elif word == "in":
                pivots[-1][2] = 1
        depth -= word == ")"
        if word in _PIVOTS:
            pivots.append([depth, 0, 0])
    for at in reversed(places):
        encoded = encoded[:at] + _ONE_VALUE.encode() + encoded[at:]
    return encoded.decode()


def _words(encoded: bytes) -> Iterator[tuple[int, str]]:
    """Yield the place and the text of each token, without comments; a bracket at the end."""
    tokens = duckdb.tokenize(encoded.decode())
    ends = [*(place for place, _ in tokens[1:]), len(encoded)]
    last = 0
    for (place, kind), end in zip(tokens, ends, strict=True):
        if kind != duckdb.token_type.comment:
            word = encoded[place:end].rstrip()
            last = place + len(word)
            yield place, word.decode(errors="replace").lower()
    # Before a comment at the end.
    yield last, ")"
