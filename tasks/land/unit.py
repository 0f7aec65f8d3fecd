"""Landing one unit: lease, export, stage, check, publish, ledger, in this order.

Effect first, state last: a kill between two steps repeats work and loses none. Nothing is
visible before `publish`, and the ledger records it afterwards.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from connectors.errors import DataRefusedError, LimitReachedError, PipelineError, UnavailableError
from connectors.lake import Entry
from connectors.lake.records import write_rejects
from connectors.ledger import Lease
from connectors.logs import bound
from tasks.columns.checks import blocking, run_checks, warnings
from tasks.columns.conform import Counts
from tasks.columns.contract import difference
from tasks.columns.reasons import count_reasons, most_frequent
from tasks.exports.arrival import ReadAgainError
from tasks.exports.export import Fetched
from tasks.land.chunks import is_done
from tasks.land.pieces import fetch_pieces
from tasks.land.plan import Only, Unit
from tasks.land.run import Run
from tasks.land.staging import ResultPart, RowLimitReachedError, Staged, Staging
from tasks.runs.progress import LANDED, SKIPPED, Progress, tell
from tasks.runs.stopping import check_stop

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class UnitOutcome:
    """The outcome of one unit: counts, bytes, seconds per stage. For reports: no values of rows.

    `parts` are the exports that it took, `calls` the requests to the tenant's API. It was `skipped`
    if another run landed the unit after it was planned.
    """

    unit: str
    exported_at: datetime | None = None
    attached: bool = False
    skipped: bool = False
    parts: int = 0
    calls: int = 0
    rows_read: int = 0
    rows_landed: int = 0
    rows_rejected: int = 0
    rows_outside: int = 0
    duplicates: int = 0
    repeated_hour: int = 0
    wire_bytes: int = 0
    csv_bytes: int = 0
    parquet_bytes: int = 0
    files: int = 0
    columns_added: tuple[str, ...] = ()
    columns_absent: tuple[str, ...] = ()
    columns_dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    # Rejected rows by reason.
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, result: Fetched) -> None:
        """Add one of the results that the unit was exported in."""
        started_at = result.export.started_at
        self.exported_at = min(self.exported_at or started_at, started_at)
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


def land_unit(run: Run, unit: Unit) -> UnitOutcome:
    """Land one unit: afterwards it has exactly the rows of the query, or nothing has changed.

    Raises:
        HeldError: another run holds this unit.
        DataRefusedError: the result is incomplete, truncated, or breaks a rule of the dataset.
        UnavailableError: the tenant cannot be reached in time; the export is kept for later.
    """
    with (
        bound(unit=unit.name),
        run.ledger.lease(run.dataset, unit.name, unit.starts_at, unit.ends_at, run.run_id) as lease,
        _recorded(run, unit, lease),
    ):
        if _landed_since_planned(run, unit):
            tell(Progress(run.dataset, unit.name, SKIPPED))
            return UnitOutcome(unit=unit.name, skipped=True)
        _check_may_ask(run, unit)
        run.folder()
        run.tools.calls.take()
        outcome, staged = stage_unit(run, unit)
        outcome.calls = run.tools.calls.take()
        outcome.warnings += _contract_change(run, staged)
        publish(run, unit, lease, outcome, staged)
        tell(Progress(run.dataset, unit.name, LANDED, outcome.rows_landed))
    return outcome


def stage_unit(run: Run, unit: Unit) -> tuple[UnitOutcome, Staged]:
    """Export a unit, in parts if it is too large, stage it, and check what was staged.

    Raises:
        DataRefusedError: columns, window, checks, share of rejects or number of rows break a rule.
    """
    refused: set[str] = set()
    spooled = False
    while True:
        outcome = UnitOutcome(unit=unit.name)
        # Parts that were complete are in the journal, so a further try does not export them again.
        try:
            staged = _stage(run, unit, outcome, refused, spooled=spooled)
        except RowLimitReachedError as error:
            refused.add(error.part)
            continue
        except ReadAgainError:
            spooled = True
            continue
        outcome.account(staged)
        _keep_rejects(run, unit, staged)
        check_counts(run, unit, staged.counts, outcome.reasons)
        outcome.warnings = _check_contents(run, unit, outcome, staged)
        return outcome, staged


def check_counts(run: Run, unit: Unit, counts: Counts, reasons: Mapping[str, int]) -> None:
    """Raise if a unit must not be published: strayed rows, too many rejects, a shrunken result."""
    counts.check(f"{run.dataset} {unit.name}")
    allowed = run.plan.specification.max_reject_share
    if counts.rejected > allowed * counts.read:
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: {counts.rejected} of {counts.read} rows do not fit their "
            f"declared types (more than {allowed:.1%} allowed)"
            f"{most_frequent(reasons, counts.rejected)}: see nxp rejects {run.dataset}, "
            f"run {run.run_id}; nothing was published"
        )
    before = max(place.rows_before(unit.starts_at, unit.ends_at) for place in run.landings)
    empty = unit.window is None and counts.landed == 0
    if (empty or counts.landed * 2 < before) and not run.plan.asked.accept_shrink:
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: {counts.landed} rows{_but(before)}; if this is right, "
            "run again with accept_shrink; nothing was published"
        )


def _but(before: int) -> str:
    return (
        f", but {before} have landed before" if before else " in a snapshot, which is never empty"
    )


def publish(run: Run, unit: Unit, lease: Lease, outcome: UnitOutcome, staged: Staged) -> None:
    """Publish the staged files in all landings, and record it in the ledger last."""
    if outcome.exported_at is None:
        raise AssertionError("a unit is exported before it is published")
    entry = Entry(
        unit=unit.name,
        starts_at=unit.starts_at,
        ends_at=unit.ends_at,
        run_id=run.run_id,
        exported_at=outcome.exported_at,
        rows=outcome.rows_landed,
        files=(),
    )
    with outcome.timed("publish"):
        # Check the others first: once the first has committed, none after it may refuse.
        for place in run.landings[1:]:
            place.check_unit(entry)
        for place in run.landings:
            lease.check()
            place.publish(entry, staged.files, staged.schema)
    run.ledger.mark_landed(
        run.dataset,
        unit.name,
        run.run_id,
        outcome.rows_landed,
        outcome.exported_at,
        outcome.calls,
    )


def _stage(
    run: Run, unit: Unit, outcome: UnitOutcome, refused: set[str], *, spooled: bool
) -> Staged:
    def report_rows(rows: int) -> None:
        check_stop()
        tell(Progress(run.dataset, unit.name, "landing", rows))

    @contextmanager
    def working() -> Iterator[None]:
        with run.conforming, outcome.timed("conform"):
            yield

    plan = run.plan
    staging = Staging(
        plan.specification,
        unit.name,
        plan.tenant.time_zone,
        run.run_id,
        lambda schema: run.lake.stage(run.dataset, run.run_id, unit.name, schema, run.budget),
        row_limit=plan.tenant.export_row_limit,
        on_rows=report_rows,
        working=working,
    )
    with staging:
        for piece, arriving in fetch_pieces(run, unit, refused, spooled=spooled):
            part = ResultPart(
                arriving.source,
                piece.name,
                piece.window,
                piece.shard is not None,
                arriving.started_at,
            )
            with arriving.reading():
                staging.add(part)
            outcome.count(arriving.fetched)
        with working():
            return staging.finish()


def _check_contents(run: Run, unit: Unit, outcome: UnitOutcome, staged: Staged) -> tuple[str, ...]:
    """Run the declared checks; return the warnings of failed ones that do not block."""
    if outcome.exported_at is None:
        raise AssertionError("a unit is exported before it is checked")
    with outcome.timed("check"):
        results = run_checks(
            [file.path for file in staged.files],
            run.plan.specification,
            rows=staged.counts.landed,
            exported_at=outcome.exported_at,
        )
    if reason := blocking(results):
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: a check failed: {reason}; nothing was published"
        )
    for warning in warnings(results):
        logger.warning("%s %s: %s", run.dataset, unit.name, warning)
    return tuple(warnings(results))


def _contract_change(run: Run, staged: Staged) -> tuple[str, ...]:
    """Return what this landing changes about the dataset's columns, in words."""
    if not run.plan.specification.in_lake:
        return ()
    manifest = run.lake.manifest(run.dataset)
    new = {field.name: str(field.type) for field in staged.schema}
    change = difference(run.dataset, manifest.schema_columns if manifest else {}, new)
    if change:
        logger.warning("%s: %s", run.dataset, change)
    return (change,) if change else ()


