"""Versions in SQL: they are landed as text, which sorts 9.8 after 10.2."""

import re
from typing import Final

import duckdb

VERSION_PARTS: Final = "version_parts"
# Numbers of any length; lists are compared number by number.
_MACRO: Final = (
    f"CREATE OR REPLACE MACRO {VERSION_PARTS}(written) AS "
    "CAST(regexp_extract_all(CAST(written AS VARCHAR), '[0-9]+') AS HUGEINT[])"
)
_COLUMN: Final = r'"?\b(\w*(?:version|build))\b"?'
_COMPARED: Final = re.compile(
    rf"{_COLUMN}\s*(?:<(?!>)|>|\b(?:NOT\s+)?BETWEEN\b)|\b(?:min|max)\s*\(\s*(?:\w+\.)?{_COLUMN}\s*\)"
    rf"|(?:[<>]=|<|(?<![-<])>)\s*(?:\w+\.)?{_COLUMN}(?!\s*\()",
    re.IGNORECASE,
)


def define_version_parts(connection: duckdb.DuckDBPyConnection) -> None:
    """Define `version_parts(text)`: the numbers of a version as a list, null of null."""
    connection.execute(_MACRO)


def version_hint(sql: str) -> str | None:
    """Return a hint if a statement compares what is called a version as text; None if it does not.

    As text `[24, 10, 1]` is less than `[24, 9, 2]`, and everything in brackets is more than `24.9`.
    """
    found = _COMPARED.search(sql)
    column = found and next(filter(None, found.groups()), None)
    if not column or column.lower() == VERSION_PARTS:
        return None
    return (
        f"{column} is compared as text; if it is a version, compare {VERSION_PARTS}({column}) with "
        f"{VERSION_PARTS}('24.9')"
    )
