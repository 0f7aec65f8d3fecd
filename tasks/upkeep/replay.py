"""Replaying the rejected rows of a run, after the specification was corrected.

The rows are conformed again by the same rules. Those that fit are published together with the
unit's landed rows, as its next version, under a run of their own. A unit is replayed only while its
rows are still from the run that rejected them: once it has landed again, the rejects belong to an
old result.

The remaining rejects are written first, then the unit is published, and the ledger comes last: a
kill leaves the unit either old or new, and a further replay finishes it or finds it done.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pyarrow as pa

from connectors.catalogue import DatasetSpecification
from connectors.errors import DataRefusedError
from connectors.lake import Entry, Lake
from connectors.lake.landed import landed_batches
from connectors.lake.records import write_rejects
from connectors.lake.rejects import RejectFile
from connectors.lake.stage import Stage, StagedFile, as_written
from tasks.columns.checks import blocking, run_checks
from tasks.columns.described import file_schema
from tasks.columns.reasons import count_reasons
from tasks.columns.repeated_keys import repeated_keys, warning_of
from tasks.columns.rules import landing_as, rules_of
from tasks.land.staging import dates_of, partitioned
from tasks.upkeep.refit import Fitted, ReplayRun, fit
from tasks.upkeep.reshape import RowShape, reshape

logger = logging.getLogger(__name__)

LANDED = "landed"
UNFIT = "nothing fits"
SUPERSEDED = "superseded"
DONE = "replayed already"


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of one unit's rejected rows: `tried` = landed + rejected + outside + filtered."""

    unit: str
    state: str
    tried: int
    landed: int = 0
    rejected: int = 0
    outside: int = 0
    filtered: int = 0
    parquet_bytes: int = 0
    owner: str | None = None
    # Rows that still do not fit, by reason.
    reasons: dict[str, int] = field(default_factory=dict)


def owner_of(lake: Lake, dataset: str, unit: str) -> Entry | None:
    """Return the manifest's entry for a unit."""
    manifest = lake.manifest(dataset)
    found = [entry for entry in manifest.entries if entry.unit == unit] if manifest else []
    return found[0] if found else None


def may_be_replayed(run: ReplayRun, file: RejectFile) -> bool:
    """Return whether a unit is still from a run, by the manifest or, after a kill, the ledger."""
    entry = owner_of(run.lake, run.dataset, file.unit)
    record = run.ledger.unit(run.dataset, file.unit)
    return file.run_id in {entry and entry.run_id, record and record.run_id}


def try_unit(run: ReplayRun, file: RejectFile) -> Replayed:
    """Return what a replay would land, without changing anything or running declared checks.

    Raises:
        DataRefusedError: as replay_unit.
    """
    entry = owner_of(run.lake, run.dataset, file.unit)
    if entry is None or entry.run_id != file.run_id:
        return _superseded(file, entry)
    fitted = fit(run, file, entry)
    if not len(fitted.landed):
        return _outcome(file, fitted, UNFIT)
    for _ in _reshaped(run, entry, _shape(run, entry, fitted)):
        pass
    return _outcome(file, fitted, LANDED)


def replay_unit(run: ReplayRun, file: RejectFile) -> Replayed:
    """Publish the rows of one unit that fit now.

    Raises:
        HeldError: another run holds this unit.
        DataRefusedError: a rule of the dataset is broken, or what has landed cannot take the
            current shape; nothing has changed.
    """
    entry = owner_of(run.lake, run.dataset, file.unit)
    if entry is None:
        return _superseded(file, None)
    where = (run.dataset, entry.unit, entry.starts_at, entry.ends_at)
    with run.ledger.lease(*where, run.run_id) as lease:
        entry = owner_of(run.lake, run.dataset, file.unit)
        if entry is None or entry.run_id != file.run_id:
            return _catch_up(run, file, entry)
        for place in run.landings:
            place.check()
        fitted = fit(run, file, entry)
        if not len(fitted.landed):
            return _outcome(file, fitted, UNFIT)
        staged, landed = _stage(run, entry, fitted)
        rows = sum(one.rows for one in staged)
        _check(run, entry, staged, rows)
        _keep_rejects(run, entry, fitted)
        new = entry.model_copy(update={"run_id": run.run_id, "rows": rows, "files": ()})
        for place in run.landings:
            lease.check()
            place.publish(new, staged, _schema(fitted))
        run.ledger.mark_replayed(run.dataset, entry.unit, run.run_id, rows, entry.exported_at)
    outcome = _outcome(file, fitted, LANDED)
    size = sum(one.bytes for one in staged)
    return replace(outcome, landed=landed, parquet_bytes=size)


