"""What is wrong with a query, as far as its text shows it: no tenant is asked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from nql import syntax
from nql.errors import NqlSyntaxError
from nql.parser import parse
from nql.scoping import Scope, is_object, names_in, scopes
from nql.vocabulary.tables import SHORTCUTS, TABLES, find, joined_path

AGGREGATES = frozenset(
    {"count", "countif", "sum", "sumif", "avg", "min", "max", "last", "p95", "p05"}
)
_DERIVING = frozenset({"time_elapsed", "hour", "day", "day_of_week", "as"})
_CLOSE = 0.75
# Letters that a misspelt name may have too many, too few, wrong or swapped.
_SLIPS = 2
_KEYWORDS = ("where", "list", "sort", "limit", "with", "include", "compute", "summarize")


class DiagnosticKind(StrEnum):
    """What a finding says of the query."""

    WRONG = "wrong"
    # A name close to one that is known: most likely misspelt.
    MISSPELT = "misspelt"
    # A name that is in no published list: the tenant may have it.
    UNKNOWN = "unknown"
    NOT_UNDERSTOOD = "not understood"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: where, what, and what may be meant instead. A place of 0 is the whole query."""

    line: int
    column: int
    verdict: DiagnosticKind
    message: str
    suggestion: str = ""

    @property
    def is_note(self) -> bool:
        """Whether it is only worth a look."""
        return self.verdict is DiagnosticKind.UNKNOWN

    @property
    def worded(self) -> str:
        """The message with its suggestion."""
        meant = f"; did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.message}{meant}"


def lint(text: str) -> list[Diagnostic]:
    """Return the findings of a query, in order of their places."""
    try:
        query = parse(text)
    except NqlSyntaxError as error:
        verdict = DiagnosticKind.NOT_UNDERSTOOD
        return [Diagnostic(error.line, error.column, verdict, error.message, _keyword(text, error))]
    found = [*_tables(query), *_names(query), *_parameters(query), *_clauses(query)]
    return sorted(found, key=lambda each: (each.line, each.column))


def _keyword(text: str, error: NqlSyntaxError) -> str:
    """Return the keyword that a word after a bar is close to, or an empty text."""
    lines = text.split("\n")
    if not 0 < error.line <= len(lines):
        return ""
    before = "\n".join([*lines[: error.line - 1], lines[error.line - 1][: error.column - 1]])
    word = (lines[error.line - 1][error.column - 1 :].split() or [""])[0]
    return _nearest(word, _KEYWORDS) if before.rstrip().endswith("|") else ""


def _nearest(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word.lower(), {name.lower(): name for name in known}, 1, _CLOSE)
    return close[0] if close else ""


def _is_slip(word: str, other: str) -> bool:
    """Return whether two names are a slip of the keyboard apart, rather than two names."""
    before, row = list(range(len(other) + 1)), list(range(len(other) + 1))
    two_before = before
    for i, left in enumerate(word.lower(), 1):
        two_before, before, row = before, row, [i]
        for j, right in enumerate(other.lower(), 1):
            cost = min(row[-1] + 1, before[j] + 1, before[j - 1] + (left != right))
            swapped = i > 1 and j > 1 and word[i - 2 : i].lower() == other[j - 2 : j][::-1].lower()
            row.append(min(cost, two_before[j - 2] + 1) if swapped else cost)
    return row[-1] <= _SLIPS


def _unknown(name: syntax.Name, what: str, nearest: str) -> Diagnostic:
    slipped = bool(nearest) and _is_slip(name.path, nearest)
    verdict = DiagnosticKind.MISSPELT if slipped else DiagnosticKind.UNKNOWN
    return Diagnostic(name.place.line, name.place.column, verdict, what, nearest)


def _tables(query: syntax.Query) -> Iterator[Diagnostic]:
    joined = (c.table for c in query.clauses if isinstance(c, syntax.Joining))
    whole = find(query.table.path.lower())
    root = whole.namespace if whole is not None else ""
    for name in (query.table, *joined):
        if find(joined_path(name.path, root if name is not query.table else "")) is None:
            nearest = _nearest(name.path, (*SHORTCUTS, *TABLES))
            yield _unknown(name, f"no table {name.path!r} is known", nearest)


