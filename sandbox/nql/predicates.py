"""Resolves conditions: fields to columns, literals and parameters to values, types checked."""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from nql import syntax
from nql.errors import NqlSyntaxError
from nql.kinds import Kind
from sandbox.model.kinds import NUMERIC, OPERATORS, TEXTUAL
from sandbox.model.tables import TableColumn
from sandbox.nql import plan
from sandbox.nql.errors import NqlParameterError, NqlTypeError
from sandbox.nql.scope import TableScope
from sandbox.nql.values import Plain, read_literal, read_parameter, shown

_EQUALITY = frozenset({"=", "!=", "in", "!in"})
# The operators that may have a field on both sides.
_COMPARED = frozenset({"=", "!=", "<", ">", "<=", ">="})
_SORTED = NUMERIC | {Kind.DATETIME, Kind.VERSION}


def comparisons_of(condition: syntax.Condition) -> Iterator[syntax.Comparison]:
    """Yield the comparisons of a condition."""
    if isinstance(condition, syntax.Comparison):
        yield condition
        return
    for part in condition.parts:
        yield from comparisons_of(part)


def _are_comparable(one: TableColumn, other: TableColumn) -> bool:
    if one.kind in NUMERIC:
        return other.kind in NUMERIC
    if one.kind in TEXTUAL or one.kind is Kind.VERSION:
        return other.kind in TEXTUAL or other.kind is Kind.VERSION
    return one.kind is other.kind and one.kind is not Kind.ARRAY


class Conditions:
    """Resolves the conditions of one query, and remembers what replaces its parameters."""

    def __init__(
        self, parameters: Mapping[str, str], zone: ZoneInfo, *, lenient_words: bool
    ) -> None:
        """Keep what conditions are read with."""
        self._parameters = parameters
        self._zone = zone
        self._lenient_words = lenient_words
        self._substitutions: list[tuple[int, int, str]] = []

    def executed(self, text: str) -> str:
        """Return the text of the query with the values of its parameters."""
        for start, end, value in sorted(self._substitutions, reverse=True):
            text = text[:start] + value + text[end:]
        return text

    def unparametrised(self, condition: syntax.Condition, scope: TableScope) -> plan.Predicate:
        """Return a condition outside of where, which takes no parameters."""
        for comparison in comparisons_of(condition):
            for value in comparison.values:
                if isinstance(value, syntax.Parameter):
                    message = f"parameter ${value.name} is used outside where"
                    raise NqlSyntaxError(message, value.place.line, value.place.column)
        return self.predicate(condition, scope)

    def predicate(self, condition: syntax.Condition, scope: TableScope) -> plan.Predicate:
        """Return a condition with its names and values resolved."""
        match condition:
            case syntax.AllOf(parts):
                return plan.Every(tuple(self.predicate(part, scope) for part in parts))
            case syntax.AnyOf(parts):
                return plan.Some(tuple(self.predicate(part, scope) for part in parts))
            case syntax.Comparison():
                return self._test(condition, scope)

    def _test(self, comparison: syntax.Comparison, scope: TableScope) -> plan.Test:
        column = scope.field(comparison.name)
        operator = comparison.operator
        other = self._other(comparison, column, scope)
        if other is not None:
            return self._between_fields(comparison, column, other)
        values = tuple(self._value(value, column.kind) for value in comparison.values)
        place = comparison.name.place
        if None in values:
            # A field of any type can be compared with null, but null has no order.
            if operator in _EQUALITY:
                return plan.Test(column, operator, values)
            message = f"{operator!r} cannot compare {column.path} with null"
            raise NqlTypeError(message, place.line, place.column)
        if operator not in OPERATORS[column.kind]:
            known = ", ".join(sorted(OPERATORS[column.kind]))
            message = (
                f"{column.path} is of type {column.kind}, which has no operator {operator!r}"
                f" (it has {known})"
            )
            raise NqlTypeError(message, place.line, place.column)
        return plan.Test(column, operator, values)

    def _other(
        self, comparison: syntax.Comparison, column: TableColumn, scope: TableScope
    ) -> TableColumn | None:
        """Return the field on the right of a comparison, or None if a value stands there."""
        right = comparison.values[0]
        if comparison.operator not in _COMPARED:
            return None
        if isinstance(right, syntax.Call):
            return scope.field(right)
        is_word = isinstance(right, syntax.Literal) and right.kind is None
        if not isinstance(right, syntax.Literal) or not is_word or right.text.lower() == "null":
            return None
        name = syntax.Name(right.text, right.place)
        if column.kind not in (Kind.ENUM, Kind.BOOLEAN):
            return scope.field(name)
        # A word of an enumeration, even where a field has that name: a guess.
        return scope.look(name) if set(right.text) & set(".#") else None

    def _between_fields(
        self, comparison: syntax.Comparison, column: TableColumn, other: TableColumn
    ) -> plan.Test:
        if not _are_comparable(column, other):
            message = (
                f"{column.path} of type {column.kind} cannot be compared with {other.path}"
                f" of type {other.kind}"
            )
            place = comparison.name.place
            raise NqlTypeError(message, place.line, place.column)
        ordered = column.kind in _SORTED or Kind.VERSION in (column.kind, other.kind)
        if comparison.operator not in _EQUALITY and not ordered:
            message = f"{comparison.operator!r} does not suit fields of type {column.kind}"
            raise NqlTypeError(message, comparison.name.place.line, comparison.name.place.column)
        return plan.Test(column, comparison.operator, (), other)

    def _require_bare(self, value: syntax.Literal) -> None:
        if value.kind is None:
            return
        message = f"a word of an enumeration stands without quotes, not as {value.text!r}"
        raise NqlTypeError(message, value.place.line, value.place.column)

    def _value(self, value: syntax.Value, kind: Kind) -> Plain:
        if isinstance(value, syntax.Call):
            raise NqlTypeError("a field cannot stand here", value.place.line, value.place.column)
        if isinstance(value, syntax.Literal):
            if kind is Kind.ENUM and not self._lenient_words:
                self._require_bare(value)
            return read_literal(value, kind, self._zone)
        if value.name not in self._parameters:
            message = f"parameter ${value.name} has no value"
            raise NqlParameterError(message, value.place.line, value.place.column)
        text = self._parameters[value.name]
        place = value.place
        self._substitutions.append((place.start, place.end, shown(text, kind)))
        return read_parameter(value, text, kind, self._zone)