def _stage(run: ReplayRun, entry: Entry, fitted: Fitted) -> tuple[list[StagedFile], int]:
    """Write the unit again with the rows that fit now; return its files and the rows added."""
    shape = _shape(run, entry, fitted)
    new = fitted.landed
    keys = list(run.specification.key_columns) if run.specification.shards else []
    if keys:
        # A row that came in two shards lands once; a row that has landed stays.
        new = new.unique(keys, keep="last", maintain_order=True)
    schema = file_schema(shape.schema, run.specification)
    with run.lake.stage(run.dataset, run.run_id, entry.unit, schema) as stage:
        for old in _reshaped(run, entry, shape):
            if keys:
                new = new.join(old, on=keys, how="anti", maintain_order="left")
            _write(run, entry, stage, old, shape)
        _write(run, entry, stage, new, shape)
        return stage.finish(), len(new)


def _write(run: ReplayRun, entry: Entry, stage: Stage, rows: pl.DataFrame, shape: RowShape) -> None:
    for partition, part in partitioned(run.specification, entry.unit, rows, run.zone):
        stage.write(partition, as_written(part, shape.schema))


def _shape(run: ReplayRun, entry: Entry, fitted: Fitted) -> RowShape:
    return RowShape(run.dataset, entry.unit, fitted.columns, _schema(fitted), run.zone)


def _reshaped(run: ReplayRun, entry: Entry, shape: RowShape) -> Iterator[pl.DataFrame]:
    """Yield the landed rows in the current shape."""
    for partition, batch in landed_batches(run.lake, run.dataset, entry):
        old = _ruled(run, reshape(batch, shape), shape, set(batch.columns))
        _check_place(run.specification, partition, old, shape)
        yield old


def _ruled(run: ReplayRun, rows: pl.DataFrame, shape: RowShape, landed: set[str]) -> pl.DataFrame:
    """Return landed rows with the columns that the dataset derives now; `where` takes none away.

    What a transform does cannot be done to rows that it has changed already.
    """
    if run.transform and landed != {*rows.columns}:
        raise shape.refuse("its landed rows have other columns than the transform returns now")
    rules = rules_of(run.specification, None)
    if run.transform or rules is None:
        return rows
    computed = rules.compute(rows)
    if computed.problems:
        raise shape.refuse("an expression of the dataset fails on its landed rows")
    return computed.rows.select(rows.columns)


def _check_place(
    specification: DatasetSpecification, partition: str, old: pl.DataFrame, shape: RowShape
) -> None:
    """Raise unless landed rows are in the partition where the window column puts them.

    Slices of earlier releases are there by the UTC date.
    """
    if specification.window is None:
        return
    times = old[specification.window.column]
    days = dates_of(specification, times, shape.zone).cast(pl.String)
    utc = times.dt.date().cast(pl.String)
    if not (("date=" + days == partition) | ("date=" + utc == partition)).all():
        raise shape.refuse(f"its landed rows are not placed by {specification.window.column}")


def _check(run: ReplayRun, entry: Entry, staged: Sequence[StagedFile], rows: int) -> None:
    files: list[Path] = [one.path for one in staged]
    specification = landing_as(run.specification, run.transform)
    results = run_checks(files, specification, rows=rows, exported_at=entry.exported_at)
    if reason := blocking(results):
        raise DataRefusedError(
            f"{run.dataset} {entry.unit}: a check fails with the replayed rows: {reason}; "
            "nothing was published"
        )
    if repeated := repeated_keys(files, specification, rows):
        logger.warning(
            "%s %s: %s", run.dataset, entry.unit, warning_of(repeated, rows, specification)
        )


def _keep_rejects(run: ReplayRun, entry: Entry, fitted: Fitted) -> None:
    if len(fitted.rejects):
        rejects = fitted.rejects.to_arrow()
        write_rejects(run.lake, run.dataset, entry.unit, run.run_id, rejects, fitted.raw)


def _catch_up(run: ReplayRun, file: RejectFile, entry: Entry | None) -> Replayed:
    """Return DONE if a replay was killed before it updated the ledger, otherwise SUPERSEDED.

    The manifest counts, so the ledger is then brought up to date with it.
    """
    record = run.ledger.unit(run.dataset, file.unit)
    if entry is None or record is None or record.run_id != file.run_id:
        return _superseded(file, entry)
    run.ledger.mark_replayed(run.dataset, file.unit, entry.run_id, entry.rows, entry.exported_at)
    return replace(_superseded(file, entry), state=DONE)


def _superseded(file: RejectFile, entry: Entry | None) -> Replayed:
    owner = entry.run_id if entry else None
    return Replayed(file.unit, SUPERSEDED, tried=len(file.rows()), owner=owner)


def _outcome(file: RejectFile, fitted: Fitted, state: str) -> Replayed:
    landed, rejected = len(fitted.landed), len(fitted.rejects)
    outside, filtered = fitted.outside, fitted.filtered
    tried = landed + rejected + outside + filtered
    reasons = dict(count_reasons([fitted.rejects]))
    return Replayed(file.unit, state, tried, landed, rejected, outside, filtered, reasons=reasons)


def _schema(fitted: Fitted) -> pa.Schema:
    if fitted.schema is None:
        raise AssertionError("rows that land have a schema")
    return fitted.schema
