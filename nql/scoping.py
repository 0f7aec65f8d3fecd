"""Which names a query may use at each of its clauses, and what its result's columns are called."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nql import syntax
from nql.vocabulary.objects import OBJECTS
from nql.vocabulary.tables import TableWords, find, joined_path

# The columns that grouping by time adds.
BUCKET = ("start_time", "end_time", "bucket_duration")
METRIC_PARTS = ("avg", "sum", "count", "min", "max")
_MEMBERS = re.compile(r"(.*\.)?(outputs|answers)\.[^.]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Scope:
    """The names at one clause: of a table, of results so far, and of rows that are joined."""

    table: TableWords | None
    # Results of compute and summarize, by their names in lower case.
    aliases: Mapping[str, str] = field(default_factory=dict)
    # What a list or summarize has left, in the same form; None while the table is whole.
    left: Mapping[str, str] | None = None
    joined: TableWords | None = None

    @property
    def is_known(self) -> bool:
        """Whether a name that is not found can be called unknown."""
        tables = [self.table, *([self.joined] if self.joined else [])]
        return self.left is not None or all(t is not None and not _is_open(t) for t in tables)

    def full(self, path: str) -> str | None:
        """Return a name in full, as results show it, or None if it is not known here."""
        lower = path.lower()
        if lower in self.aliases:
            return self.aliases[lower]
        if self.left is not None:
            return self._left(lower)
        rows = full_name(self.joined, path) if self.joined else None
        own = full_name(self.table, path) if self.table else None
        if rows is None or (own is not None and self._is_own(rows)):
            return own
        return rows

    def known(self) -> list[str]:
        """Return the names that can be used, in their short and full forms, for suggestions."""
        if self.left is not None:
            return [*self.left.values(), *self.aliases.values()]
        names = list(self.aliases.values())
        for table in (self.table, self.joined):
            for path in table.fields if table is not None else ():
                names += [path, path.removeprefix(f"{table.prefix}.") if table else path]
        return names

    def _left(self, lower: str) -> str | None:
        assert self.left is not None  # noqa: S101 - the caller has checked it
        if lower in self.left:
            return self.left[lower]
        ends = [header for key, header in self.left.items() if key.endswith(f".{lower}")]
        return ends[0] if len(ends) == 1 else None

    def _is_own(self, path: str) -> bool:
        """Return whether a field of the joined rows is one of the object they belong to."""
        if self.table is None or self.joined is None:
            return False
        of_rows = path.startswith(f"{self.joined.prefix}.")
        return path.startswith(f"{self.table.prefix}.") and not of_rows


def full_name(table: TableWords, path: str) -> str | None:
    """Return the full name of a table's field, or None if the table has no such field."""
    lower = path.lower()
    fields = table.fields
    for candidate in (lower, f"{table.prefix}.{lower}", f"{table.namespace}.{lower}"):
        if candidate in fields:
            return candidate
    linked = [f"{link}.{lower}" for link in table.links if f"{link}.{lower}" in fields]
    if len(linked) == 1:
        return linked[0]
    if lower == "timestamp" and table.time:
        return f"{table.prefix}.{table.time}"
    return _open_name(table, path) or _metric_name(table, lower)


def _open_name(table: TableWords, path: str) -> str | None:
    """Return the name of a field that only the tenant knows: custom fields, outputs, trends."""
    lower = path.lower()
    if "#" in path:
        owned = (table.prefix, *table.links)
        return lower if lower.startswith(tuple(f"{o}." for o in owned)) else f"{owned[0]}.{lower}"
    if table.identity is not None and _MEMBERS.fullmatch(path):
        whole, _, member = path.rpartition(".")
        return f"{table.prefix}.{whole.rpartition('.')[2].lower()}.{member}"
    if table.namespace == "custom_trend":
        return lower if lower.startswith(f"{table.prefix}.") else f"{table.prefix}.{lower}"
    return None


def _metric_name(table: TableWords, lower: str) -> str | None:
    whole, _, part = lower.rpartition(".")
    if not whole or part not in METRIC_PARTS or not table.time:
        return None
    found = full_name(table, whole)
    return f"{found}.{part}" if found else None


def _is_open(table: TableWords) -> bool:
    return table.namespace == "custom_trend"


def is_object(table: TableWords | None) -> bool:
    """Return whether a table is one of objects, to which rows of others can be joined."""
    return table is None or (not table.links and table.prefix in OBJECTS)


