"""A query with every name and type resolved, as the evaluator runs it."""

from dataclasses import dataclass
from typing import TypeAlias

from nql.syntax import Selection
from sandbox.model.tables import Column, Table
from sandbox.nql.values import Plain


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a column with values of its kind."""

    column: Column
    operator: str
    values: tuple[Plain, ...]
    # The column it is compared with, instead of values.
    other: Column | None = None


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
class Project:
    """Keep these columns, in this order."""

    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by (column, descending)."""

    keys: tuple[tuple[Column, bool], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Keep the first rows."""

    rows: int


@dataclass(frozen=True, slots=True)
class Derived:
    """A column derived from another by a function such as `hour`."""

    result: Column
    function: str
    source: Column
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Extend:
    """Add derived columns."""

    derived: tuple[Derived, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate: the function, the column it reads and its condition (if any)."""

    function: str
    argument: Column | None
    condition: Predicate | None = None
    # The column by which `last` finds the last row.
    time: Column | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """In a formula: the aggregate at this position."""

    index: int


@dataclass(frozen=True, slots=True)
class Own:
    """In a formula: a column of the object itself, or an earlier result."""

    column: Column


@dataclass(frozen=True, slots=True)
class Constant:
    """In a formula: a number."""

    value: float


@dataclass(frozen=True, slots=True)
class Operation:
    """In a formula: one of + - * / ^."""

    operator: str
    left: "Formula"
    right: "Formula"


@dataclass(frozen=True, slots=True)
class Applied:
    """In a formula: a function of another formula's result."""

    function: str
    inner: "Formula"
    zone: str


Formula: TypeAlias = Slot | Own | Constant | Operation | Applied


@dataclass(frozen=True, slots=True)
class Result:
    """A named result and its formula."""

    column: Column
    formula: Formula


@dataclass(frozen=True, slots=True)
class Bucket:
    """Groups of time: this column, cut at multiples of a length in a zone."""

    time: Column
    length: str
    zone: str


@dataclass(frozen=True, slots=True)
class Reduce:
    """Aggregates over groups, and the results computed from them."""

    aggregates: tuple[Aggregate, ...]
    groups: tuple[Column, ...]
    results: tuple[Result, ...]
    bucket: Bucket | None = None


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


Stage: TypeAlias = Filter | Project | Order | Head | Extend | Reduce | Join


@dataclass(frozen=True, slots=True)
class Plan:
    """The source of the rows, the columns needed from it, and the stages applied."""

    table: Table
    selection: Selection | None
    needed: tuple[str, ...]
    stages: tuple[Stage, ...]
    output: tuple[Column, ...]
    executed: str
    # Whether samples of 30 seconds are asked for.
    is_finest: bool = False

    @property
    def joins(self) -> tuple[Join, ...]:
        """The joins, in order."""
        return tuple(stage for stage in self.stages if isinstance(stage, Join))
