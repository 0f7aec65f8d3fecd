"""The names that a query may use at one point, and the columns it has used."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from nql import syntax
from nql.kinds import Kind
from sandbox.model.kinds import NUMERIC
from sandbox.model.tables import SHORTCUTS, TABLES, Table, TableColumn, find, trend_kind
from sandbox.nql import plan
from sandbox.nql.deriving import METRIC_PARTS
from sandbox.nql.errors import NqlNameError, NqlTypeError

# The type that each function derives from a date-time; `as` only affects display.
DERIVING = {
    "time_elapsed": Kind.DURATION,
    "hour": Kind.INT,
    "day": Kind.INT,
    "day_of_week": Kind.INT,
}
# The names of a campaign's answers are a guess, by analogy with a remote action's outputs.
_MEMBERS = re.compile(
    r"(?:(?:remote_action\.)?execution\.)?(outputs)\.([^.]+)"
    r"|(?:(?:campaign\.)?response\.)?(answers)\.([^.]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names known only while the tenant runs: custom fields, and the ids of actions.

    Custom fields have their `#`; names without one are fields that only some tenants have.
    `ids` returns None where any id is allowed, otherwise the set of known ids.
    """

    custom_fields: Callable[[str], frozenset[str]] = lambda _: frozenset()
    ids: Callable[[str], frozenset[str] | None] = lambda _: None
    # Whether enumerations may be written in quotes, and compared with words they do not have.
    lenient_words: bool = True


def find_table(name: syntax.Name, vocabulary: Vocabulary) -> Table:
    """Return a table by its path or shortcut."""
    table = find(name.path.lower())
    if table is None:
        known = ", ".join(sorted({*TABLES, *SHORTCUTS}))
        message = f"there is no table {name.path!r} here; the sandbox has {known}"
        raise NqlNameError(message, name.place.line, name.place.column)
    if table.identity is not None:
        ids = vocabulary.ids(table.namespace)
        if ids is not None and table.identity not in ids:
            message = f"there is no {table.namespace} with the id {table.identity!r}"
            raise NqlNameError(message, name.place.line, name.place.column)
    return table


