"""Whether saved queries fit what uses them: parameters, columns, times, as far as texts show it.

A problem is what a run would fail with; everything else is a note. What the parser does not
understand, or names that no published list has, are never a problem.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.catalogue import DatasetSpecification, Drift, Mode
from connectors.catalogue.loading import query_path
from connectors.catalogue.specification import DAY
from connectors.catalogue.windows import WindowSpecification
from connectors.catalogue.yaml_text import UNREADABLE, read_catalogue_text
from nql import syntax
from nql.errors import NqlSyntaxError
from nql.linting import lint
from nql.parser import parse
from nql.scoping import comparisons, header_of, parameters, scopes

if TYPE_CHECKING:
    from connectors.actions import ActionSpecification
    from connectors.syncs import SyncSpecification

_LOWER, _UPPER = ">=", "<="


@dataclass(slots=True)
class Findings:
    """Problems and notes, each beginning with the file that is to be corrected."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Listed:
    """The columns of a result: as results show them, and whether all of their names are known."""

    headers: tuple[str, ...]
    is_certain: bool

    def has(self, name: str) -> bool:
        """Return whether a column is listed, under its full name or a part of it."""
        return any(h == name or f".{h}".endswith(f".{name}") for h in self.headers) or any(
            name.endswith(f".{h}") for h in self.headers
        )


