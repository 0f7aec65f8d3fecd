"""Problems of a sync's SQL found before there is any row: its form, tables and columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb

from connectors.databases.names import folded
from connectors.locked_duckdb import BLIND, first_line
from connectors.quoting import quoted_name


def sql_problems(
    sql: str,
    conditions: Mapping[str, str],
    named: Mapping[str, str],
    sources: Mapping[str, Sequence[str]],
) -> list[str]:
    """Return the problems of a sync's SQL.

    Args:
        sql: must be one SELECT over all of the sources and no other table.
        conditions: conditions over its columns, by field.
        named: the columns that the sync names, by use.
        sources: the columns of each source; empty if they are not declared.
    """
    with duckdb.connect(":memory:", config=BLIND) as database:
        texts = {"sql": sql}
        texts |= {
            f"fields.{name}.clear_when": _as_select(each) for name, each in conditions.items()
        }
        problems = [
            f"{where}: {problem}"
            for where, text in texts.items()
            if (problem := _problem(database, text))
        ]
        problems = problems or _table_problems(database, list(texts.values()), set(sources))
        if problems or not all(sources.values()):
            # Without declared fields the columns are known only once the source is queried.
            return problems
        return _column_problems(database, sql, conditions, named, sources)


def column_places(
    named: Mapping[str, str], columns: Sequence[str]
) -> tuple[dict[str, int], list[str]]:
    """Return the position of each named column in a select, and which are missing or ambiguous.

    SQL ignores the case of A to Z in names.
    """
    lowered = [folded(name) for name in columns]
    used = dict.fromkeys(folded(column) for column in named.values())
    problems = [f"selects no column {name}" for name in used if name not in lowered]
    problems += [f"selects {name} twice" for name in used if lowered.count(name) > 1]
    if problems:
        return {}, [*problems, f"its columns are {', '.join(columns)}"]
    return {use: lowered.index(folded(column)) for use, column in named.items()}, []


def without_end(sql: str) -> str:
    """Return a statement without its semicolon, so that it can be nested in another."""
    return sql.strip().rstrip(";").rstrip()


def _as_select(condition: str) -> str:
    # A comment at its end must not hide what follows.
    return f"SELECT 1 WHERE ({condition}\n)"


def _problem(database: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    try:
        statements = database.extract_statements(sql)
    except duckdb.Error as error:
        return first_line(error)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return "must be one SELECT"
    return None


def _table_problems(
    database: duckdb.DuckDBPyConnection, texts: Sequence[str], sources: set[str]
) -> list[str]:
    named: set[str] = set()
    for text in texts:
        found = database.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchone()
        tree = json.loads(found[0]) if found else {"error": True}
        if tree["error"]:
            # DuckDB cannot serialize it (PIVOT): the check of the columns then finds problems.
            return []
        named |= {name.lower() for name in _tables(tree)}
    problems = [f"sql: {name} is not one of the sources" for name in sorted(named - sources)]
    return problems + [f"sql: does not read the source {name}" for name in sorted(sources - named)]


def _tables(tree: Any) -> set[str]:
    """Return the tables that a statement reads, without those that it defines itself."""
    nodes = list(_nodes(tree))
    own = {made["key"].lower() for node in nodes for made in node.get("cte_map", {}).get("map", ())}
    read = {node["table_name"] for node in nodes if node.get("type") == "BASE_TABLE"}
    return {name for name in read if name.lower() not in own}


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(inner, dict | list):
            yield from _nodes(inner)


def _column_problems(
    database: duckdb.DuckDBPyConnection,
    sql: str,
    conditions: Mapping[str, str],
    named: Mapping[str, str],
    sources: Mapping[str, Sequence[str]],
) -> list[str]:
    """Return what does not fit the columns of the sources, which are all text."""
    try:
        for name, columns in sources.items():
            texts = ", ".join(f"{quoted_name(column)} VARCHAR" for column in columns)
            database.execute(f"CREATE TABLE {quoted_name(name)} ({texts})")
        problems = column_places(named, database.sql(without_end(sql)).columns)[1]
    except duckdb.Error as error:
        return [f"sql: {first_line(error)}"]
    if problems:
        return [f"sql: {', '.join(problems)}"]
    for name, condition in conditions.items():
        try:
            database.sql(f"FROM (\n{without_end(sql)}\n) SELECT *, ({condition}\n)")
        except duckdb.Error as error:
            problems.append(f"fields.{name}.clear_when: {first_line(error)}")
    return problems
