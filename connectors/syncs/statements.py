"""What is wrong with the SQL of a sync, before there is any row: form, and tables that it names."""

from collections.abc import Iterable

import duckdb

# Extensions are downloads, and a name that is no view must not become a file or a variable.
CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


def select_problems(sql: str, conditions: Iterable[str], sources: set[str]) -> list[str]:
    """Say why a text is not one SELECT over the sources, all of them and no other table."""
    if problem := _problem(sql):
        return [f"sql: {problem}"]
    text = [sql, *(f"SELECT 1 WHERE ({condition}\n)" for condition in conditions)]
    named: set[str] = set()
    for each in text:
        try:
            named |= {name.lower() for name in _blind(each)}
        except duckdb.Error as error:
            return [f"sql: {first_line(error)}"]
    problems = [f"sql: {name} is none of the sources" for name in sorted(named - sources)]
    return problems + [f"sql: does not read the source {name}" for name in sorted(sources - named)]


def condition_problem(condition: str) -> str | None:
    """Say why a text cannot stand as a condition."""
    # A comment at its end must not hide what follows.
    return _problem(f"SELECT 1 WHERE ({condition}\n)")


def without_end(sql: str) -> str:
    """Take the semicolon from a statement, so that it may stand within another."""
    return sql.strip().rstrip(";").rstrip()


def first_line(error: Exception) -> str:
    """Give what DuckDB says without the statement that it quotes."""
    return str(error).splitlines()[0]


def _problem(sql: str) -> str | None:
    with duckdb.connect(":memory:", config=CLOSED) as parser:
        try:
            statements = parser.extract_statements(sql)
        except duckdb.Error as error:
            return first_line(error)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return "must be one SELECT"
    # As it will stand: DESCRIBE counts as a SELECT, and is none within another.
    return None


def _blind(sql: str) -> set[str]:
    """Find the tables that a statement names; where it names files, they are not looked at."""
    with duckdb.connect(":memory:", config={**CLOSED, "enable_external_access": "false"}) as parser:
        return parser.get_table_names(sql)
