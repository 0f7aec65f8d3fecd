"""DuckDB's errors as ours: one line, and below it the line of the statement with a caret."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final

import duckdb

from connectors.errors import SqlError
from connectors.lake.naming import HISTORY, VERSIONS

ONLY_VIEWS: Final = "SQL: only the views of the lake can be read: see nxp datasets"
ONE_SELECT: Final = "nxp sql takes one SELECT statement: the lake is read-only"
NO_STATEMENT: Final = "there is no statement, only a semicolon or a comment"
SEVERAL: Final = (
    "nxp sql takes one SELECT statement, and there are {}: run one after the other; without a "
    "statement, nxp sql is a shell that takes several"
)
# Of the views that there are, when none is like the one that is missing.
_SHOWN: Final = 8
_EXCERPT: Final = re.compile(r"^LINE \d+: ", re.MULTILINE)
# "Did you mean" names tables of DuckDB's own too, and functions of any kind.
_GUESS: Final = re.compile(r'^Did you mean(?!: "[^"]*")', re.MULTILINE)
_FUNCTIONS: Final = re.compile(r"^\s*Candidate functions:.*", re.MULTILINE | re.DOTALL)
# A dataset may have the name of a word of SQL, such as order.
_NEAR_WORD: Final = re.compile(r'syntax error at or near "(\w+)"')
_UNIT: Final = re.compile(r"(second|minute|hour|day|week|month|year)s?", re.IGNORECASE)
_MISSING: Final = re.compile(r'Table with name "?([^"\s]+?)"? does not exist(?! because)')


def missing_view(error: Exception) -> str | None:
    """Return the view, in lower case, that a statement reads and that does not exist."""
    match = _MISSING.search(str(error)) if isinstance(error, duckdb.CatalogException) else None
    return match[1].lower() if match else None


def explained(error: Exception, views: Iterable[str], has: Callable[[str], bool]) -> SqlError:
    """Return an error of DuckDB with its line and caret, and names of the lake only.

    Args:
        error: what DuckDB raised.
        views: the names of all views that there can be, for "did you mean".
        has: whether one of them exists.
    """
    if isinstance(error, duckdb.PermissionException):
        return SqlError(ONLY_VIEWS)
    whole = str(error)
    place = _EXCERPT.search(whole)
    said = whole[: place.start()] if place else whole
    excerpt = whole[place.start() :].rstrip().splitlines() if place else []
    said = _FUNCTIONS.sub("", said)
    excerpt += _there_is(error, views, has)
    lines = [line.strip() for line in said.splitlines() if not _GUESS.match(line)]
    message = " ".join(line for line in lines if line)
    hint = _did_you_mean(error, views, has) or _quote(message, views)
    return SqlError(f"SQL: {message}{hint}", excerpt=tuple(excerpt))


def _quote(message: str, views: Iterable[str]) -> str:
    """Return how to write a name that is a word of SQL: a view's, or that of a column of times."""
    word = _NEAR_WORD.search(message)
    if word and _UNIT.fullmatch(word[1]):
        return f". {word[1]} is a word of SQL: to name a column so, write AS {word[1]}"
    if not word or word[1].lower() not in views:
        return ""
    return f'. {word[1]} is a word of SQL: write the dataset in double quotes, "{word[1]}"'


def _there_is(error: Exception, views: Iterable[str], has: Callable[[str], bool]) -> list[str]:
    """Return a line with what can be read, if a view is missing and no name is like it."""
    if not missing_view(error) or _did_you_mean(error, views, has).startswith(" Did"):
        return []
    # Datasets first, which do not begin with _.
    names = (view for view in views if view[0] == "_" or not view.endswith((HISTORY, VERSIONS)))
    there = sorted(names, key=lambda name: (name.startswith("_"), name))
    more = ", …" if len(there) > _SHOWN else ""
    return [f"There are {', '.join(there[:_SHOWN])}{more}"] if there else []


def _did_you_mean(error: Exception, views: Iterable[str], has: Callable[[str], bool]) -> str:
    name = missing_view(error)
    close = get_close_matches(name, list(views), n=3) if name else []
    close = [view for view in close if has(view)]
    if close:
        return f" Did you mean {' or '.join(close)}?"
    return " nxp datasets lists what there is." if name else ""
