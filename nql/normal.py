"""A query in normal form: two queries of the same meaning look alike.

Blanks, comments, case, quotes, short names and shortcuts do not count, nor does the order of
clauses that do not depend on each other, of conditions, and of the values in a list.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from nql import syntax
from nql.kinds import Kind
from nql.scoping import Scope, scopes
from nql.vocabulary.tables import SHORTCUTS, joined_path

# A word and its arguments; a parameter is `("$", name)` and a literal `("value", …)`.
Node: TypeAlias = tuple["str | float | bool | Node", ...]

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_AMOUNT = re.compile(r"([\d.]+)([a-z]+)", re.IGNORECASE)
_COMMUTING = "+*"


@dataclass(frozen=True, slots=True)
class NormalClause:
    """One clause in normal form, with the positions of the clauses that it was made of."""

    keyword: str
    node: Node
    clauses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Normal:
    """A query in normal form."""

    table: str
    frame: Node
    parts: tuple[NormalClause, ...]


def normal(query: syntax.Query) -> Normal:
    """Return a query in normal form."""
    frame = ("frame", _selection(query.selection), _length(query.resolution))
    made = [_part(i, clause, scope) for i, (clause, scope) in enumerate(scopes(query))]
    return Normal(_table(query.table), frame, tuple(_ordered(made)))


def _ordered(parts: list[NormalClause]) -> Iterator[NormalClause]:
    """Bring clauses that do not depend on each other into one order, and join conditions."""
    stretch: list[NormalClause] = []
    for part in parts:
        if part.keyword in ("where", "sort", "list", "limit"):
            stretch.append(part)
        else:
            yield from _stretch(stretch)
            stretch = []
            yield part
    yield from _stretch(stretch)


def _stretch(parts: list[NormalClause]) -> Iterator[NormalClause]:
    """Yield conditions before sorting and lists last, between two limits."""
    piece: list[NormalClause] = []
    lists: list[NormalClause] = []
    for part in parts:
        if part.keyword == "list":
            lists.append(part)
        elif part.keyword == "limit":
            yield from _piece(piece)
            piece = []
            yield part
        else:
            piece.append(part)
    yield from _piece(piece)
    # The last list decides what is shown.
    yield from lists[-1:]


def _piece(parts: list[NormalClause]) -> Iterator[NormalClause]:
    wheres = [part for part in parts if part.keyword == "where"]
    if wheres:
        node = _joined("and", (part.node for part in wheres))
        yield NormalClause("where", node, tuple(i for part in wheres for i in part.clauses))
    yield from (part for part in parts if part.keyword != "where")


def _part(position: int, clause: syntax.Clause, scope: Scope) -> NormalClause:
    at = (position,)
    match clause:
        case syntax.Where(condition):
            return NormalClause("where", _condition(condition, scope), at)
        case syntax.Listing(names):
            return NormalClause("list", tuple(_field(name, scope) for name in names), at)
        case syntax.Sort(keys):
            keyed = ((_name(k.name, scope), "desc" if k.descending else "asc") for k in keys)
            return NormalClause("sort", tuple(keyed), at)
        case syntax.Limit(rows):
            return NormalClause("limit", (rows,), at)
        case _:
            return _table_part(clause, scope, at)


def _table_part(
    clause: syntax.Joining | syntax.Compute | syntax.Summarize, scope: Scope, at: tuple[int, ...]
) -> NormalClause:
    match clause:
        case syntax.Joining():
            root = scope.table.namespace if scope.table is not None else ""
            path = _table(syntax.Name(joined_path(clause.table.path, root), clause.table.place))
            node = (path, _selection(clause.selection), _length(clause.resolution))
            return NormalClause("include" if clause.keeps_all else "with", node, at)
        case syntax.Compute(parts):
            return NormalClause("compute", _assignments(parts, scope), at)
        case syntax.Summarize():
            made = _assignments(clause.assignments, scope)
            return NormalClause("summarize", (made, _groups(clause, scope)), at)


def _groups(clause: syntax.Summarize, scope: Scope) -> Node:
    return (*(_field(group, scope) for group in clause.groups), _length(clause.bucket))


def _assignments(parts: Iterable[syntax.Assignment], scope: Scope) -> Node:
    made: list[Node] = []
    earlier = dict(scope.aliases)
    for part in parts:
        # A later assignment may use an earlier one.
        here = Scope(scope.table, earlier, scope.left, scope.joined)
        made.append((part.alias.path, _formula(part.formula, here)))
        earlier[part.alias.path.lower()] = part.alias.path
    return tuple(made)


def _table(name: syntax.Name) -> str:
    path = name.path.lower()
    return SHORTCUTS.get(path, path)


def _name(name: syntax.Name, scope: Scope) -> str:
    found = scope.full(name.path)
    return found if found is not None else name.path.lower()


def _field(field: syntax.Field, scope: Scope) -> Node:
    if isinstance(field, syntax.Name):
        return ("field", _name(field, scope))
    target = _field(field.target, scope) if field.target is not None else ()
    arguments = tuple(_condition(argument, scope) for argument in field.arguments)
    return ("call", field.function, target, arguments)


def _formula(formula: syntax.Formula, scope: Scope) -> Node:
    match formula:
        case syntax.Number(value):
            return ("number", float(value))
        case syntax.Binary(operator, left, right):
            sides: tuple[Node, ...] = (_formula(left, scope), _formula(right, scope))
            if operator in _COMMUTING:
                sides = tuple(sorted(sides, key=repr))
            return ("formula", operator, *sides)
        case _:
            return _field(formula, scope)


def _condition(condition: syntax.Condition, scope: Scope) -> Node:
    match condition:
        case syntax.AllOf(parts):
            return _joined("and", (_condition(part, scope) for part in parts))
        case syntax.AnyOf(parts):
            return _joined("or", (_condition(part, scope) for part in parts))
        case syntax.Comparison():
            return _comparison(condition, scope)


def _joined(word: str, parts: Iterable[Node]) -> Node:
    """Return parts joined by a word: flat, and each only once."""
    flat: list[Node] = []
    for part in parts:
        flat += [p for p in part[1:] if isinstance(p, tuple)] if part[0] == word else [part]
    once = list(dict.fromkeys(flat))
    return once[0] if len(once) == 1 else (word, *once)


def _comparison(comparison: syntax.Comparison, scope: Scope) -> Node:
    operator = comparison.operator
    values = list(dict.fromkeys(_value(v, operator, scope) for v in comparison.values))
    if operator in ("in", "!in") and len(values) == 1:
        operator = operator.replace("in", "=")
    return ("compare", _field(comparison.name, scope), operator, *values)


def _value(value: syntax.Value, operator: str, scope: Scope) -> Node:
    match value:
        case syntax.Parameter(name):
            return ("$", name)
        case syntax.Call():
            return _field(value, scope)
        case syntax.Literal(None, text):
            if not set(text) & set(".#"):
                # Also where it names a field or an alias: both queries are read alike.
                return ("value", text.lower())
            return ("field", _name(syntax.Name(text, value.place), scope))
        case syntax.Literal():
            return ("value", _literal(value))
        case _:
            raise AssertionError(operator)


def _literal(literal: syntax.Literal) -> str | float:
    text = literal.text.lower()
    match literal.kind:
        case Kind.INT | Kind.FLOAT:
            return float(text)
        case Kind.DURATION:
            return _scaled(text, _SECONDS)
        case Kind.BYTES:
            return _scaled(text, _BYTES)
        case _:
            # Comparisons ignore case, and quoted words of enumerations are words.
            return text


def _scaled(text: str, units: dict[str, int] | dict[str, float]) -> str | float:
    match = _AMOUNT.fullmatch(text)
    return float(match[1]) * units[match[2]] if match and match[2] in units else text


def _length(span: syntax.Span | None) -> Node:
    if span is None:
        return ()
    if span.unit == "d":
        # Days are whole days: another frame than as many hours.
        return ("days", span.amount)
    return ("seconds", span.amount * _SECONDS[span.unit])


def _selection(selection: syntax.Selection | None) -> Node:
    match selection:
        case None:
            return ()
        case syntax.During(span):
            return ("past", _length(span))
        case syntax.OnDay(day):
            return ("on", _instant(day))
        case syntax.Between(start, end):
            return ("between", _instant(start), _instant(end))


def _instant(instant: syntax.Instant) -> Node:
    return _length(instant) if isinstance(instant, syntax.Span) else ("at", instant.text.lower())
