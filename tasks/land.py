"""Landing one unit: lease, export, conform, publish, ledger, in this order.

Effect first, state last: a kill between two steps repeats work and loses none. Nothing is
visible before `publish`, which is one step; the ledger learns of it afterwards.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from connectors.catalogue import Mode
from connectors.errors import DataRefusedError, LimitReachedError, PipelineError
from connectors.lake import Entry, Stage, StagedFile
from connectors.lake.records import write_rejects
from connectors.lake.storage import storage_errors
from connectors.result_file import ResultFile
from tasks.conform import Conformed, Conformer, Counts, Layout, match_header
from tasks.export import Request, Result, fetch_result
from tasks.progress import LANDED, Progress, tell
from tasks.run import Run, Unit
from tasks.windows import literal

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of one unit: counts, bytes, seconds per stage. For reports: no values of rows."""

    unit: str
    exported_at: datetime | None = None
    attached: bool = False
    rows_read: int = 0
    rows_landed: int = 0
    rows_rejected: int = 0
    rows_outside: int = 0
    repeated_hour: int = 0
    wire_bytes: int = 0
    csv_bytes: int = 0
    parquet_bytes: int = 0
    files: int = 0
    columns_added: tuple[str, ...] = ()
    columns_absent: tuple[str, ...] = ()
    columns_dropped: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None


def land_unit(run: Run, unit: Unit) -> Outcome:
    """Land one unit, so that exactly the rows of the query are there, or nothing has changed.

    Raises:
        HeldError: another run is at this unit.
        DataRefusedError: the result is incomplete, truncated, or breaks a rule of the dataset.
        UnavailableError: the tenant cannot be reached in time; the export is kept for later.
    """
    with (
        run.ledger.lease(run.dataset, unit.name, unit.starts_at, unit.ends_at, run.run_id) as lease,
        _recorded(run, unit),
    ):
        run.lake.check_mode(run.dataset, run.plan.specification.mode)
        with storage_errors(run.spool):
            run.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        result = fetch_result(run.tools, run.plan.specification, request_for(run, unit), run.spool)
        outcome = Outcome(
            unit=unit.name,
            exported_at=result.export.started_at,
            attached=result.attached,
            wire_bytes=result.wire_bytes,
            csv_bytes=result.csv_bytes,
            seconds={"wait": result.wait_seconds, "download": result.download_seconds},
        )
        with _timed(outcome, "conform"):
            staged, schema = conform_result(run, unit, result, outcome)
        result.path.unlink()
        with _timed(outcome, "publish"):
            lease.check()
            publish(run, unit, outcome, staged, schema)
        run.ledger.mark_landed(run.dataset, unit.name, run.run_id, outcome.rows_landed)
        tell(Progress(run.dataset, unit.name, LANDED, outcome.rows_landed))
    return outcome


def request_for(run: Run, unit: Unit) -> Request:
    """Say what to ask of the tenant; a window's bounds are written in the tenant's zone."""
    specification = run.plan.specification
    parameters = dict(specification.parameters)
    if unit.window and specification.window:
        zone = run.plan.tenant.zone
        parameters[specification.window.from_] = literal(unit.window.start, zone)
        parameters[specification.window.to] = literal(unit.window.end, zone)
    return Request(
        run.dataset, unit.name, specification.query_id, parameters, specification.compression
    )


def conform_result(
    run: Run, unit: Unit, result: Result, outcome: Outcome
) -> tuple[list[StagedFile], pa.Schema]:
    """Type a result file, batch by batch, into staged Parquet and rejects; count every row.

    Raises:
        DataRefusedError: columns, window, share of rejects or number of rows break a rule.
    """
    specification = run.plan.specification
    file = ResultFile(result.path)
    # An export without any row may be an empty file: then there is no header to match.
    layout = match_header(file.header, specification) if file.header else _declared(run)
    outcome.columns_added = layout.added
    outcome.columns_absent = tuple(column.nql for column in layout.absent)
    outcome.columns_dropped = layout.dropped
    window = specification.window
    conformer = Conformer(
        layout,
        run.plan.tenant.time_zone,
        run.run_id,
        result.export.started_at,
        (window.column, unit.window) if window and unit.window else None,
    )
    schema = pl.DataFrame(schema=conformer.schema()).to_arrow().schema
    schema = pa.schema([_plain(column) for column in schema])
    rejected: list[Conformed] = []
    with run.lake.stage(run.dataset, run.run_id, unit.name, schema) as stage:
        for text in file.batches():
            batch = conformer.conform(text, file.take_ragged())
            _stage(stage, batch.landed, unit, window.column if window else "", schema)
            if len(batch.rejects):
                rejected.append(batch)
            tell(Progress(run.dataset, unit.name, "landing", conformer.counts.read))
        if late := file.take_ragged():
            rejected.append(conformer.conform(_no_rows(file.header), late))
        if specification.mode is Mode.SNAPSHOT and not conformer.counts.landed:
            stage.write(f"snapshot={unit.name}", schema.empty_table())
        staged = stage.finish()
    _count(outcome, conformer.counts)
    _keep_rejects(run, unit, rejected)
    check_counts(run, unit, conformer.counts)
    return staged, schema