class TableScope:
    """The columns of one table that are in scope, and the names they can be used by."""

    def __init__(self, table: Table, vocabulary: Vocabulary, zone: ZoneInfo) -> None:
        """Start from all columns of a table."""
        self.table = table
        self.needed: dict[str, None] = {}
        # Derived columns that must exist before the next stage.
        self.derived: list[plan.FunctionColumn] = []
        self._columns = dict(table.columns)
        self._source = dict(table.columns)
        self._whole = True
        self._vocabulary = vocabulary
        self._zone = zone

    def source(self) -> Table:
        """Return the table with the custom and dynamic columns that were used."""
        further = [c for path, c in self._source.items() if path not in self.table.columns]
        return self.table.with_columns(further) if further else self.table

    @property
    def is_whole(self) -> bool:
        """Whether all columns of the table are still in scope."""
        return self._whole

    def leave(self, columns: Iterable[TableColumn]) -> None:
        """Limit the scope to these columns."""
        self._columns = {column.path.lower(): column for column in columns}
        self._whole = False

    def add(self, column: TableColumn) -> None:
        """Add a column to the scope."""
        self._columns[column.path.lower()] = column

    def need(self, *columns: TableColumn) -> None:
        """Mark columns as needed from the source, where they are its own."""
        for column in columns:
            if self._source.get(column.path) is column:
                self.needed[column.path] = None

    def look(self, name: syntax.Name, *, need: bool = True) -> TableColumn | None:
        """Return a column by its full path, partial path or short name."""
        path = name.path.lower()
        table = self.table
        candidates = (path, f"{table.prefix}.{path}", f"{table.namespace}.{path}")
        found = next((self._columns[c] for c in candidates if c in self._columns), None)
        if found is None:
            found = self._of_link(path)
        if found is None and self._whole:
            found = self._further(name, candidates) or self._part(path, candidates)
        if found is not None and need:
            self.need(found)
        return found

    def metric(self, field: syntax.Field) -> TableColumn:
        """Return a column to aggregate: the average is what a metric's bare name means."""
        if isinstance(field, syntax.Name) and self.look(field, need=False) is None:
            whole = syntax.Name(f"{field.path}.avg", field.place)
            if self.look(whole, need=False) is not None:
                return self.field(whole)
        return self.field(field)

    def _of_link(self, path: str) -> TableColumn | None:
        """Return a field of a linked object by its short name, if only one object has it."""
        named = [f"{link}.{path}" for link in self.table.links]
        found = [self._columns[name] for name in named if name in self._columns]
        if path == "timestamp" and self.table.is_event and self._whole:
            # What one example of the vendor calls the time of a sample.
            return self._columns.get(self.table.time)
        return found[0] if len(found) == 1 else None

    def _part(self, path: str, candidates: tuple[str, ...]) -> TableColumn | None:
        """Return a metric's `.avg`, `.sum`, `.count`, `.min` or `.max` within each sample."""
        _, _, part = path.rpartition(".")
        if part not in METRIC_PARTS or not self.table.is_event:
            return None
        wholes = (c.removesuffix(f".{part}") for c in candidates)
        source = next((self._columns[w] for w in wholes if w in self._columns), None)
        if source is None or source.kind not in NUMERIC or self.table.owner(source.path):
            return None
        counted = Kind.INT if part == "count" else source.kind
        kind = Kind.FLOAT if counted is Kind.INT and part == "avg" else counted
        result = TableColumn(f"{source.path}.{part}", kind)
        self.need(source)
        self.derived.append(plan.FunctionColumn(result, part, source))
        return result

    def field(self, field: syntax.Field) -> TableColumn:
        """Return a column, or derive it from another by the functions after its name."""
        if isinstance(field, syntax.Name):
            column = self.look(field)
            if column is None:
                message = f"there is no field {field.path!r} in {self.table.path} at this point"
                raise NqlNameError(message, field.place.line, field.place.column)
            return column
        if field.target is None or field.function not in (*DERIVING, "as"):
            message = f"{field.function}() is not known here"
            raise NqlTypeError(message, field.place.line, field.place.column)
        source = self.field(field.target)
        if field.function == "as":
            return source
        return self._derive(field, source)

    def take_derived(self) -> list[plan.Stage]:
        """Return the stage that adds the columns derived since the last call."""
        made, self.derived = tuple(dict.fromkeys(self.derived)), []
        return [plan.Extend(made)] if made else []

    def is_derived(self, column: TableColumn) -> bool:
        """Return whether a column was derived by a function."""
        return any(derived.result is column for derived in self.derived)

    def _derive(self, call: syntax.Call, source: TableColumn) -> TableColumn:
        kind = require_derivable(call, source.kind, source.path)
        # The header of such a column is a guess: the path and the function.
        result = TableColumn(f"{source.path}.{call.function}", kind)
        self.derived.append(
            plan.FunctionColumn(result, call.function, source, zone_of(call, self._zone))
        )
        return result

    def _further(self, name: syntax.Name, candidates: tuple[str, ...]) -> TableColumn | None:
        table = self.table
        if table.identity is not None and (match := _MEMBERS.fullmatch(name.path)):
            # The outputs of one remote action are fields; their names keep their capitals.
            whole = f"{table.prefix}.{(match[1] or match[3]).lower()}"
            if whole in table.columns:
                return self._found(TableColumn(f"{whole}.{match[2] or match[4]}", Kind.STRING))
        if table.namespace == "custom_trend":
            return self._found(self._of_trend(name.path.lower()))
        for path in candidates:
            for entity in (table.prefix, *table.links):
                field = path.removeprefix(f"{entity}.")
                if field in self._vocabulary.custom_fields(entity):
                    return self._found(TableColumn(f"{entity}.{field}", Kind.STRING))
        return None

    def _of_trend(self, name: str) -> TableColumn:
        """Return a field of a custom trend: which ones it has is known to the tenant only.

        The name of a device's field with underscores is that field; others are numbers if their
        name says so, otherwise texts. All of this is a guess.
        """
        fields = self.table.columns
        for link in self.table.links:
            for path, column in fields.items():
                if path.startswith(f"{link}.") and path[len(link) + 1 :].replace(".", "_") == name:
                    return column
        return TableColumn(f"{self.table.prefix}.{name}", trend_kind(name))

    def _found(self, column: TableColumn) -> TableColumn:
        # The same column object for the same path, since columns are compared by identity.
        column = self._source.setdefault(column.path, column)
        self._columns[column.path.lower()] = column
        return column


def require_derivable(call: syntax.Call, kind: Kind, what: str) -> Kind:
    """Return the type that a function derives; raise unless its field is a date-time."""
    if kind is not Kind.DATETIME:
        message = f"{call.function}() is for a date time; {what} is of type {kind}"
        raise NqlTypeError(message, call.place.line, call.place.column)
    return DERIVING[call.function]


def zone_of(call: syntax.Call, default: ZoneInfo) -> str:
    """Return the zone of the argument `timezone='…'`, by default the tenant's own."""
    for argument in call.arguments:
        value = argument.values[0] if isinstance(argument, syntax.Comparison) else None
        named = isinstance(argument, syntax.Comparison) and isinstance(argument.name, syntax.Name)
        if not (named and isinstance(value, syntax.Literal)):
            break
        try:
            return ZoneInfo(value.text).key
        except (KeyError, ValueError, OSError):
            message = f"{value.text!r} is not a time zone"
            raise NqlTypeError(message, value.place.line, value.place.column) from None
    if call.arguments:
        message = f"{call.function}() only takes timezone='…'"
        raise NqlTypeError(message, call.place.line, call.place.column)
    return default.key
