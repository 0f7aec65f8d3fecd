"""A back-fill that several runs share: each has its own chunk, and then helps with the others.

A run lands the windows of its chunk first, and then those of other chunks that no run holds. So the
other runs land what a killed run left, and a run that joins late finds work. Imports no Prefect.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, BaseModel

from connectors.ledger import Doubt, UnitRecord
from tasks.exports.windows import Window


class Chunk(BaseModel, frozen=True):
    """The part [starts_at, ends_at) of a shared back-fill that one run lands first.

    Attributes:
        starts_at: the start of its first window.
        ends_at: the end of its last one.
        begun_at: when the back-fill was begun; if all windows are to land again, those that landed
            since then are done.
        asked_at: when the run was asked for; windows that failed since then are left alone.
    """

    starts_at: AwareDatetime
    ends_at: AwareDatetime
    begun_at: AwareDatetime
    asked_at: AwareDatetime

    def overlaps(self, other: "Chunk") -> bool:
        """Return whether two chunks share a window."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def holds(self, starts_at: datetime) -> bool:
        """Return whether the window that starts at this time belongs to this chunk."""
        return self.starts_at <= starts_at < self.ends_at


@dataclass(frozen=True, slots=True)
class BackfillIdentity:
    """What identifies a shared back-fill when it is asked for again."""

    tenant: str
    dataset: str
    step_seconds: int
    only: str
    starts_at: datetime
    ends_at: datetime
    begun_at: datetime | None

    def digest(self) -> str:
        """Return 16 characters that identify it."""
        parts = [self.tenant, self.dataset, self.step_seconds, self.only]
        moments = [self.starts_at, self.ends_at, self.begun_at]
        text = json.dumps([*parts, *(at and at.isoformat() for at in moments)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def key(self, chunk: Chunk, attempt: int) -> str:
        """Return the idempotency key of a chunk's run; `attempt` counts its runs that ended."""
        return f"nxp-backfill-{self.digest()}-{chunk.starts_at:%Y%m%dT%H%M%SZ}-{attempt}"


def cut_chunks(
    windows: Sequence[Window], size: int, begun_at: datetime, asked_at: datetime
) -> list[Chunk]:
    """Cut all windows of a back-fill into chunks: the same ones however many have landed."""
    parts = [windows[at : at + size] for at in range(0, len(windows), size)]
    return [
        Chunk(starts_at=part[0].start, ends_at=part[-1].end, begun_at=begun_at, asked_at=asked_at)
        for part in parts
    ]


def own_first(windows: Sequence[Window], chunk: Chunk) -> list[Window]:
    """Return the windows in this order: the chunk's, those after it, those before it."""
    first = next((at for at, each in enumerate(windows) if each.start >= chunk.starts_at), 0)
    return [*windows[first:], *windows[:first]]


def is_done(record: UnitRecord | None, only: str, begun_at: datetime) -> bool:
    """Return whether nothing is left to do for a window, whichever run landed it."""
    if record is None:
        return False
    if only == "failed":
        return record.last_error is None
    landed_at = record.landed_at
    # Windows whose emptiness is unproven are asked for again, once in each back-fill.
    again = only == "all" or (record.is_doubtful and record.doubt is Doubt.UNPROVEN)
    return landed_at is not None and (not again or landed_at >= begun_at)


def has_failed(record: UnitRecord | None, since: datetime) -> bool:
    """Return whether a window has failed since then, and has not landed after that."""
    return bool(record and record.last_error and record.failed_at and record.failed_at >= since)
