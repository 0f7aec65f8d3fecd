"""A query with every name and type settled: what the evaluator works from."""

from dataclasses import dataclass
from typing import TypeAlias

from sandbox.model.kinds import Kind
from sandbox.model.tables import Column, Table
from sandbox.nql.syntax import Selection
from sandbox.nql.values import Plain


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a column with values of its kind."""

    column: Column
    operator: str
    values: tuple[Plain, ...]


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
class Aggregate:
    """One aggregate: its alias and kind, the function, and the column it reads (if any)."""

    result: Column
    function: str
    argument: Column | None


@dataclass(frozen=True, slots=True)
class Reduce:
    """Aggregates over groups."""

    aggregates: tuple[Aggregate, ...]
    groups: tuple[Column, ...]


Stage: TypeAlias = Filter | Project | Order | Head | Reduce


@dataclass(frozen=True, slots=True)
class Plan:
    """Where rows come from, which source columns are needed, and what is done with them."""

    table: Table
    selection: Selection | None
    needed: tuple[str, ...]
    stages: tuple[Stage, ...]
    output: tuple[Column, ...]
    executed: str

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of each column of the result."""
        return {column.path: column.kind for column in self.output}