def _landed_since_planned(run: Run, unit: Unit) -> bool:
    """Return whether another run landed a window after it was planned; we hold its lease now."""
    record = run.ledger.unit(run.dataset, unit.name)
    if chunk := run.plan.asked.chunk:
        return is_done(record, run.plan.asked.only or Only.MISSING, chunk.begun_at)
    landed_at = record.landed_at if record else None
    return unit.window is not None and landed_at is not None and landed_at > run.plan.planned_at


def _check_may_ask(run: Run, unit: Unit) -> None:
    """Raise if a unit is out of reach by now, or the tenant does not allow another try yet."""
    record = run.ledger.unit(run.dataset, unit.name)
    now = run.tools.clock()
    if record and record.not_before and record.not_before > now:
        raise LimitReachedError(
            f"{run.dataset} {unit}: the tenant's limit is reached, it allows the next try at "
            f"{record.not_before:%Y-%m-%d %H:%M:%SZ}: run again then",
            not_before=record.not_before,
        )
    calendar = run.plan.calendar
    if unit.window and calendar and not calendar.is_reachable(unit.window, now):
        raise DataRefusedError(
            f"{run.dataset} {unit}: out of reach by now, the query does not go back so far; "
            "nothing was published"
        )


@contextmanager
def _recorded(run: Run, unit: Unit, lease: Lease) -> Iterator[None]:
    """Record in the ledger why a unit failed, unless another run holds it by now."""
    try:
        yield
    except PipelineError as error:
        if not lease.renew():
            raise
        if isinstance(error, DataRefusedError):
            # The tenant may correct what is wrong, so the next run must export again.
            run.ledger.journal.forget(run.dataset, unit.name)
        not_before = error.not_before if isinstance(error, LimitReachedError) else None
        again = isinstance(error, UnavailableError)
        run.ledger.mark_failed(
            run.dataset,
            unit.name,
            str(error),
            state="pending" if again else "failed",
            not_before=not_before,
        )
        raise


def _keep_rejects(run: Run, unit: Unit, staged: Staged) -> None:
    if not staged.rejected:
        return
    frame = pl.concat([batch.rejects for batch in staged.rejected])
    raw = [text for batch in staged.rejected for text in batch.raw]
    write_rejects(run.lake, run.dataset, unit.name, run.run_id, frame.to_arrow(), raw)