class SavedQueryUses:
    """Compares the uses of saved queries with their texts; each text is parsed once."""

    def __init__(self, catalog: Path) -> None:
        """Remember where the texts are."""
        self._catalog = catalog
        self._parsed: dict[str, syntax.Query | None] = {}
        self.findings = Findings()

    def check_dataset(self, name: str, specification: DatasetSpecification) -> None:
        """Compare a dataset with its saved queries."""
        window = specification.window
        bounds = {window.from_, window.to} - {""} if window else set[str]()
        for query_id, given in _asked(specification):
            query = self._query(name, query_id)
            if query is None:
                continue
            note = _Saying(self.findings, name, query_id)
            _check_parameters(query, {*given, *bounds}, bounds, note)
            _check_columns(query, specification, note)
            if window is not None and specification.mode is Mode.WINDOW:
                _check_bounds(query, specification, window, note)
        if window is not None and specification.mode is Mode.SLICES:
            self._check_slices(name, specification, window)

    def check_sync(self, name: str, specification: "SyncSpecification") -> None:
        """Compare the query that reads a sync's fields back with the fields."""
        from connectors.nexthink.fields import nql_name  # noqa: PLC0415 - httpx, only for syncs

        if specification.verify is None:
            return
        verify = specification.verify
        read = [each for each in specification.fields if each not in verify.blind]
        needed = [specification.identification.name, *read]
        self._check_use(name, verify.query_id, set(), [nql_name(each) for each in needed])

    def check_action(self, name: str, specification: "ActionSpecification") -> None:
        """Compare an action's queries with what is passed to them and read from them."""
        # Only where there are actions.
        from connectors.actions.columns import needed_columns, target_column  # noqa: PLC0415

        targets = specification.targets
        if targets.query_id:
            needed = [target_column(specification.kind)]
            self._check_use(name, targets.query_id, set(targets.parameters), needed)
        columns = needed_columns(specification.kind)
        self._check_use(name, specification.read_back, {"nql_id", "from"}, columns)

    def _check_use(self, name: str, query_id: str, passed: set[str], needed: Iterable[str]) -> None:
        query = self._query(name, query_id)
        if query is None:
            return
        note = _Saying(self.findings, name, query_id)
        _check_parameters(query, passed, set(), note)
        listed = _listed(query)
        if listed is not None:
            lacking = [column for column in needed if not listed.has(column)]
            if lacking:
                what = f"does not list {', '.join(lacking)}"
                (note.problem if listed.is_certain else note.note)(what)

    def _check_slices(
        self, name: str, specification: DatasetSpecification, window: WindowSpecification
    ) -> None:
        for days in range(1, (window.reach or DAY) // DAY + 1):
            query_id = specification.query_id_of(days)
            query = self._query(name, query_id)
            if query is None:
                continue
            match query.selection:
                case syntax.Between(syntax.Span(first, "d"), syntax.Span(last, "d")) if (
                    first == last == days
                ):
                    continue
                case _:
                    what = f"its time frame is not from {days}d ago to {days}d ago"
                    _Saying(self.findings, name, query_id).problem(what)

    def _query(self, name: str, query_id: str) -> syntax.Query | None:
        """Return the parsed query, or None if it is missing or not understood (a note)."""
        if query_id not in self._parsed:
            self._parsed[query_id] = None
            note = _Saying(self.findings, name, query_id)
            try:
                text = read_catalogue_text(query_path(self._catalog, query_id))
                self._parsed[query_id] = parse(text)
            except NqlSyntaxError as error:
                note.note(f"not understood here, so it was not compared: {error}")
            except UNREADABLE:
                # A missing file is a problem of its own, listed with the others.
                pass
            else:
                for each in lint(text):
                    if not each.is_note:
                        note.note(f"line {each.line}, column {each.column}: {each.worded}")
        return self._parsed[query_id]


@dataclass(frozen=True, slots=True)
class _Saying:
    """Records findings about one use of a query."""

    findings: Findings
    name: str
    query_id: str

    def problem(self, what: str) -> None:
        """Record what a run would fail with."""
        self._add(self.findings.problems, what)

    def note(self, what: str) -> None:
        """Record what is worth a look."""
        self._add(self.findings.notes, what)

    def _add(self, where: list[str], what: str) -> None:
        line = f"{self.name}.yaml: saved query {self.query_id}: {what}"
        if line not in where:
            where.append(line)


def _asked(specification: DatasetSpecification) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the saved queries that a dataset runs, each with its parameters but for the window."""
    if not specification.shards:
        for query_id in specification.query_ids():
            yield query_id, specification.parameters
    for shard in specification.shards:
        query_id = shard.query_id or specification.query_id
        yield query_id, {**specification.parameters, **shard.parameters}


def _check_parameters(
    query: syntax.Query, passed: set[str], bounds: set[str], note: _Saying
) -> None:
    used = set(parameters(query))
    for name in sorted(used - passed):
        near = ", ".join(sorted(passed - used)) or "nothing more"
        note.problem(f"it takes ${name}, which is not passed (passed, but not taken: {near})")
    for name in sorted(passed - used):
        what = f"{name} is passed, but the query has no ${name}"
        # Without its bound, rows of other windows come, and each window is refused.
        (note.problem if name in bounds else note.note)(what)


def _listed(query: syntax.Query) -> _Listed | None:
    """Return the columns of a query, or None where the tenant decides or functions derive them."""
    found: _Listed | None = None
    for clause, scope in scopes(query):
        match clause:
            case syntax.Listing(names):
                items = names
                more: tuple[str, ...] = ()
            case syntax.Summarize():
                items = clause.groups
                more = tuple(each.alias.path for each in clause.assignments)
                more += ("start_time", "end_time", "bucket_duration") if clause.bucket else ()
            case _:
                continue
        plain = [item for item in items if isinstance(item, syntax.Name)]
        known = len(plain) == len(items) and all(scope.full(n.path) is not None for n in plain)
        headers = tuple(header_of(item, scope) for item in items)
        found = _Listed((*headers, *more), known)
    return found


def _check_columns(query: syntax.Query, specification: DatasetSpecification, note: _Saying) -> None:
    listed = _listed(query)
    if listed is None:
        return
    for column in specification.columns:
        if listed.has(column.nql):
            continue
        is_needed = column.key or not column.nullable
        fails = listed.is_certain and is_needed
        kind = "the key column" if column.key else "the column"
        end = "" if is_needed else ", so it lands as null"
        what = f"it does not list {kind} {column.nql}{end}"
        (note.problem if fails else note.note)(what)
    declared = {column.nql for column in specification.columns}
    new = [h for h in listed.headers if not any(_is_same(h, nql) for nql in declared)]
    if new and specification.drift is not Drift.DISCARD:
        fails = specification.drift is Drift.FREEZE and listed.is_certain
        end = (
            "and drift is freeze" if specification.drift is Drift.FREEZE else "so they land as text"
        )
        what = f"it lists {', '.join(new)}, not declared here, {end}"
        (note.problem if fails else note.note)(what)


def _is_same(header: str, declared: str) -> bool:
    return header == declared or declared.endswith(f".{header}") or header.endswith(f".{declared}")


def _check_bounds(
    query: syntax.Query,
    specification: DatasetSpecification,
    window: WindowSpecification,
    note: _Saying,
) -> None:
    """Compare the conditions with the window's parameters with its column."""
    column = next(c.nql for c in specification.columns if c.name == window.column)
    wanted = {window.from_: _LOWER, window.to: _UPPER}
    for comparison, scope in comparisons(query):
        for value in comparison.values:
            if not isinstance(value, syntax.Parameter) or value.name not in wanted:
                continue
            operator, right = comparison.operator, wanted[value.name]
            if operator != right:
                note.problem(f"${value.name} is compared with {operator}; the window needs {right}")
            header = header_of(comparison.name, scope)
            if not _is_same(header, column):
                known = isinstance(comparison.name, syntax.Name) and scope.full(
                    comparison.name.path
                )
                what = f"${value.name} bounds {header}; the window's column is {column}"
                (note.problem if known else note.note)(what)
    _check_reach(query, window, note)


def _check_reach(query: syntax.Query, window: WindowSpecification, note: _Saying) -> None:
    seconds = {"min": 60, "h": 3600, "d": 86400}
    match query.selection:
        case syntax.During(span) if window.reach is not None:
            selected = span.amount * seconds[span.unit]
            if selected < window.reach.total_seconds():
                hours = f"{window.reach.total_seconds() / 3600:g}h"
                what = f"it selects the past {span.amount:g}{span.unit}, window.reach says {hours}"
                note.note(f"{what}: older windows would come without rows")
        case _:
            return
