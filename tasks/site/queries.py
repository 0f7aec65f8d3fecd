"""Saved queries as the site shows them: without values that are compared with personal fields."""

import re
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final

from nql import syntax
from nql.errors import NqlSyntaxError
from nql.parser import parse
from nql.scoping import Scope, scopes
from nql.vocabulary.notes import is_personal

HIDDEN: Final = '"…"'
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'")


def shown_query(text: str, personal: Collection[str]) -> str:
    """Return a query's text, with an ellipsis for each value of a field that names people.

    A value is shown if its field is known and not personal; a query that cannot be parsed shows no
    quoted text.

    Args:
        text: in NQL.
        personal: headers of the catalogue's personal columns, in lower case.
    """
    try:
        query = parse(text)
    except NqlSyntaxError:
        return _QUOTED.sub(HIDDEN, text)
    places = {
        (value.place.start, value.place.end)
        for clause, scope in scopes(query)
        for comparison in _comparisons(clause)
        if not _is_public(comparison.name, scope, personal)
        for value in comparison.values
        if isinstance(value, syntax.Literal)
    }
    for start, end in sorted(places, reverse=True):
        text = text[:start] + HIDDEN + text[end:]
    return text


def _comparisons(node: Any) -> Iterator[syntax.Comparison]:
    """Yield the comparisons below a node, those within calls too."""
    if isinstance(node, syntax.Comparison):
        yield node
    if isinstance(node, tuple):
        for each in node:
            yield from _comparisons(each)
    elif is_dataclass(node):
        for each in fields(node):
            yield from _comparisons(getattr(node, each.name))


def _is_public(name: syntax.Field, scope: Scope, personal: Collection[str]) -> bool:
    while isinstance(name, syntax.Call):
        if name.target is None:
            return True
        name = name.target
    full = scope.full(name.path)
    return full is not None and not is_personal(full) and full.lower() not in personal
