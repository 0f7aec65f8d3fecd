"""What the site shows, gathered before any page is made: plain values, and nobody's name."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from connectors.catalogue import DATASET_PATTERN

_UNSHOWN: Final = "… (nxp check shows it)"


class DayState(StrEnum):
    """What has become of one day of a dataset; `value` is what people read."""

    LANDED = "landed"
    REJECTED = "landed, some rows rejected"
    PART = "landed in part"
    MISSING = "missing"
    EXPIRED = "expired: the tenant no longer has it"
    DROPPED = "deleted: past retention"
    NONE = "not due"


def problem_of(problems: Iterable[str]) -> str:
    """Return what is wrong with a file, without texts of it in quotes: these may be values."""
    return "; ".join(
        re.sub(r"""['"\u2018\u201c`].*""", _UNSHOWN, each, flags=re.DOTALL) for each in problems
    )


@dataclass(frozen=True, slots=True)
class Day:
    """One day: its state, and the rows that have landed for it (None if nothing has)."""

    date: date
    state: DayState
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column as it landed. What may not be shown, or is not known, is None or empty.

    `least` and `most` are numbers or times; `values` are frequent texts with the rows that have
    them; `bins` count values between `edges` in steps of one width. All are of the newest units.
    """

    name: str
    type: str
    description: str = ""
    unit: str = ""
    key: bool = False
    personal: bool = False
    declared: bool = True
    references: str = ""
    null_share: float | None = None
    distinct: int | None = None
    least: Any = None
    most: Any = None
    values: tuple[tuple[str, int], ...] = ()
    bins: tuple[int, ...] = ()
    edges: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A change of a column: when a run first noted it, and when last, if runs repeat it."""

    at: datetime
    column: str
    what: str
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """One dataset, of the catalogue or only of the lake.

    `problem` is why less than everything is known: a damaged manifest, or a wrong YAML file.
    """

    name: str
    title: str = ""
    description: str = ""
    grain: str = ""
    owner: str = ""
    topic: str = ""
    tags: tuple[str, ...] = ()
    mode: str = ""
    problem: str = ""
    freshness: str = "never landed"
    age: str = ""
    promise: str = ""
    schedule: str = ""
    retention: str = ""
    rows: int = 0
    bytes: int = 0
    units: int = 0
    first: datetime | None = None
    last: datetime | None = None
    days: tuple[Day, ...] = ()
    columns: tuple[ColumnFacts, ...] = ()
    checks: tuple[str, ...] = ()
    changes: tuple[ColumnChange, ...] = ()
    rejects: tuple[tuple[str, int], ...] = ()
    repeated_keys: tuple[tuple[str, int], ...] = ()
    queries: tuple[tuple[str, str], ...] = ()
    snippets: tuple[tuple[str, str], ...] = ()

    @property
    def page(self) -> str:
        """The name of its page's file, without the suffix; of other names than ours a digest."""
        if re.fullmatch(DATASET_PATTERN, self.name):
            return self.name
        return f"other-{hashlib.sha256(self.name.encode('utf-8', 'replace')).hexdigest()[:12]}"

    @property
    def days_landed(self) -> int:
        """The number of days with a landed unit."""
        return sum(each.rows is not None for each in self.days)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run of any kind; `seconds` is None while it runs."""

    run_id: str
    name: str
    kind: str
    state: str
    started_at: datetime
    seconds: float | None
    rows: int | None = None
    rejected: int | None = None
    calls: int | None = None
    objects: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    convergence: float | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SyncFacts:
    """One sync: what it writes, how many keys it keeps, and its runs, oldest first."""

    name: str
    writes: str
    keys: int | None
    fields: tuple[str, ...]
    runs: tuple[RunFacts, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """One action: counts of what became of its requests, and its runs, oldest first."""

    name: str
    kind: str
    does: str
    requests: int
    targets: int
    outcomes: Mapping[str, int]
    runs: tuple[RunFacts, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """Requests of the last 24 hours, and how many there may be, where that is known."""

    name: str
    made: int
    most: int | None
    whose: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that has the same values as a column of another dataset."""

    dataset: str
    column: str
    to_dataset: str
    to_column: str


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question, its SQL, and its answer; `chart` is line, bar or table.

    There is no answer if it has a `problem`, or if datasets are `missing` from the lake. It
    `is_cut` if it has more rows than these; `reaches` say how far each of its datasets reaches.
    """

    name: str
    title: str
    text: str = ""
    sql: str = ""
    chart: str = "table"
    x: str = ""
    y: str = ""
    by: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    is_cut: bool = False
    reaches: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def lacking(self) -> tuple[str, ...]:
        """The columns that its chart names and its answer does not have."""
        named = (self.x, self.y, self.by)
        return tuple(each for each in named if each and each not in self.columns)


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """All that the pages are made of."""

    tenant: str
    made_at: datetime
    datasets: tuple[DatasetFacts, ...]
    references: tuple[Reference, ...]
    runs: tuple[RunFacts, ...]
    limits: tuple[DailyLimit, ...]
    syncs: tuple[SyncFacts, ...]
    actions: tuple[ActionFacts, ...]
    questions: tuple[AnsweredQuestion, ...] = ()
    notes: tuple[str, ...] = ()