def scopes(query: syntax.Query) -> Iterator[tuple[syntax.Clause, Scope]]:
    """Yield each clause with the names that it may use."""
    scope = Scope(find(query.table.path.lower()))
    for clause in query.clauses:
        if not isinstance(clause, syntax.Where | syntax.Compute):
            scope = replace(scope, joined=None)
        yield clause, scope
        scope = _after(clause, scope)


def _after(clause: syntax.Clause, scope: Scope) -> Scope:
    match clause:
        case syntax.Joining():
            # An unknown table leaves its names unknown too.
            root = scope.table.namespace if scope.table is not None else ""
            return replace(scope, joined=find(joined_path(clause.table.path, root)))
        case syntax.Compute(parts):
            made = {a.alias.path.lower(): a.alias.path for a in parts}
            return replace(scope, joined=None, aliases={**scope.aliases, **made})
        case syntax.Listing(names):
            headers = [header_of(name, scope) for name in names]
            left = {header.lower(): header for header in headers}
            return Scope(scope.table, {}, left)
        case syntax.Summarize():
            left = {header.lower(): header for header in _summarized(clause, scope)}
            return Scope(scope.table, {}, left)
        case _:
            return scope


def header_of(item: syntax.Field, scope: Scope) -> str:
    """Return what the column of a listed field is called."""
    if isinstance(item, syntax.Name):
        return scope.full(item.path) or item.path
    inner = header_of(item.target, scope) if item.target is not None else ""
    # That a derived column is called so is a guess.
    return inner if item.function == "as" else f"{inner}.{item.function}"


def _summarized(clause: syntax.Summarize, scope: Scope) -> list[str]:
    groups = [header_of(group, scope) for group in clause.groups]
    aliases = [assignment.alias.path for assignment in clause.assignments]
    return [*(BUCKET if clause.bucket else ()), *groups, *aliases]


def headers(query: syntax.Query) -> list[str] | None:
    """Return the columns of the result, or None where the tenant decides or derives them."""
    found: list[str] | None = None
    for clause, scope in scopes(query):
        match clause:
            case syntax.Listing(names):
                derived = any(isinstance(n, syntax.Call) and n.function != "as" for n in names)
                found = None if derived else [header_of(name, scope) for name in names]
            case syntax.Summarize():
                plain = all(isinstance(group, syntax.Name) for group in clause.groups)
                found = _summarized(clause, scope) if plain else None
            case _:
                pass
    return found


_CHILDREN: dict[type, Callable[[Any], Iterable[object]]] = {
    # Other arguments than conditions are options, such as a time zone.
    syntax.Call: lambda call: (
        call.target,
        *(call.arguments if call.function in ("countif", "sumif") else ()),
    ),
    syntax.Comparison: lambda each: (
        each.name,
        *(value for value in each.values if isinstance(value, syntax.Call)),
    ),
    syntax.AllOf: lambda each: each.parts,
    syntax.AnyOf: lambda each: each.parts,
    syntax.Binary: lambda each: (each.left, each.right),
    syntax.Assignment: lambda each: (each.formula,),
    syntax.Where: lambda clause: (clause.condition,),
    syntax.Listing: lambda clause: clause.names,
    syntax.Sort: lambda clause: (key.name for key in clause.keys),
    syntax.Compute: lambda clause: clause.assignments,
    syntax.Summarize: lambda clause: (*clause.assignments, *clause.groups),
}


def names_in(item: object) -> Iterator[syntax.Name]:
    """Yield the field names in a clause, a condition or a formula; not aliases and tables."""
    if isinstance(item, syntax.Name):
        yield item
        return
    children = _CHILDREN.get(type(item))
    for child in children(item) if children is not None else ():
        yield from names_in(child)


def comparisons(query: syntax.Query) -> Iterator[tuple[syntax.Comparison, Scope]]:
    """Yield the comparisons of all where clauses, with the names that they may use."""
    for clause, scope in scopes(query):
        if isinstance(clause, syntax.Where):
            for comparison in _leaves(clause.condition):
                yield comparison, scope


def _leaves(condition: syntax.Condition) -> Iterator[syntax.Comparison]:
    if isinstance(condition, syntax.Comparison):
        yield condition
        return
    for part in condition.parts:
        yield from _leaves(part)


def parameters(query: syntax.Query) -> dict[str, syntax.Parameter]:
    """Return the parameters that a query takes, by name, each where it first stands."""
    found: dict[str, syntax.Parameter] = {}
    for comparison, _ in comparisons(query):
        for value in comparison.values:
            if isinstance(value, syntax.Parameter):
                found.setdefault(value.name, value)
    return found
