"""The tables of the sandbox tenant and their columns: those of the vocabulary, with an origin."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

import polars as pl

from nql.kinds import Kind
from nql.vocabulary import tables as vocabulary
from nql.vocabulary.events import EVENTS, FED, FED_HEADS
from nql.vocabulary.objects import NESTED, OBJECTS
from nql.vocabulary.tables import SHORTCUTS, TableWords, prefix_of
from sandbox.model.kinds import DTYPES

# Published: 90 days of metering, 13 months of what is summed up or kept once a day.
_KEPT_DAYS = {
    "software_metering.events": 90,
    "custom_trend.snapshots": 395,
    "ai.interactions_summary": 395,
}
_NUMBER = re.compile(r"(^|_)(nb|num|number|count|total|sum|avg|average|ratio|score|value)(_|$)")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column: its full path, which is also its header, and its type."""

    path: str
    kind: Kind
    # An average of bytes is in bytes, but not a whole number of them.
    fractional: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """How the column is stored."""
        return pl.Float64() if self.fractional else DTYPES[self.kind]


class Origin(Enum):
    """Where the rows of a table come from."""

    OBJECTS = auto()
    NESTED = auto()
    INSTALLED = auto()
    EVENTS = auto()
    FEED = auto()


@dataclass(frozen=True, slots=True)
class Table:
    """One table; the estate generates its rows."""

    namespace: str
    name: str
    entity: str
    columns: Mapping[str, TableColumn]
    defaults: tuple[str, ...]
    time: str
    origin: Origin
    # The objects each row belongs to, by the prefix of their columns.
    links: tuple[str, ...] = ()
    # The NQL id of the remote action, workflow or campaign of a dynamic table.
    identity: str | None = None

    @property
    def path(self) -> str:
        """The name of the table in queries."""
        return f"{self.namespace}.{self.name}"

    @property
    def prefix(self) -> str:
        """The prefix of the table's own fields."""
        return prefix_of(self.namespace, self.entity)

    @property
    def is_event(self) -> bool:
        """Whether rows are events with a time, rather than objects."""
        return self.origin in (Origin.EVENTS, Origin.FEED) and self.time != ""

    @property
    def samples(self) -> bool:
        """Whether rows are samples over a bucket of time, with daily ones for frames in days."""
        return f"{self.prefix}.bucket_duration" in self.columns

    @property
    def has_finest(self) -> bool:
        """Whether samples of 30 seconds can be asked for, which are kept two days."""
        return self.path == "session.vdi_events"

    @property
    def is_limited(self) -> bool:
        """Whether high-resolution samples have a shorter retention and a limit on time frames.

        Third parties report this for these two namespaces only.
        """
        return self.samples and self.namespace in ("execution", "connection")

    @property
    def kept_longer(self) -> timedelta | None:
        """How long rows are kept that outlive other events, whatever their retention; or None."""
        days = _KEPT_DAYS.get(self.path)
        return None if days is None else timedelta(days=days)

    @property
    def is_open_ended(self) -> bool:
        """Whether a query without a time frame returns all rows, and none are ever removed."""
        return self.path == "campaign.responses"

    def owner(self, path: str) -> str:
        """Return the linked object that has a column, or an empty text for the table's own."""
        owners = [link for link in self.links if path.startswith(f"{link}.")]
        longest = max(owners, key=len, default="")
        own = path.startswith(f"{self.prefix}.") and len(self.prefix) > len(longest)
        return "" if own else longest

    def with_columns(self, columns: Iterable[TableColumn]) -> "Table":
        """Return the table with additional columns."""
        return replace(self, columns={**self.columns, **{c.path: c for c in columns}})


def _origin(words: TableWords) -> Origin:
    if words.path == "package.installed_packages":
        return Origin.INSTALLED
    if words.path in EVENTS:
        return Origin.EVENTS
    if words.path in FED or words.namespace in FED_HEADS:
        return Origin.FEED
    is_nested = words.namespace == "device" and words.name in NESTED
    return Origin.NESTED if is_nested else Origin.OBJECTS


def _time(words: TableWords, origin: Origin) -> str:
    """Return the path of the field that time frames apply to, or an empty text."""
    if origin is Origin.OBJECTS:
        return f"{words.prefix}.last_seen" if "last_seen" in OBJECTS[words.prefix] else ""
    shown = origin in (Origin.EVENTS, Origin.FEED) and words.time
    return f"{words.prefix}.{words.time}" if shown else ""


def _table(words: TableWords) -> Table:
    columns = {path: TableColumn(path, field.kind) for path, field in words.fields.items()}
    origin = _origin(words)
    time = _time(words, origin)
    listed = [c if c in columns else f"{words.prefix}.{c}" for c in words.defaults]
    if time and origin is not Origin.OBJECTS:
        listed.insert(0, time)
    return Table(
        words.namespace, words.name, words.entity, columns, tuple(listed), time, origin, words.links
    )


TABLES: dict[str, Table] = {path: _table(words) for path, words in vocabulary.TABLES.items()}


def trend_kind(name: str) -> Kind:
    """Return the type of a custom trend's field, as far as its name shows it: a guess."""
    return Kind.FLOAT if _NUMBER.search(name) else Kind.STRING


def find(path: str) -> Table | None:
    """Return a table by its path or shortcut, or as the dynamic table of one action."""
    words = vocabulary.find(path)
    if words is None:
        return None
    whole = TABLES[words.path]
    return whole if words.identity is None else replace(whole, identity=words.identity)


__all__ = ["SHORTCUTS", "TABLES", "Origin", "Table", "TableColumn", "find", "trend_kind"]
