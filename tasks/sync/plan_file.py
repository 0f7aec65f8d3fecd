"""The plan as a file: written range by range, verified by its sha-256, read in whole keys."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import StaleError
from connectors.ledger import PlanRecord
from tasks.sync.guards import GuardFinding
from tasks.sync.plan_rows import PLAN, Action, DiffCounts
from tasks.sync.tenant_values import TenantValues
from tasks.sync.verified import Verified
from tasks.sync.wanted import RANGE_KEYS, SourceCounts

SCHEMA: Final = pa.schema([(name, pa.string()) for name in PLAN])
_BATCH_ROWS: Final = 100_000
# The first character of a short text reveals too much: M or F, a country, a floor.
_SHORTEST_SHOWN: Final = 4
# The rows that are sent; the others say what was left alone.
SENT: Final = tuple(action.value for action in Action)
THEIRS: Final = "theirs"


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The numbers of a plan. It has no key and no value.

    Attributes:
        rows: rows of the plan that are sent.
        keys: keys with anything to send.
        counts: the counts of the comparison.
        source: the counts of the sources; None for a plan of what is open.
        known_keys: keys that the ledger knew; `valued_keys` of them have an acknowledged value.
        last_keys: keys of the last full pull that was applied.
        findings: guards that tripped.
        made_by: the run that made it; the sources' rejects are kept under its id.
        domain: what the tenant records as the origin of the values.
        read_back: the query that reads the values back, and after how many seconds they show; None
            if the sync has none.
        lost: keys with a value that are missing from a full pull since the last one; `still_lost`
            of all that are missing keep their values. None if it was not a full pull.
        read_at: when the tenant was read, as ISO text; None if it was not.
        undoes: the plan whose values are taken back.
        not_emptied: by field, how many of those values stay, since nothing empties the field.
        unread_fields: fields that the query does not list, so that their values wait.
    """

    rows: int
    keys: int
    counts: DiffCounts
    source: SourceCounts | None
    known_keys: int
    valued_keys: int
    last_keys: int | None
    findings: tuple[GuardFinding, ...] = ()
    made_by: str | None = None
    domain: str | None = None
    read_back: Mapping[str, Any] | None = None
    lost: int | None = None
    still_lost: int | None = None
    read_at: str | None = None
    undoes: str | None = None
    not_emptied: Mapping[str, int] = field(default_factory=dict)
    unread_fields: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that the ledger keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "PlanSummary":
        """Return a summary from what `to_json` returned."""
        source = kept["source"]
        return cls(
            **{
                **kept,
                "counts": DiffCounts(**kept["counts"]),
                "source": None if source is None else _source_counts(source),
                "unread_fields": tuple(kept.get("unread_fields", ())),
                "findings": tuple(GuardFinding(**each) for each in kept["findings"]),
            }
        )


def _source_counts(kept: Mapping[str, Any]) -> SourceCounts:
    lists = {name: tuple(kept.get(name, ())) for name in ("notes", "refused_fields")}
    return SourceCounts(**{**kept, **lists})


