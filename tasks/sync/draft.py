"""The draft of a plan: what differs by the ledger, before and after a look at the tenant.

The tenant is read only if the ledger says that there is something to send. What was read is then
compared with the draft, in pieces of whole keys.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.ledger import SyncRecord
from connectors.ledger.enriched import KNOWN, EnrichedCounts
from tasks.sync.conflicts import VERDICT, FieldVerdict, judged, noted, replanned, rule_of, unseen
from tasks.sync.diff import SyncDifference
from tasks.sync.guards import GuardFinding
from tasks.sync.plan_file import SENT, THEIRS, key_chunks
from tasks.sync.plan_rows import MET, PLAN, DiffCounts, count_first, count_rows
from tasks.sync.planning import Planning
from tasks.sync.tenant_values import TenantValues, is_long_unread
from tasks.sync.verified import Verified

SCHEMA: Final = pa.schema([(name, pa.string()) for name in PLAN])
# Counts of a draft that a look at the tenant replaces.
_LOOKED_AT: Final = (
    *SENT,
    THEIRS,
    FieldVerdict.SAME.value,
    "changed_keys",
    "cleared_keys",
    "new_keys",
    "first_keys",
)
_COUNTED: Final = {
    FieldVerdict.SAME: "same",
    FieldVerdict.NOT_SHOWN: "not_shown",
    FieldVerdict.NOT_SEEN: "not_seen",
    FieldVerdict.DONE: "unchanged",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a planning looks at the tenant.

    Attributes:
        read: returns what the tenant holds, None if the sync has no query that reads it.
        verify: compares what earlier runs have sent with it, and records what differs.
    """

    read: Callable[[], TenantValues | None]
    verify: Callable[[TenantValues], Verified]


@dataclass(slots=True)
class Draft:
    """A plan that is being made: what it starts from, and what has been compared so far.

    `rows` and `keys` count what is sent. `held` is what the tenant was seen to hold, and `checked`
    how it compares with what earlier runs have sent.
    """

    base: SyncRecord
    known: EnrichedCounts
    rows: int = 0
    keys: int = 0
    wanted_keys: int = 0
    counts: DiffCounts = field(default_factory=DiffCounts)
    absent: list[pl.Series] = field(default_factory=list)
    made_by: str | None = None
    # What guards find that do not judge numbers of keys.
    found: tuple[GuardFinding, ...] = ()
    # Whether the plan is made from sources, so that guards judge its values.
    is_guarded: bool = False
    undoes: str | None = None
    not_emptied: dict[str, int] = field(default_factory=dict)
    held: TenantValues | None = None
    checked: Verified | None = None
    _was_met: bool = False
    _has_news: bool = False

    def write(self, differences: Iterable[SyncDifference], path: Path) -> None:
        """Write what differs by the ledger to a file, and count it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(pq.ParquetWriter(path, SCHEMA)) as writer:
            for found in differences:
                self.counts.add(found.counts)
                self.absent.append(found.absent)
                is_met = found.rows["action"].is_in(list(MET))
                self._was_met |= bool(is_met.any())
                self._has_news |= not bool(is_met.all())
                writer.write_table(found.rows.select(*PLAN).to_arrow().cast(SCHEMA))

    def rows_of(self, planning: Planning, path: Path, look: Look | None) -> Iterator[pl.DataFrame]:
        """Yield the rows of the plan, by what the tenant holds if it has to be looked at."""
        if look is None or not self._has_to_look(planning):
            for rows in _chunks(path):
                yield self._taken(rows.filter(pl.col("action") != FieldVerdict.SAME.value))
            return
        self.held = look.read()
        for name in _LOOKED_AT:
            setattr(self.counts, name, 0)
        # Kept until what earlier runs have sent was compared, which would replace them.
        notes = list[pl.DataFrame]()
        for rows in _chunks(path):
            known = self._known(planning, rows["key"].unique())
            found = self._judged(planning, rows, known)
            notes.append(noted(found, planning.fields.mappings, planning.now))
            yield self._counted(found, known)
        if self.held is None or self._is_other(planning):
            return
        self.checked = look.verify(self.held)
        for note in notes:
            planning.ledger.enriched.save(planning.sync, note)

    def _has_to_look(self, planning: Planning) -> bool:
        return self._has_news or (self._was_met and is_long_unread(self.base, planning.now))

    def _is_other(self, planning: Planning) -> bool:
        """Return whether what is known is about objects of another identification."""
        return self.base.identification not in (None, planning.identification)

    def _known(self, planning: Planning, keys: pl.Series) -> pl.DataFrame:
        if self._is_other(planning):
            return pl.DataFrame(schema=dict(KNOWN))
        return planning.ledger.enriched.read_keys(planning.sync, keys)

    def _judged(self, planning: Planning, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        if self.held is None:
            return unseen(rows)
        shown = self.held.of(rows["key"].unique(), rows["field"].unique())
        return judged(rows, known, shown, rule_of(planning.specification, self.held))

    def _counted(self, found: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        rows, counts = replanned(found), DiffCounts()
        count_rows(rows, counts)
        count_first(rows, known, counts)
        for verdict, count in found.unique(["key", "field"])[VERDICT].value_counts().iter_rows():
            if name := _COUNTED.get(verdict):
                setattr(counts, name, count)
        self.counts.add(counts)
        return self._taken(rows)

    def _taken(self, rows: pl.DataFrame) -> pl.DataFrame:
        sent = rows.filter(pl.col("action").is_in(SENT))
        self.rows += sent.height
        self.keys += sent["key"].n_unique()
        return rows


def _chunks(path: Path) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        yield from key_chunks(file)
