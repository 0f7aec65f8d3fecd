"""A query with every name and type resolved, as the evaluator runs it."""

from dataclasses import dataclass
from typing import TypeAlias

from nql.syntax import Selection
from sandbox.model.tables import Table, TableColumn
from sandbox.nql.values import Plain


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a column with values of its kind."""

    column: TableColumn
    operator: str
    values: tuple[Plain, ...]
    # The column it is compared with, instead of values.
    other: TableColumn | None = None


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple["Predicate", ...]


Predicate: TypeAlias = Test | Every | Some


@dataclass(frozen=True, slots=True)
class Filter:
    """Keep the rows that pass."""

    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Projection:
    """Keep these columns, in this order."""

    columns: tuple[TableColumn, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by (column, descending)."""

    keys: tuple[tuple[TableColumn, bool], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Keep the first rows."""

    rows: int


@dataclass(frozen=True, slots=True)
class FunctionColumn:
    """A column derived from another by a function such as `hour`."""

    result: TableColumn
    function: str
    source: TableColumn
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Extend:
    """Add derived columns."""

    derived: tuple[FunctionColumn, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate: the function, the column it reads and its condition (if any)."""

    function: str
    argument: TableColumn | None
    condition: Predicate | None = None
    # The column by which `last` finds the last row.
    time: TableColumn | None = None


@dataclass(frozen=True, slots=True)
class AggregateRef:
    """In a formula: the aggregate at this position."""

    index: int


@dataclass(frozen=True, slots=True)
class Own:
    """In a formula: a column of the object itself, or an earlier result."""

    column: TableColumn


@dataclass(frozen=True, slots=True)
class Constant:
    """In a formula: a number."""

    value: float


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """In a formula: one of + - * / ^."""

    operator: str
    left: "Formula"
    right: "Formula"


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """In a formula: a function of another formula's result."""

    function: str
    inner: "Formula"
    zone: str


Formula: TypeAlias = AggregateRef | Own | Constant | Arithmetic | FunctionCall


@dataclass(frozen=True, slots=True)
class NamedResult:
    """A named result and its formula."""

    column: TableColumn
    formula: Formula


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """Groups of time: this column, cut at multiples of a length in a zone."""

    time: TableColumn
    length: str
    zone: str


@dataclass(frozen=True, slots=True)
class Reduce:
    """Aggregates over groups, and the results computed from them."""

    aggregates: tuple[Aggregate, ...]
    groups: tuple[TableColumn, ...]
    results: tuple[NamedResult, ...]
    bucket: TimeBucket | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Rows of another table, joined to the objects they belong to."""

    table: Table
    selection: Selection | None
    keeps_all: bool
    needed: tuple[str, ...]
    stages: tuple["Stage", ...]
    # Grouped by the object; results may use the object's own columns.
    reduction: Reduce
    # Whether samples of 30 seconds are asked for.
    is_finest: bool = False


Stage: TypeAlias = Filter | Projection | Order | Head | Extend | Reduce | Join


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The source of the rows, the columns needed from it, and the stages applied."""

    table: Table
    selection: Selection | None
    needed: tuple[str, ...]
    stages: tuple[Stage, ...]
    output: tuple[TableColumn, ...]
    executed: str
    # Whether samples of 30 seconds are asked for.
    is_finest: bool = False

    @property
    def joins(self) -> tuple[Join, ...]:
        """The joins, in order."""
        return tuple(stage for stage in self.stages if isinstance(stage, Join))
