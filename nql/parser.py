"""Parses text to a syntax tree; the resolver looks up names."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, ParseTree, Token, Transformer, Tree, v_args
from lark.exceptions import (
    UnexpectedCharacters,
    UnexpectedEOF,
    UnexpectedInput,
    UnexpectedToken,
    VisitError,
)

from nql import syntax
from nql.errors import NqlSyntaxError
from nql.kinds import Kind
from nql.syntax import Place

# The vendor's limit on the length of a query, as third parties report it.
MAX_LENGTH = 16_000

# Readable names of the grammar's terminals, for messages.
_TERMINALS = {
    "PATH": "a field name",
    "VBAR": "'|'",
    "$END": "the end of the query",
    "COMPARE": "a comparison",
    "LISTED": "'in'",
    "CONTAINS": "'contains'",
    "TEXT": "a text in quotes",
    "NUMBER": "a number",
    "SIZE": "a size such as 3MB",
    "SPAN": "a span such as 7d",
    "MOMENT": "a date",
    "VERSION": "a version such as v1.2",
    "PARAMETER": "a $parameter",
    "DIRECTION": "asc or desc",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "COMMA": "','",
    "EQUAL": "'='",
    "ADDRESS": "an IP address",
    "METHOD": "a function such as .as(format=percent)",
    "PLUS": "'+'",
    "MINUS": "'-'",
    "STAR": "'*'",
    "SLASH": "'/'",
    "CIRCUMFLEX": "'^'",
}

_BUCKET_UNITS = ("s", "m", "min", "h", "d")
# Levels of the tree, about three to a pair of brackets: more would exhaust Python's stack.
DEEPEST = 150
# More than any result can have.
MOST_ROWS = 1_000_000_000


def parse(text: str) -> syntax.Query:
    """Return the syntax tree, or raise NqlSyntaxError with the place of the first mistake."""
    if len(text) > MAX_LENGTH:
        raise NqlSyntaxError(f"a query has at most {MAX_LENGTH} characters, this has {len(text)}")
    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as error:
        raise _explained(error, text) from error
    if _depth(tree) > DEEPEST:
        raise NqlSyntaxError("the query is nested too deeply to be read")
    try:
        query: syntax.Query = _Builder().transform(tree)
    except VisitError as error:
        raise error.orig_exc from None
    return query


def _depth(tree: ParseTree) -> int:
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [c for each in level for c in each.children if isinstance(c, Tree)]
    return deepest


@cache
def _grammar() -> Lark:
    path = Path(__file__).with_name("grammar.lark")
    return Lark(path.read_text(encoding="utf-8"), parser="lalr", propagate_positions=True)


def _explained(error: UnexpectedInput, text: str) -> NqlSyntaxError:
    expected: set[str] = set()
    if isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
    elif isinstance(error, UnexpectedCharacters):
        expected = set(error.allowed or ())
    names = sorted(_TERMINALS.get(name, name.lower().strip("_")) for name in expected)
    hint = f"; expected {', '.join(names)}" if names else ""
    ended = isinstance(error, UnexpectedEOF) or (
        isinstance(error, UnexpectedToken) and error.token.type == "$END"
    )
    if ended:
        lines = text.split("\n")
        return NqlSyntaxError(f"the query ends too early{hint}", len(lines), len(lines[-1]) + 1)
    found = error.token if isinstance(error, UnexpectedToken) else _word_at(error, text)
    return NqlSyntaxError(f"{str(found)!r} is not understood here{hint}", error.line, error.column)


def _word_at(error: UnexpectedInput, text: str) -> str:
    words = text[error.pos_in_stream or 0 :].split(maxsplit=1)
    return words[0] if words else ""


def _place(token: Token) -> Place:
    start, end = token.start_pos, token.end_pos
    return Place(token.line or 0, token.column or 0, start or 0, end or 0)


def _span(token: Token, units: tuple[str, ...] = ("m", "min", "h", "d")) -> syntax.Span:
    digits = token.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = token[len(digits) :].lower()
    if unit not in units:
        message = f"a span has minutes, hours or days here, not {unit!r}"
        raise NqlSyntaxError(message, token.line or 0, token.column or 0)
    return syntax.Span(float(digits), "min" if unit == "m" else unit, _place(token))


def _framed(
    rest: tuple[Any, ...],
) -> tuple[syntax.Selection | None, syntax.Span | None, tuple[syntax.Clause, ...]]:
    """Return what may follow a table: its time frame, the length of samples, and the clauses."""
    selection = resolution = None
    if rest and isinstance(rest[0], syntax.During | syntax.Between | syntax.OnDay):
        selection, rest = rest[0], rest[1:]
    if rest and isinstance(rest[0], syntax.Span):
        resolution, rest = rest[0], rest[1:]
    return selection, resolution, rest


def _unquoted(token: Token) -> str:
    # Other backslashes stay: before a wildcard they escape it in the condition, and account names
    # contain plain ones.
    return re.sub(r"\\([\"'])", r"\1", token[1:-1])


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Turns each rule of the grammar into its node."""

    def start(self, table: Token, *rest: Any) -> syntax.Query:
        selection, resolution, clauses = _framed(rest)
        return syntax.Query(self.name(table), selection, clauses, resolution)

    def resolution(self, token: Token) -> syntax.Span:
        return _span(token, _BUCKET_UNITS)

    def name(self, token: Token) -> syntax.Name:
        return syntax.Name(str(token), _place(token))

    def during(self, span: Token) -> syntax.During:
        return syntax.During(_span(span))

    def between(self, start: syntax.Instant, end: syntax.Instant) -> syntax.Between:
        return syntax.Between(start, end)

    def on_day(self, day: syntax.Instant) -> syntax.OnDay:
        return syntax.OnDay(day)

    def ago(self, span: Token) -> syntax.Span:
        return _span(span)

    def moment(self, token: Token) -> syntax.Moment:
        return syntax.Moment(str(token), _place(token))

    def where(self, condition: syntax.Condition) -> syntax.Where:
        return syntax.Where(condition)

    def any_of(self, *parts: syntax.Condition) -> syntax.Condition:
        return parts[0] if len(parts) == 1 else syntax.AnyOf(parts)

    def all_of(self, *parts: syntax.Condition) -> syntax.Condition:
        return parts[0] if len(parts) == 1 else syntax.AllOf(parts)

    def comparison(
        self, name: syntax.Field, operator: Token, value: syntax.Value
    ) -> syntax.Comparison:
        return syntax.Comparison(name, "=" if operator == "==" else str(operator), (value,))

    def membership(
        self, name: syntax.Field, operator: Token, *values: syntax.Value
    ) -> syntax.Comparison:
        return syntax.Comparison(name, operator.lower(), values)

    def containment(
        self, name: syntax.Field, operator: Token, value: syntax.Value
    ) -> syntax.Comparison:
        return syntax.Comparison(name, operator.lower(), (value,))

    def list_clause(self, *names: syntax.Field) -> syntax.Listing:
        return syntax.Listing(names)

    def sort_key(self, name: syntax.Name, direction: Token | None = None) -> syntax.SortKey:
        return syntax.SortKey(name, descending=(direction or "asc").lower() == "desc")

    def sort(self, *keys: syntax.SortKey) -> syntax.Sort:
        return syntax.Sort(keys)

    def limit(self, number: Token) -> syntax.Limit:
        if not number.isdigit() or not 1 <= int(number) <= MOST_ROWS:
            message = f"limit takes a whole number from 1 to {MOST_ROWS}"
            raise NqlSyntaxError(message, number.line or 0, number.column or 0)
        return syntax.Limit(int(number))

    def with_clause(self, table: Token, *rest: Any) -> syntax.Joining:
        selection, resolution, _ = _framed(rest)
        return syntax.Joining(self.name(table), selection, keeps_all=False, resolution=resolution)

    def include_clause(self, table: Token, *rest: Any) -> syntax.Joining:
        selection, resolution, _ = _framed(rest)
        return syntax.Joining(self.name(table), selection, keeps_all=True, resolution=resolution)

    def arguments(self, *conditions: syntax.Condition) -> tuple[syntax.Condition, ...]:
        return conditions

    def call(self, path: Token, arguments: tuple[syntax.Condition, ...]) -> syntax.Call:
        target, _, function = path.rpartition(".")
        place = _place(path)
        name = syntax.Name(target, place) if target else None
        return syntax.Call(function.lower(), name, arguments, place)

    def field_method(
        self, target: syntax.Call, method: Token, arguments: tuple[syntax.Condition, ...]
    ) -> syntax.Call:
        return syntax.Call(method[1:].lower(), target, arguments, _place(method))

    def constant(self, token: Token) -> syntax.Number:
        return syntax.Number(float(token) if "." in token else int(token))

    def plus(self, left: syntax.Formula, right: syntax.Formula) -> syntax.Binary:
        return syntax.Binary("+", left, right)

    def minus(self, left: syntax.Formula, right: syntax.Formula) -> syntax.Binary:
        return syntax.Binary("-", left, right)

    def times(self, left: syntax.Formula, right: syntax.Formula) -> syntax.Binary:
        return syntax.Binary("*", left, right)

    def divided(self, left: syntax.Formula, right: syntax.Formula) -> syntax.Binary:
        return syntax.Binary("/", left, right)

    def raised(self, left: syntax.Formula, right: syntax.Formula) -> syntax.Binary:
        return syntax.Binary("^", left, right)

    def assignment(self, alias: Token, formula: syntax.Formula) -> syntax.Assignment:
        return syntax.Assignment(self.name(alias), formula)

    def compute(self, *parts: syntax.Assignment) -> syntax.Compute:
        return syntax.Compute(parts, parts[0].alias.place)

    def bucket(self, token: Token) -> syntax.Span:
        return _span(token, _BUCKET_UNITS)

    def summarize(self, *parts: syntax.Assignment | syntax.Field | syntax.Span) -> syntax.Summarize:
        spans = [part for part in parts if isinstance(part, syntax.Span)]
        if len(spans) > 1:
            place = spans[1].place
            raise NqlSyntaxError("rows can be grouped by one span only", place.line, place.column)
        return syntax.Summarize(
            tuple(part for part in parts if isinstance(part, syntax.Assignment)),
            tuple(part for part in parts if isinstance(part, syntax.Name | syntax.Call)),
            spans[0] if spans else None,
        )

    def text(self, token: Token) -> syntax.Literal:
        return syntax.Literal(Kind.STRING, _unquoted(token), _place(token))

    def number(self, token: Token) -> syntax.Literal:
        kind = Kind.FLOAT if "." in token else Kind.INT
        return syntax.Literal(kind, str(token), _place(token))

    def size(self, token: Token) -> syntax.Literal:
        return syntax.Literal(Kind.BYTES, str(token), _place(token))

    def span(self, token: Token) -> syntax.Literal:
        return syntax.Literal(Kind.DURATION, str(token), _place(token))

    def moment_value(self, token: Token) -> syntax.Literal:
        return syntax.Literal(Kind.DATETIME, str(token), _place(token))

    def version(self, token: Token) -> syntax.Literal:
        return syntax.Literal(Kind.VERSION, str(token), _place(token))

    def address(self, token: Token) -> syntax.Literal:
        return syntax.Literal(Kind.IP, str(token), _place(token))

    def parameter(self, token: Token) -> syntax.Parameter:
        return syntax.Parameter(str(token[1:]), _place(token))

    def word(self, token: Token) -> syntax.Literal:
        return syntax.Literal(None, str(token), _place(token))