def check_counts(run: Run, unit: Unit, counts: Counts) -> None:
    """Refuse what must not be published: strayed rows, too many rejects, a shrunken result."""
    counts.check(f"{run.dataset} {unit.name}")
    allowed = run.plan.specification.max_reject_share
    if counts.rejected > allowed * counts.read:
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: {counts.rejected} of {counts.read} rows do not fit their "
            f"declared types (more than {allowed:.1%} allowed): see the view _rejects of nxp sql, "
            f"run_id {run.run_id}; nothing was published"
        )
    before = _rows_before(run, unit)
    empty = unit.window is None and counts.landed == 0
    if (empty or counts.landed * 2 < before) and not run.plan.asked.accept_shrink:
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: {counts.landed} rows, {before} are landed already; if "
            "this is right, run again with --accept-shrink; nothing was published"
        )


def publish(
    run: Run, unit: Unit, outcome: Outcome, staged: list[StagedFile], schema: pa.Schema
) -> None:
    """Make the staged files the ones that count."""
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
    published = run.lake.publish(run.dataset, run.plan.specification.mode, entry, staged, schema)
    outcome.files = len(published.files)
    outcome.parquet_bytes = sum(file.bytes for file in published.files)


@task(name="land-unit", task_run_name="{unit.name}", cache_policy=NO_CACHE, persist_result=False)
def land(run: Run, unit: Unit) -> Outcome:
    """Land one unit as a recorded task run: see land_unit."""
    return land_unit(run, unit)


@contextmanager
def _recorded(run: Run, unit: Unit) -> Iterator[None]:
    """Record in the ledger why a unit failed."""
    try:
        yield
    except PipelineError as error:
        if isinstance(error, DataRefusedError):
            # What is wrong may be mended at the tenant: the next run must ask anew.
            run.ledger.forget_export(run.dataset, unit.name)
        not_before = error.not_before if isinstance(error, LimitReachedError) else None
        run.ledger.mark_failed(run.dataset, unit.name, str(error), not_before)
        raise


@contextmanager
def _timed(outcome: Outcome, stage: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        outcome.seconds[stage] = time.monotonic() - began


def _declared(run: Run) -> Layout:
    return Layout(tuple((column.nql, column) for column in run.plan.specification.columns))


def _no_rows(header: list[str]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(header, pl.String()))


def _stage(stage: Stage, landed: pl.DataFrame, unit: Unit, column: str, schema: pa.Schema) -> None:
    if unit.window is None:
        stage.write(f"snapshot={unit.name}", landed.to_arrow().cast(schema))
        return
    dates = landed[column].dt.date()
    for date in dates.unique().sort():
        stage.write(f"date={date}", landed.filter(dates == date).to_arrow().cast(schema))


def _plain(field: pa.Field) -> pa.Field:
    """Write text as plain strings: every reader knows them, not every one the large kind."""
    is_text = pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type)
    return pa.field(field.name, pa.string()) if is_text else field


def _count(outcome: Outcome, counts: Counts) -> None:
    outcome.rows_read = counts.read
    outcome.rows_landed = counts.landed
    outcome.rows_rejected = counts.rejected
    outcome.rows_outside = counts.outside
    outcome.repeated_hour = counts.repeated_hour


def _keep_rejects(run: Run, unit: Unit, rejected: list[Conformed]) -> None:
    if not rejected:
        return
    frame = pl.concat([batch.rejects for batch in rejected])
    raw = [text for batch in rejected for text in batch.raw]
    write_rejects(run.lake, run.dataset, unit.name, run.run_id, frame.to_arrow(), raw)


def _rows_before(run: Run, unit: Unit) -> int:
    """Give the rows that this unit would replace; for a snapshot those of the last one."""
    manifest = run.lake.manifest(run.dataset)
    if manifest is None or not manifest.entries:
        return 0
    if unit.window is None:
        return manifest.entries[-1].rows
    start, end = unit.starts_at, unit.ends_at
    return sum(e.rows for e in manifest.entries if start <= e.starts_at and e.ends_at <= end)
