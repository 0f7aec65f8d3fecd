"""Writing what was learned as a dataset of the catalogue, with doubts as comments."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.catalogue import DAY, ColumnType, Described, Mode, parse_duration
from connectors.catalogue.specification import describe
from connectors.errors import ConfigurationError, UsageError
from nql.vocabulary.tables import find
from tasks.exports.windows import bound_before, literal
from tasks.upkeep.learn import Lesson, ProposedColumn
from tasks.upkeep.meanings import said_of

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
TABLE = re.compile(r"\s*([\w.#]+)")
PARAMETER = re.compile(r"\$(\w+)")
FROM = re.compile(r"([\w.#-]+)\s*>=?\s*\$(\w+)")
TO = re.compile(r"([\w.#-]+)\s*<=?\s*\$(\w+)")
FRAME = re.compile(r"\bduring\s+past\s+(\d+\s*(?:min|h|d))\b")
# Text that every version of YAML reads as the same text.
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
YAML_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
LAG = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class QueryOutline:
    """What a saved query's text says: its parameters, and the field that it limits in time.

    `row` is what a row of its table stands for, if it lists them and that is known.
    """

    parameters: frozenset[str] = frozenset()
    field: str | None = None
    from_: str = ""
    to: str = ""
    reach: timedelta | None = None
    row: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What to export once: the mode that the dataset will have, and the query's parameters."""

    mode: Mode
    query: QueryOutline
    parameters: dict[str, str]

    @property
    def declared(self) -> dict[str, str]:
        """The parameters that the dataset declares: all but the window's bounds."""
        bounds = {self.query.from_, self.query.to} if self.mode is Mode.WINDOW else set[str]()
        return {name: value for name, value in self.parameters.items() if name not in bounds}


@dataclass(frozen=True, slots=True)
class DatasetDraft:
    """A proposed dataset."""

    dataset: str
    query_id: str
    sample: Sample
    lesson: Lesson
    notes: tuple[str, ...] = ()
    # Columns of other datasets that are described, by header.
    known: Mapping[str, Described] = field(default_factory=dict)

    @property
    def unsure(self) -> list[str]:
        """Everything that a person should check."""
        columns = [f"{c.header}: {note}" for c in self.lesson.columns for note in c.notes]
        return [*self.notes, *columns]


def read_query(text: str) -> QueryOutline:
    """Return a query's parameters, and the field that it compares with two of them as bounds."""
    text = COMMENT.sub(" ", text)
    frame = FRAME.search(text)
    found = QueryOutline(
        frozenset(PARAMETER.findall(text)),
        reach=parse_duration(frame[1]) if frame else None,
        row=_row_of(text),
    )
    upper = dict(TO.findall(text))
    for name, parameter in FROM.findall(text):
        if name in upper:
            return replace(found, field=name, from_=parameter, to=upper[name])
    return found


def _row_of(text: str) -> str:
    """Return what a row of a query's table stands for, empty if other rows are made of them."""
    table = TABLE.match(text)
    known = find(table[1].lower()) if table and "summarize" not in text else None
    return known.meaning if known else ""


def plan_sample(
    text: str, given: Mapping[str, str], mode: Mode | None, now: datetime, zone: ZoneInfo
) -> Sample:
    """Decide the mode and the parameters; without bounds, the window is the last full UTC day.

    Raises:
        UsageError: a parameter of the query has no value, or a window has no bounds in the query.
    """
    query = read_query(text)
    mode = mode or (Mode.WINDOW if query.field else Mode.SNAPSHOT)
    parameters = dict(given)
    if mode is Mode.WINDOW and not query.field:
        raise UsageError(
            "mode window: the saved query in queries/ does not compare a field with two parameters "
            "(where time >= $from and time <= $to)"
        )
    if query.field:
        end = bound_before(now - LAG, DAY, zone)
        parameters.setdefault(query.from_, literal(bound_before(end - DAY, DAY, zone), zone))
        parameters.setdefault(query.to, literal(end, zone))
    if missing := sorted(query.parameters - parameters.keys()):
        raise UsageError(f"the query has the parameter {', '.join(missing)}: it needs a value")
    return Sample(mode, query, parameters)


