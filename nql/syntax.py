"""The syntax tree of a query. Plain values; nothing here knows tables or data."""

from dataclasses import dataclass, field
from typing import TypeAlias

from nql.kinds import Kind


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the text, for messages and for substitution."""

    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Name:
    """A field, table or alias as its author wrote it."""

    path: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in the text. A bare word has no type of its own: the field decides."""

    kind: Kind | None
    text: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A `$name` whose value comes with the request."""

    name: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`field.function(arguments)`; `count()` has no field, and calls may follow one another."""

    function: str
    target: "Name | Call | None"
    arguments: tuple["Condition", ...]
    place: Place = field(compare=False)


Field: TypeAlias = Name | Call
# A call on the right is another field; a name is a bare word, and what it is compared with decides.
Value: TypeAlias = Literal | Parameter | Call


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; `in` has several values, the other operators one."""

    name: Field
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Conditions joined by `and`."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Conditions joined by `or`."""

    parts: tuple["Condition", ...]


Condition: TypeAlias = Comparison | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Span:
    """An amount of seconds, minutes, hours or days; days mean whole days."""

    amount: float
    unit: str
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or date-time as written."""

    text: str
    place: Place = field(compare=False)


Instant: TypeAlias = Span | Moment


@dataclass(frozen=True, slots=True)
class During:
    """`during past <span>`."""

    span: Span


@dataclass(frozen=True, slots=True)
class Between:
    """`from <instant> to <instant>`; a span here counts back from now."""

    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True)
class OnDay:
    """`on <date>`."""

    day: Instant


Selection: TypeAlias = During | Between | OnDay


@dataclass(frozen=True, slots=True)
class Where:
    """Keep the rows that meet a condition."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Listing:
    """Show these fields, in this order."""

    names: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field to sort by."""

    name: Name
    descending: bool


@dataclass(frozen=True, slots=True)
class Sort:
    """Put the rows in order."""

    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """Keep the first rows."""

    rows: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a formula."""

    value: float


@dataclass(frozen=True, slots=True)
class Binary:
    """Two formulas and the operator between them: one of + - * / ^."""

    operator: str
    left: "Formula"
    right: "Formula"


Formula: TypeAlias = Name | Call | Number | Binary


@dataclass(frozen=True, slots=True)
class Assignment:
    """`alias = formula`, for instance `total = number_of_crashes.sum()`."""

    alias: Name
    formula: Formula


@dataclass(frozen=True, slots=True)
class Joining:
    """`with` keeps the objects that have rows of a table, `include` keeps all of them."""

    table: Name
    selection: Selection | None
    keeps_all: bool
    # The length of the samples, where a query asks for another than the usual one.
    resolution: Span | None = None


@dataclass(frozen=True, slots=True)
class Compute:
    """Aggregates for each object, over the rows joined by `with` or `include`."""

    assignments: tuple[Assignment, ...]
    place: Place = field(compare=False)


@dataclass(frozen=True, slots=True)
class Summarize:
    """Aggregates, in total or by group; a span groups by time."""

    assignments: tuple[Assignment, ...]
    groups: tuple[Field, ...]
    bucket: Span | None = None


Clause: TypeAlias = Where | Listing | Sort | Limit | Summarize | Joining | Compute


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query."""

    table: Name
    selection: Selection | None
    clauses: tuple[Clause, ...]
    resolution: Span | None = None
