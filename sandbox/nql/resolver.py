"""Names to columns, literals and parameters to values, and the rules of types."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from sandbox.model.kinds import GROUPABLE, NUMERIC, OPERATORS, Kind
from sandbox.model.tables import SHORTCUTS, TABLES, Column, Table
from sandbox.nql import plan, syntax
from sandbox.nql.errors import NqlNameError, NqlParameterError, NqlTypeError
from sandbox.nql.values import Plain, read_literal, read_parameter, shown

_EQUALITY = frozenset({"=", "!=", "in", "!in"})


def resolve(
    query: syntax.Query, text: str, parameters: Mapping[str, str], zone: ZoneInfo
) -> plan.Plan:
    """Settle every name, type and parameter of a query, or raise the NqlError that says why not."""
    return _Resolver(query, text, parameters, zone).run()


def parameters_of(query: syntax.Query) -> set[str]:
    """Return the names of the parameters a query needs."""
    found: set[str] = set()
    pending: list[syntax.Condition] = [
        clause.condition for clause in query.clauses if isinstance(clause, syntax.Where)
    ]
    while pending:
        condition = pending.pop()
        if isinstance(condition, syntax.Comparison):
            found |= {v.name for v in condition.values if isinstance(v, syntax.Parameter)}
        else:
            pending.extend(condition.parts)
    return found


def find_table(name: syntax.Name) -> Table:
    """Find a table by its path or its shortcut."""
    path = name.path.lower()
    table = TABLES.get(SHORTCUTS.get(path, path))
    if table is None:
        known = ", ".join(sorted(TABLES))
        message = f"there is no table {name.path!r} here; the sandbox has {known}"
        raise NqlNameError(message, name.place.line, name.place.column)
    return table


class Scope:
    """The columns in reach at one point of a query, and the ways to say their names."""

    def __init__(self, table: Table, columns: Mapping[str, Column]) -> None:
        """Start from the columns of a table."""
        self.columns = dict(columns)
        self._table = table

    def find(self, name: syntax.Name) -> Column:
        """Find a column by its full path, its half path or its short name."""
        path = name.path.lower()
        table = self._table
        for candidate in (path, f"{table.prefix}.{path}", f"{table.namespace}.{path}"):
            if candidate in self.columns:
                return self.columns[candidate]
        message = f"there is no field {name.path!r} in {table.path} at this point"
        raise NqlNameError(message, name.place.line, name.place.column)


class _Resolver:
    """Walks the clauses in order: each sees what the one before it left."""

    def __init__(
        self, query: syntax.Query, text: str, parameters: Mapping[str, str], zone: ZoneInfo
    ) -> None:
        self._query = query
        self._text = text
        self._parameters = parameters
        self._zone = zone
        self._table = find_table(query.table)
        self._scope = Scope(self._table, self._table.columns)
        self._needed: dict[str, None] = {}
        self._listed: tuple[Column, ...] | None = None
        self._substitutions: list[tuple[int, int, str]] = []

    def run(self) -> plan.Plan:
        stages = [self._stage(clause) for clause in self._query.clauses]
        if self._listed is None:
            self._listed = tuple(self._table.columns[path] for path in self._table.defaults)
            stages.append(plan.Project(self._listed))
            self._need(*self._listed)
        return plan.Plan(
            self._table,
            self._query.selection,
            tuple(self._needed) or self._table.defaults[:1],
            tuple(stages),
            self._listed,
            self._executed(),
        )

    def _need(self, *columns: Column) -> None:
        for column in columns:
            if self._table.columns.get(column.path) is column:
                self._needed[column.path] = None

    def _find(self, name: syntax.Name) -> Column:
        column = self._scope.find(name)
        self._need(column)
        return column

    def _stage(self, clause: syntax.Clause) -> plan.Stage:
        match clause:
            case syntax.Where(condition):
                return plan.Filter(self._predicate(condition))
            case syntax.Listing(names):
                columns = tuple(dict.fromkeys(self._find(name) for name in names))
                self._leave(columns)
                return plan.Project(columns)
            case syntax.Sort(keys):
                return plan.Order(tuple((self._find(k.name), k.descending) for k in keys))
            case syntax.Limit(rows):
                return plan.Head(rows)
            case syntax.Summarize():
                return self._reduce(clause)

    def _leave(self, columns: tuple[Column, ...]) -> None:
        self._listed = columns
        self._scope = Scope(self._table, {column.path: column for column in columns})

    def _predicate(self, condition: syntax.Condition) -> plan.Predicate:
        match condition:
            case syntax.AllOf(parts):
                return plan.Every(tuple(self._predicate(part) for part in parts))
            case syntax.AnyOf(parts):
                return plan.Some(tuple(self._predicate(part) for part in parts))
            case syntax.Comparison():
                return self._test(condition)

    def _test(self, comparison: syntax.Comparison) -> plan.Test:
        column = self._find(comparison.name)
        operator = comparison.operator
        values = tuple(self._value(value, column.kind) for value in comparison.values)
        place = comparison.name.place
        if None in values:
            # Null may be asked for in a field of any type, but has no order.
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

    def _value(self, value: syntax.Value, kind: Kind) -> Plain:
        if isinstance(value, syntax.Literal):
            return read_literal(value, kind, self._zone)
        if value.name not in self._parameters:
            message = f"parameter ${value.name} has no value"
            raise NqlParameterError(message, value.place.line, value.place.column)
        text = self._parameters[value.name]
        place = value.place
        self._substitutions.append((place.start, place.end, shown(text, kind)))
        return read_parameter(value, text, kind, self._zone)

    def _reduce(self, clause: syntax.Summarize) -> plan.Reduce:
        groups = tuple(self._find(name) for name in clause.groups)
        for name, column in zip(clause.groups, groups, strict=True):
            if column.kind not in GROUPABLE:
                message = f"{column.path} is of type {column.kind}: it cannot be grouped by"
                raise NqlTypeError(message, name.place.line, name.place.column)
        aggregates = tuple(self._aggregate(item) for item in clause.assignments)
        self._leave((*groups, *(aggregate.result for aggregate in aggregates)))
        return plan.Reduce(aggregates, groups)

    def _aggregate(self, item: syntax.Assignment) -> plan.Aggregate:
        place = item.place
        argument = self._find(item.argument) if item.argument else None
        kind = _result_kind(item.function, argument)
        if kind is None:
            what = f"{argument.path} of type {argument.kind}" if argument else "no field"
            message = f"{item.function}() cannot be taken of {what}"
            raise NqlTypeError(message, place.line, place.column)
        return plan.Aggregate(Column(item.alias.path.lower(), kind), item.function, argument)

    def _executed(self) -> str:
        text = self._text
        for start, end, value in sorted(self._substitutions, reverse=True):
            text = text[:start] + value + text[end:]
        return text


def _result_kind(function: str, argument: Column | None) -> Kind | None:
    """Say what an aggregate yields, None when it makes no sense."""
    if function == "count":
        return Kind.INT
    if argument is None:
        return None
    numeric = argument.kind in NUMERIC
    match function:
        case "sum" if numeric:
            return argument.kind
        case "avg" if numeric:
            return Kind.FLOAT
        case "min" | "max" if numeric or argument.kind is Kind.DATETIME:
            return argument.kind
        case _:
            return None
