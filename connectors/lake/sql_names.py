"""Which views a statement needs, found without opening any file."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import duckdb

from connectors.locked_duckdb import BLIND

# These list the views themselves, or take a name that an expression computes.
_LISTS: Final = re.compile(
    r"\b(information_schema|pg_catalog|pg_\w+|sqlite_\w+|duckdb_\w+|query_table|query)\b"
    r"|\bshow\s+(all\s+)?(tables|views)\b"
    r"|\b(show|describe|desc)\s*(;|$)",
    re.IGNORECASE,
)
# A name that an expression computes may be any; these show comments.
_COMPUTES: Final = re.compile(r"\bquery(_table)?\b", re.IGNORECASE)
_COMMENTS: Final = re.compile(r"\bduckdb_\w+|\bpg_\w+", re.IGNORECASE)
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Named:
    """The views that a statement needs, in lower case.

    `is_sure`: exactly these are read. Otherwise they are all that it may read, and one that cannot
    be opened matters only if the statement turns out to read it.

    Attributes:
        listed: those whose names and columns it may show, and no row.
        shows_comments: whether it may show comments on views.
    """

    names: frozenset[str]
    is_sure: bool
    listed: frozenset[str] = frozenset()
    shows_comments: bool = False


def named_views(sql: str, known: Iterable[str]) -> Named:
    """Return which of the known views a statement names; files that it names are not looked at.

    DuckDB binds the statement against tables without columns, and so cannot judge one whose
    meaning depends on them (USING, NATURAL, PIVOT, COLUMNS). A name that occurs nowhere in the
    text is not read by these either.
    """
    everything = frozenset(known)
    written = everything & {word.lower() for word in _WORD.findall(sql)}
    if _LISTS.search(sql):
        listed = frozenset() if _COMPUTES.search(sql) else everything - written
        return Named(everything, False, listed, bool(_COMMENTS.search(sql)))
    if not written:
        return Named(written, is_sure=True)
    with duckdb.connect(":memory:", config=BLIND) as blind:
        try:
            found = {name.lower() for name in blind.get_table_names(sql)}
        except duckdb.Error:
            return Named(written, is_sure=False)
    return Named(everything & found, is_sure=True)