def _names(query: syntax.Query) -> Iterator[Diagnostic]:
    for clause, scope in scopes(query):
        earlier = {a.alias.path.lower() for a in _assignments(clause)}
        for name in names_in(clause):
            if name.path.lower() in earlier or not scope.is_known:
                continue
            if scope.full(name.path) is None and not _is_entity(name.path, scope):
                yield _unknown_name(name, scope)


def _unknown_name(name: syntax.Name, scope: Scope) -> Diagnostic:
    nearest = _nearest(name.path, scope.known())
    if scope.left is not None:
        # A list or summarize leaves nothing else, whatever the tenant's tables have.
        what = f"{name.path!r} is not among what the clauses before leave"
        return Diagnostic(name.place.line, name.place.column, DiagnosticKind.WRONG, what, nearest)
    return _unknown(name, f"no field {name.path!r} is known", nearest)


def _is_entity(path: str, scope: Scope) -> bool:
    """Return whether a name is that of an object, as in `device.count()`, or a whole metric."""
    tables = [table for table in (scope.table, scope.joined) if table is not None]
    entities = {e for t in tables for e in (t.prefix, t.namespace, *t.links)}
    lower = path.lower()
    return (
        lower in entities
        or any(e.endswith(f".{lower}") for e in entities)
        or scope.full(f"{path}.avg") is not None
    )


def _assignments(clause: syntax.Clause) -> tuple[syntax.Assignment, ...]:
    return clause.assignments if isinstance(clause, syntax.Compute | syntax.Summarize) else ()


def _parameters(query: syntax.Query) -> Iterator[Diagnostic]:
    """Find parameters outside of where, which cannot have any."""
    for clause in query.clauses:
        for assignment in _assignments(clause):
            for call in _calls(assignment.formula):
                for parameter in _given(call.arguments):
                    place, what = parameter.place, f"${parameter.name} is used outside where"
                    yield Diagnostic(place.line, place.column, DiagnosticKind.WRONG, what)


def _calls(formula: syntax.Formula) -> Iterator[syntax.Call]:
    match formula:
        case syntax.Call():
            yield formula
            if isinstance(formula.target, syntax.Call):
                yield from _calls(formula.target)
        case syntax.Binary():
            yield from _calls(formula.left)
            yield from _calls(formula.right)
        case _:
            return


def _given(conditions: Iterable[syntax.Condition]) -> Iterator[syntax.Parameter]:
    for condition in conditions:
        if isinstance(condition, syntax.Comparison):
            yield from (v for v in condition.values if isinstance(v, syntax.Parameter))
        else:
            yield from _given(condition.parts)


def _clauses(query: syntax.Query) -> Iterator[Diagnostic]:
    """Find clauses that cannot stand where they stand, and functions that do not exist."""
    joined = False
    for clause, scope in scopes(query):
        match clause:
            case syntax.Joining(table):
                if scope.left is not None or not is_object(scope.table):
                    what = "with and include are for objects such as devices, before list"
                    yield _wrong(table.place, what)
                joined = True
            case syntax.Compute():
                if not joined:
                    yield _wrong(clause.place, "compute needs a with or include before it")
                joined = False
            case syntax.Where():
                pass
            case _:
                joined = False
        yield from _functions(clause)


def _functions(clause: syntax.Clause) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for assignment in _assignments(clause):
        key = assignment.alias.path.lower()
        if key in seen:
            yield _wrong(assignment.alias.place, f"{assignment.alias.path!r} is defined twice")
        seen.add(key)
        for call in _calls(assignment.formula):
            if call.function not in AGGREGATES | _DERIVING:
                nearest = _nearest(call.function, AGGREGATES | _DERIVING)
                verdict = DiagnosticKind.MISSPELT if nearest else DiagnosticKind.UNKNOWN
                what = f"no function {call.function}() is known"
                yield Diagnostic(call.place.line, call.place.column, verdict, what, nearest)


def _wrong(place: syntax.Place, what: str) -> Diagnostic:
    return Diagnostic(place.line, place.column, DiagnosticKind.WRONG, what)
