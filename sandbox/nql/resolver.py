"""Resolves names to columns, literals and parameters to values, and checks types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from nql import syntax
from nql.errors import NqlSyntaxError
from nql.kinds import Kind
from nql.vocabulary.tables import joined_path
from sandbox.model.kinds import GROUPABLE
from sandbox.model.tables import Origin, Table, TableColumn
from sandbox.nql import plan
from sandbox.nql.errors import NqlTypeError
from sandbox.nql.predicates import Conditions, comparisons_of
from sandbox.nql.reckoning import Reckoner
from sandbox.nql.scope import TableScope, Vocabulary, find_table

# Groups of minutes are multiples of 15; of hours and days, whole numbers.
_QUARTER = 15
# The finest samples, which only virtual sessions have, and how they are grouped.
FINEST = (30.0, "s")
_BUCKET = (
    TableColumn("start_time", Kind.DATETIME),
    TableColumn("end_time", Kind.DATETIME),
    TableColumn("bucket_duration", Kind.INT),
)


def resolve(
    query: syntax.Query,
    text: str,
    parameters: Mapping[str, str],
    zone: ZoneInfo,
    vocabulary: Vocabulary | None = None,
) -> plan.QueryPlan:
    """Return the plan of a query, or raise the NqlError that says why there is none."""
    return _Resolver(query, text, parameters, zone, vocabulary or Vocabulary()).run()


def parameters_of(query: syntax.Query) -> set[str]:
    """Return the names of the parameters a query needs."""
    conditions = (c.condition for c in query.clauses if isinstance(c, syntax.Where))
    return {
        value.name
        for condition in conditions
        for comparison in comparisons_of(condition)
        for value in comparison.values
        if isinstance(value, syntax.Parameter)
    }


def _length(span: syntax.Span) -> str | None:
    """Return the length of a group of time, or None if it is not one."""
    amount = int(span.amount)
    if amount != span.amount or amount < 1:
        return None
    if span.unit == "s":
        return "30s" if (span.amount, span.unit) == FINEST else None
    if span.unit == "min":
        return None if amount % _QUARTER else f"{amount}m"
    return f"{amount}{span.unit}"


def _is_finest(resolution: syntax.Span | None, table: Table) -> bool:
    """Return whether the finest samples are asked for; raise if the table has none."""
    if resolution is None:
        return False
    if (resolution.amount, resolution.unit) != FINEST or not table.has_finest:
        place = resolution.place
        message = f"{table.path} has no samples of this length; virtual sessions have 30s"
        raise NqlTypeError(message, place.line, place.column)
    return True


def _name_of(field: syntax.Field) -> syntax.Name | None:
    while isinstance(field, syntax.Call) and field.target is not None:
        field = field.target
    return field if isinstance(field, syntax.Name) else None


@dataclass(slots=True)
class _Joining:
    """A `with` or `include` whose rows no `compute` has used yet."""

    clause: syntax.Joining
    scope: TableScope
    stages: list[plan.Stage] = field(default_factory=list)


class _Resolver:
    """Walks the clauses in order; each sees the columns that the one before it left."""

    def __init__(
        self,
        query: syntax.Query,
        text: str,
        parameters: Mapping[str, str],
        zone: ZoneInfo,
        vocabulary: Vocabulary,
    ) -> None:
        self._query = query
        self._text = text
        self._zone = zone
        self._vocabulary = vocabulary
        self._table = find_table(query.table, vocabulary)
        self._scope = TableScope(self._table, vocabulary, zone)
        self._stages: list[plan.Stage] = []
        self._joining: _Joining | None = None
        self._computed: list[TableColumn] = []
        self._listed: tuple[TableColumn, ...] | None = None
        self._conditions = Conditions(parameters, zone, lenient_words=vocabulary.lenient_words)
        self._finest_groups = False

    def run(self) -> plan.QueryPlan:
        for clause in self._query.clauses:
            self._take(clause)
        self._end_joining()
        if self._listed is None:
            defaults = (self._table.columns[path] for path in self._table.defaults)
            self._listed = (*defaults, *self._computed)
            self._stages.append(plan.Projection(self._listed))
            self._scope.need(*self._listed)
        return plan.QueryPlan(
            self._scope.source(),
            self._query.selection,
            tuple(self._scope.needed) or self._table.defaults[:1],
            tuple(self._stages),
            self._listed,
            self._conditions.executed(self._text),
            is_finest=_is_finest(self._query.resolution, self._table) or self._finest_groups,
        )

    def _take(self, clause: syntax.Clause) -> None:
        if not isinstance(clause, syntax.Where | syntax.Compute):
            self._end_joining()
        match clause:
            case syntax.Where(condition):
                self._where(condition)
            case syntax.Listing(names):
                columns = tuple(dict.fromkeys(self._scope.field(name) for name in names))
                self._add(plan.Projection(columns))
                self._leave(columns)
            case syntax.Sort(keys):
                ordered = tuple((self._scope.field(k.name), k.descending) for k in keys)
                self._add(plan.Order(ordered))
            case syntax.Limit(rows):
                self._add(plan.Head(rows))
            case syntax.Joining():
                self._join(clause)
            case syntax.Compute():
                self._compute(clause)
            case syntax.Summarize():
                self._reduce(clause)

    def _add(self, stage: plan.Stage) -> None:
        self._stages += [*self._scope.take_derived(), stage]

    def _leave(self, columns: tuple[TableColumn, ...]) -> None:
        self._listed = columns
        self._scope.leave(columns)

    # with, include, compute

    def _join(self, clause: syntax.Joining) -> None:
        place = clause.table.place
        word = "include" if clause.keeps_all else "with"
        if self._table.origin is not Origin.OBJECTS or not self._scope.is_whole:
            message = f"{word!r} is for objects such as devices or users, before list or summarize"
            raise NqlTypeError(message, place.line, place.column)
        path = joined_path(clause.table.path, self._table.namespace)
        table = find_table(syntax.Name(path, place), self._vocabulary)
        if self._table.prefix not in table.links:
            message = f"the rows of {table.path} do not belong to a {self._table.prefix}"
            raise NqlTypeError(message, place.line, place.column)
        _is_finest(clause.resolution, table)
        self._joining = _Joining(clause, TableScope(table, self._vocabulary, self._zone))

    def _where(self, condition: syntax.Condition) -> None:
        """Add a filter: of the joined rows between `with` or `include` and `compute`.

        There, conditions on the object's own fields only still filter the objects: a guess.
        """
        joining = self._joining
        if joining is not None and self._names_rows(condition, joining.scope):
            predicate = self._conditions.predicate(condition, joining.scope)
            joining.stages += [*joining.scope.take_derived(), plan.Filter(predicate)]
            return
        predicate = self._conditions.predicate(condition, self._scope)
        self._add(plan.Filter(predicate))

    def _names_rows(self, condition: syntax.Condition, scope: TableScope) -> bool:
        names = [_name_of(comparison.name) for comparison in comparisons_of(condition)]
        columns = [scope.look(name, need=False) for name in names if name is not None]
        own = self._table.prefix
        return any(c is not None and scope.table.owner(c.path) != own for c in columns)

    def _compute(self, clause: syntax.Compute) -> None:
        joining = self._joining
        if joining is None:
            message = "compute needs a with or include before it"
            raise NqlSyntaxError(message, clause.place.line, clause.place.column)
        reckoner = Reckoner(joining.scope, self._scope, self._conditions.unparametrised, self._zone)
        for assignment in clause.assignments:
            reckoner.settle(assignment)
        self._finish_joining(joining, reckoner)

    def _end_joining(self) -> None:
        """Add a join without a compute: `with` still keeps only objects with rows."""
        if self._joining is not None:
            reckoner = Reckoner(
                self._joining.scope, self._scope, self._conditions.unparametrised, self._zone
            )
            self._finish_joining(self._joining, reckoner)

    def _finish_joining(self, joining: _Joining, reckoner: Reckoner) -> None:
        key = TableColumn(f"#{self._table.prefix}", Kind.INT)
        for scope in (joining.scope, self._scope):
            scope.needed[key.path] = None
        joining.stages += joining.scope.take_derived()
        reduction = plan.Reduce(tuple(reckoner.aggregates), (key,), tuple(reckoner.results))
        join = plan.Join(
            joining.scope.source(),
            joining.clause.selection,
            joining.clause.keeps_all,
            tuple(joining.scope.needed),
            tuple(joining.stages),
            reduction,
            is_finest=joining.clause.resolution is not None,
        )
        self._add(join)
        for result in reckoner.results:
            self._scope.add(result.column)
            self._computed.append(result.column)
        self._joining = None

    # summarize

    def _reduce(self, clause: syntax.Summarize) -> None:
        bucket = self._bucket(clause.bucket) if clause.bucket else None
        groups = tuple(dict.fromkeys(self._group(item) for item in clause.groups))
        reckoner = Reckoner(self._scope, None, self._conditions.unparametrised, self._zone)
        for assignment in clause.assignments:
            reckoner.settle(assignment)
        results = tuple(reckoner.results)
        self._add(plan.Reduce(tuple(reckoner.aggregates), groups, results, bucket))
        times = _BUCKET if bucket else ()
        self._leave((*times, *groups, *(result.column for result in results)))

    def _group(self, item: syntax.Field) -> TableColumn:
        column = self._scope.field(item)
        # The hour or day of a time is an int too, but it can be grouped by: a guess.
        if column.kind not in GROUPABLE and not self._scope.is_derived(column):
            message = f"{column.path} is of type {column.kind}: it cannot be grouped by"
            raise NqlTypeError(message, item.place.line, item.place.column)
        return column

    def _bucket(self, span: syntax.Span) -> plan.TimeBucket:
        line, column = span.place.line, span.place.column
        table = self._table
        time = self._scope.look(syntax.Name(table.time, span.place)) if table.is_event else None
        if time is None:
            raise NqlTypeError("there is no time to group by here", line, column)
        length = _length(span)
        self._finest_groups |= _is_finest(span if span.unit == "s" else None, table)
        if length is None:
            message = "groups of time are multiples of 15min, and whole numbers of hours or days"
            raise NqlTypeError(message, line, column)
        return plan.TimeBucket(time, length, self._zone.key)