@dataclass(frozen=True, slots=True)
class MaskedSample:
    """One masked row of a plan."""

    key: str
    field: str
    before: str
    set_by: str | None
    after: str
    action: str


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """A plan and its file. Close it or use it as a context, which deletes a copy from a bucket."""

    record: PlanRecord
    summary: PlanSummary
    path: Path = field(repr=False)
    is_copy: bool = False
    # What the tenant was seen to hold when the plan was made, and how that compared.
    held: TenantValues | None = field(default=None, repr=False)
    checked: Verified | None = None

    @property
    def plan_id(self) -> str:
        """The plan's id."""
        return self.record.plan_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the local copy of a file that is in a bucket."""
        if self.is_copy:
            self.path.unlink(missing_ok=True)

    def chunks(
        self, after: str | None = None, up_to: str | None = None, *, most: int = RANGE_KEYS
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows to send of `after` < key <= `up_to`, at most `most` keys at a time.

        All rows of a key come together, a settle before its clear: send a chunk's settles first.

        Raises:
            StaleError: the file is gone, or is not the one that was planned.
        """
        is_sent = pl.col("action").is_in(SENT)
        with self._opened() as file:
            for rows in key_chunks(pq.ParquetFile(file), after, up_to, most):
                sent = rows.filter(is_sent)
                if sent.height:
                    yield sent

    def check(self) -> None:
        """Raise unless the file is the one that was planned.

        Raises:
            StaleError: it is gone, or is another file.
        """
        with self._opened():
            pass

    def samples(self, most: int = 3) -> list[MaskedSample]:
        """Return some rows of each action with masked values: see `masked`."""
        with self._opened() as file:
            kept = {action: pl.DataFrame(schema=PLAN) for action in (*SENT, THEIRS)}
            for batch in pq.ParquetFile(file).iter_batches(_BATCH_ROWS):
                rows = _frame(batch)
                for action, found in kept.items():
                    if found.height < most:
                        more = rows.filter(pl.col("action") == action).head(most - found.height)
                        kept[action] = pl.concat([found, more])
                if all(found.height == most for found in kept.values()):
                    break
        chosen = pl.concat(kept.values()).select(
            "key", "field", "before", "set_by", "after", "action"
        )
        return [
            MaskedSample(masked(key), field_, masked(before), set_by, masked(after), action)
            for key, field_, before, set_by, after, action in chosen.iter_rows()
        ]

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Open the file, and verify the very bytes that are then read."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            raise StaleError(
                f"{self.record.sync}: the file of plan {self.plan_id} is gone: plan again"
            ) from None
        with file:
            if hashlib.file_digest(file, "sha256").hexdigest() != self.record.sha256:
                raise StaleError(
                    f"{self.record.sync}: the file of plan {self.plan_id} is not the one that was "
                    "planned (its sha-256 differs): plan again; nothing was sent"
                )
            file.seek(0)
            yield file


def key_chunks(
    file: pq.ParquetFile, after: str | None = None, up_to: str | None = None, most: int = RANGE_KEYS
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a plan's file or draft by whole keys: `after` < key <= `up_to`."""
    left = pl.DataFrame(schema=PLAN)
    for batch in file.iter_batches(_BATCH_ROWS):
        rows = pl.concat([left, _frame(batch)])
        *whole, left = _by_keys(_between(rows, after, up_to), most)
        yield from whole
    if left.height:
        yield left


def masked(value: str | None) -> str:
    """Return that there is a value, its length, and the first character of a longer one."""
    if value is None:
        return "nothing"
    if not value:
        return "empty"
    begin = value[0] if len(value) >= _SHORTEST_SHOWN else ""
    return f"{begin}… ({len(value)})"


def file_sha256(path: Path) -> str:
    """Return a file's sha-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a batch is a frame")
    if "set_by" not in frame.columns:
        # A plan of the release before this column.
        frame = frame.with_columns(set_by=pl.lit(None, pl.String))
    return frame.cast(PLAN).select(*PLAN)  # type: ignore[arg-type] # polars wants a wider key


def _between(rows: pl.DataFrame, after: str | None, up_to: str | None) -> pl.DataFrame:
    if after is not None:
        rows = rows.filter(pl.col("key") > after)
    if up_to is not None:
        rows = rows.filter(pl.col("key") <= up_to)
    return rows


def _by_keys(rows: pl.DataFrame, most: int) -> Sequence[pl.DataFrame]:
    """Cut sorted rows into pieces of `most` keys; the last may lack rows of its last key."""
    if rows.is_empty():
        return [rows]
    number = rows["key"].rle_id()
    starts = [int(number.search_sorted(first)) for first in range(0, int(number[-1]) + 1, most)]
    ends = [*starts[1:], rows.height]
    return [rows.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]