def timed_column(query: QueryOutline, lesson: Lesson) -> ProposedColumn:
    """Return the column of the field that the query compares; a header has the field's full path.

    Raises:
        ConfigurationError: the query does not list the field, or its values are not date-times.
    """
    found = [
        column
        for column in lesson.columns
        if query.field and f".{column.header}".endswith(f".{query.field}")
    ]
    if not found:
        raise ConfigurationError(
            f"the query compares {query.field} with its parameters but does not list it: list it, "
            "so that a row can be assigned to its window"
        )
    if found[0].type is not ColumnType.DATETIME:
        raise ConfigurationError(
            f"{found[0].header} is compared as a time, but its values are not date-times"
        )
    return found[0]


def write_draft(draft: DatasetDraft, *, with_values: bool = True) -> str:
    """Return the YAML, without values if it is written outside the catalogue."""
    row = draft.sample.query.row
    fill_in = "" if row else " Grain: one row per … (fill in)."
    lines = [f"# Learned from {draft.lesson.rows:,} rows.{fill_in}"]
    lines += [f"# Unsure: {note}." for note in draft.notes]
    lines += [
        f"dataset: {draft.dataset}",
        *([f"grain: {_quoted(row)}"] if row else []),
        f'query_id: "{draft.query_id}"',
        f"mode: {draft.sample.mode}",
    ]
    if draft.sample.mode is Mode.SNAPSHOT:
        lines.append("every: 1d")
    if declared := draft.sample.declared:
        lines.append("parameters:")
        lines += [f"  {_text(name)}: {_quoted(value)}" for name, value in declared.items()]
    lines.append("compression: ZSTD")
    lines += _window(draft)
    lines.append("columns:")
    for column in draft.lesson.columns:
        lines += _column(draft, column)
    lines += _checks(draft, with_values=with_values)
    return "\n".join(lines) + "\n"


def _window(draft: DatasetDraft) -> list[str]:
    if draft.sample.mode is not Mode.WINDOW:
        return []
    query = draft.sample.query
    lines = [
        "window:",
        f"  column: {timed_column(query, draft.lesson).name}",
        f"  from: {_text(query.from_)}",
        f"  to: {_text(query.to)}",
        "  step: 1d",
        "  lag: 1h",
    ]
    if query.reach and query.reach >= DAY + LAG:
        lines.append(f"  reach: {describe(query.reach)}")
    return lines


def _column(draft: DatasetDraft, column: ProposedColumn) -> list[str]:
    keys = [f"nql: {_text(column.header)}"]
    if column.is_renamed:
        keys.append(f"name: {column.name}")
    if column.type is not ColumnType.STRING:
        keys.append(f"type: {column.type}")
    if draft.sample.mode is Mode.WINDOW and column is timed_column(
        draft.sample.query, draft.lesson
    ):
        keys.append("nullable: false")
    said = _said(draft, column)
    notes = [f"  # Unsure: {note}." for note in column.notes]
    if said and "description" in said[-1]:
        first, *others = [*keys, *said]
        return [*notes, f"  - {first}", *(f"    {each}" for each in others)]
    return [*notes, f"  - {{{', '.join([*keys, *said])}}}"]


def _said(draft: DatasetDraft, column: ProposedColumn) -> list[str]:
    """Return what the column says of itself, its description last."""
    said = said_of(column.header, column.type, draft.known)
    keys = [f"unit: {_text(said.unit)}"] if said.unit else []
    if said.references and not said.references.startswith(f"{draft.dataset}."):
        keys.append(f"references: {said.references}")
    keys += ["personal: true"] if said.personal else []
    keys += [f"sortable: {said.sortable}"] if said.sortable else []
    return keys + ([f"description: {_quoted(said.description)}"] if said.description else [])


def _checks(draft: DatasetDraft, *, with_values: bool) -> list[str]:
    listed = [column for column in draft.lesson.columns if column.values]
    if not listed or not with_values:
        return []
    lines = ["# Checks that would pass today; uncomment those that should always pass."]
    lines.append("# checks:")
    for column in listed:
        values = ", ".join(_quoted(value) for value in column.values)
        lines.append(f"#   - {{check: allowed, column: {column.name}, values: [{values}]}}")
    return lines


def _text(value: str) -> str:
    if PLAIN.fullmatch(value) and value.lower() not in YAML_WORDS:
        return value
    return _quoted(value)


def _quoted(value: str) -> str:
    # JSON strings are YAML strings. Escaping keeps the tenant's characters from ending the line.
    return json.dumps(value)
