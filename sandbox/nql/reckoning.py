"""Resolves aggregates and the arithmetic between them to columns and types."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from nql import syntax
from nql.kinds import Kind
from sandbox.model.kinds import NUMERIC
from sandbox.model.tables import Origin, Table, TableColumn
from sandbox.nql import plan
from sandbox.nql.errors import NqlNameError, NqlTypeError
from sandbox.nql.scope import DERIVING, TableScope, require_derivable, zone_of

AGGREGATES = frozenset(
    {"count", "countif", "sum", "sumif", "avg", "min", "max", "last", "p95", "p05"}
)
_COUNTS = frozenset({"count", "countif"})
_CONDITIONAL = frozenset({"countif", "sumif"})
_MEANS = frozenset({"avg", "p95", "p05"})

Settled = tuple[plan.Formula, Kind]


class Reckoner:
    """Resolves the assignments of one clause.

    `rows` are the rows that are aggregated; `own`, for compute, is the object they belong to.
    """

    def __init__(
        self,
        rows: TableScope,
        own: TableScope | None,
        predicate: Callable[[syntax.Condition, TableScope], plan.Predicate],
        zone: ZoneInfo,
    ) -> None:
        """Start without aggregates."""
        self._rows = rows
        self._own = own
        self._predicate = predicate
        self._zone = zone
        self._earlier: dict[str, TableColumn] = {}
        self.aggregates: list[plan.Aggregate] = []
        self.results: list[plan.NamedResult] = []

    def settle(self, assignment: syntax.Assignment) -> None:
        """Resolve one assignment; later ones may use its name."""
        formula, kind = self._formula(assignment.formula)
        fractional = kind is Kind.BYTES and self._is_fractional(formula)
        column = TableColumn(assignment.alias.path, kind, fractional)
        key = column.path.lower()
        if key in self._earlier:
            place = assignment.alias.place
            raise NqlNameError(f"{column.path!r} is defined twice", place.line, place.column)
        self._earlier[key] = column
        self.results.append(plan.NamedResult(column, formula))

    def _is_fractional(self, formula: plan.Formula) -> bool:
        match formula:
            case plan.AggregateRef(index):
                made = self.aggregates[index]
                held = made.argument is not None and made.argument.fractional
                return held or made.function in _MEANS
            case plan.Own(column):
                return column.fractional
            case plan.Arithmetic(_, left, right):
                return self._is_fractional(left) or self._is_fractional(right)
            case _:
                return False

    def _formula(self, formula: syntax.Formula) -> Settled:
        match formula:
            case syntax.Number(value):
                return plan.Constant(value), Kind.INT if isinstance(value, int) else Kind.FLOAT
            case syntax.Binary():
                return self._operation(formula)
            case syntax.Name():
                column = self._named(formula)
                return plan.Own(column), column.kind
            case syntax.Call():
                return self._call(formula)

    def _operation(self, formula: syntax.Binary) -> Settled:
        left, left_kind = self._formula(formula.left)
        right, right_kind = self._formula(formula.right)
        for kind in (left_kind, right_kind):
            if kind not in NUMERIC:
                raise NqlTypeError(f"{formula.operator!r} is for numbers, not for a {kind}")
        operation = plan.Arithmetic(formula.operator, left, right)
        if formula.operator in "+-" and left_kind is right_kind:
            return operation, left_kind
        whole = left_kind is right_kind is Kind.INT and formula.operator == "*"
        return operation, Kind.INT if whole else Kind.FLOAT

    def _named(self, name: syntax.Name) -> TableColumn:
        column = self._earlier.get(name.path.lower())
        if column is None and self._own is not None:
            column = self._own.look(name)
        if column is None:
            message = f"{name.path!r} is neither an aggregate nor an earlier result"
            raise NqlNameError(message, name.place.line, name.place.column)
        return column

    def _call(self, call: syntax.Call) -> Settled:
        if call.function == "as":
            # `as` only changes how a screen shows a value, not the result: a guess.
            if call.target is None:
                raise _unfit(call, "nothing")
            return self._formula(call.target)
        if call.function in DERIVING and call.target is not None:
            inner, kind = self._formula(call.target)
            kind = require_derivable(call, kind, "this")
            return plan.FunctionCall(call.function, inner, zone_of(call, self._zone)), kind
        if call.function not in AGGREGATES:
            raise _unfit(call, "this: there is no such function")
        condition = self._condition(call)
        if call.target is None:
            if call.function not in _COUNTS:
                raise _unfit(call, "no field")
            return self._aggregate("count", None, condition), Kind.INT
        countable = call.function in _COUNTS and self._rows.is_whole
        if countable and isinstance(call.target, syntax.Name):
            entity = _entity(call.target, self._rows.table)
            if entity:
                # Counts different objects, however many rows each has.
                return self._aggregate("distinct", self._object(entity), condition), Kind.INT
        return self._of_field(call, condition)

    def _of_field(self, call: syntax.Call, condition: plan.Predicate | None) -> Settled:
        assert call.target is not None  # noqa: S101 - the caller has checked it
        function = call.function.removesuffix("if")
        # `count` counts rows with a value, even of the object's own field.
        own = self._own_column(call.target) if function != "count" else None
        argument = own or self._rows.metric(call.target)
        kind = _result_kind(function, argument)
        if kind is None:
            raise _unfit(call, f"{argument.path} of type {argument.kind}")
        if own is not None:
            # One object has one value: every aggregate of it is that value.
            return plan.Own(own), kind
        return self._aggregate(function, argument, condition), kind

    def _own_column(self, target: syntax.Field) -> TableColumn | None:
        """Return a column of the object itself, if a name in compute means one."""
        if self._own is None or not isinstance(target, syntax.Name):
            return None
        there = self._rows.look(target, need=False)
        if there is not None and self._rows.table.owner(there.path) != self._own.table.prefix:
            return None
        return self._own.look(target)

    def _condition(self, call: syntax.Call) -> plan.Predicate | None:
        wanted = 1 if call.function in _CONDITIONAL else 0
        if len(call.arguments) != wanted:
            what = "one condition" if wanted else "nothing between its parentheses"
            message = f"{call.function}() takes {what}"
            raise NqlTypeError(message, call.place.line, call.place.column)
        return self._predicate(call.arguments[0], self._rows) if wanted else None

    def _object(self, entity: str) -> TableColumn:
        column = TableColumn(f"#{entity}", Kind.INT)
        self._rows.needed[column.path] = None
        return column

    def _aggregate(
        self, function: str, argument: TableColumn | None, condition: plan.Predicate | None
    ) -> plan.Formula:
        time = None
        if function == "last" and self._rows.is_whole:
            # Objects have no time; the last one is the last in order.
            time = self._rows.table.columns.get(self._rows.table.time)
            if time is not None:
                self._rows.need(time)
        aggregate = plan.Aggregate(function, argument, condition, time)
        if aggregate not in self.aggregates:
            self.aggregates.append(aggregate)
        return plan.AggregateRef(self.aggregates.index(aggregate))


def _entity(name: syntax.Name, table: Table) -> str:
    """Return the kind of object that a bare name means, or an empty text."""
    known = (*table.links, table.prefix) if table.origin is Origin.OBJECTS else table.links
    path = name.path.lower()
    return next((e for e in known if path in (e, e.rpartition(".")[2])), "")


def _result_kind(function: str, argument: TableColumn) -> Kind | None:
    """Return the type of an aggregate, or None if the field has no such aggregate."""
    numeric = argument.kind in NUMERIC
    match function:
        case "count":
            return Kind.INT
        case "last":
            return argument.kind
        case "sum" if numeric:
            return argument.kind
        case "avg" | "p95" | "p05" if numeric:
            # The mean of bytes is in bytes, so that it can be compared with 3GB.
            return Kind.FLOAT if argument.kind is Kind.INT else argument.kind
        case "min" | "max" if numeric or argument.kind is Kind.DATETIME:
            return argument.kind
        case _:
            return None


def _unfit(call: syntax.Call, what: str) -> NqlTypeError:
    message = f"{call.function}() cannot be applied to {what}"
    return NqlTypeError(message, call.place.line, call.place.column)
