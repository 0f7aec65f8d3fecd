"""The outcome of one unit: what came, what landed, and how long each part took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from connectors.counting import number_of
from connectors.ledger import Doubt
from tasks.columns.reasons import count_reasons
from tasks.exports.export import Fetched
from tasks.land.staging import Staged


@dataclass(slots=True)
class UnitOutcome:
    """The outcome of one unit: counts, bytes, seconds per stage. For reports: no values of rows.

    `parts` are the exports that it took, `calls` the requests to the tenant's API. It was `skipped`
    if another run landed the unit after it was planned.
    """

    unit: str
    exported_at: datetime | None = None
    last_exported_at: datetime | None = None
    attached: bool = False
    skipped: bool = False
    parts: int = 0
    calls: int = 0
    rows_read: int = 0
    rows_landed: int = 0
    rows_rejected: int = 0
    rows_outside: int = 0
    rows_filtered: int = 0
    duplicates: int = 0
    repeated_keys: int = 0
    repeated_hour: int = 0
    wire_bytes: int = 0
    csv_bytes: int = 0
    parquet_bytes: int = 0
    files: int = 0
    columns_added: tuple[str, ...] = ()
    columns_absent: tuple[str, ...] = ()
    columns_dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    # Why it may lack rows that there once were; from when on a partial window has them all.
    doubt: Doubt | None = None
    complete_from: datetime | None = None
    # Rejected rows by reason.
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Sum up for an operator."""
        if self.skipped:
            return "landed by another run"
        rejected = f", {self.rows_rejected:,} rejected" if self.rows_rejected else ""
        filtered = f", {self.rows_filtered:,} filtered" if self.rows_filtered else ""
        parts = f", in {self.parts} exports" if self.parts > 1 else ""
        doubt = f", {self.doubt}" if self.doubt else ""
        return (
            f"{number_of(self.rows_landed, 'row')}{rejected}{filtered}, "
            f"{self.wire_bytes:,} bytes received, {self.parquet_bytes:,} of Parquet{parts}{doubt}"
        )

    def count(self, result: Fetched) -> None:
        """Add one of the results that the unit was exported in."""
        started_at = result.export.started_at
        self.exported_at = min(self.exported_at or started_at, started_at)
        self.last_exported_at = max(self.last_exported_at or started_at, started_at)
        self.attached = self.attached or result.attached
        self.parts += 1
        self.wire_bytes += result.wire_bytes
        self.csv_bytes += result.csv_bytes
        self._add("wait", result.wait_seconds)
        self._add("download", result.download_seconds)

    def account(self, staged: Staged) -> None:
        """Copy the counts of what was staged."""
        counts = staged.counts
        self.rows_read = counts.read
        self.rows_landed = counts.landed
        self.rows_rejected = counts.rejected
        self.reasons = dict(count_reasons(batch.rejects for batch in staged.rejected))
        self.rows_outside = counts.outside
        self.rows_filtered = counts.filtered
        self.duplicates = counts.duplicates
        self.repeated_hour = counts.repeated_hour
        self.columns_added = staged.layout.added
        self.columns_absent = tuple(column.nql for column in staged.layout.absent)
        self.columns_dropped = staged.layout.dropped
        self.files = len(staged.files)
        self.parquet_bytes = sum(file.bytes for file in staged.files)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._add(stage, time.monotonic() - began)

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
