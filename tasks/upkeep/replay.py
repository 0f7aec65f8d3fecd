"""Replaying the rejected rows of a run, after the specification was mended.

The rows are conformed anew by the same rules, and those that fit are published together with what
the unit has, as its next version under a run of its own. A unit is replayed only while its rows
are still of the run that rejected: landed anew since, its rejects are those of another result.

Remaining rejects first, then the publication, the ledger last: a kill leaves the unit as it was
or as it is now, and replaying again finishes or finds it done.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa

from connectors.catalogue import DatasetSpecification
from connectors.errors import DataRefusedError, StorageError
from connectors.lake import Entry, Lake, StagedFile
from connectors.lake.landed import landed_batches
from connectors.lake.records import write_rejects
from connectors.lake.rejects import RejectFile
from connectors.landings import Landing
from connectors.ledger import Ledger
from tasks.columns.checks import blocking, run_checks
from tasks.columns.conform import RAGGED, REJECTS_SCHEMA, Conformer, Layout, match_header
from tasks.exports.windows import Window
from tasks.land.staging import partitioned
from tasks.upkeep.reshape import Shape, reshape

LANDED = "landed"
UNFIT = "nothing fits"
SUPERSEDED = "superseded"
DONE = "replayed already"


@dataclass(frozen=True, slots=True)
class Tools:
    """What a replay works with; `run_id` is the run that it is."""

    run_id: str
    tenant: str
    specification: DatasetSpecification
    lake: Lake
    landings: Sequence[Landing]
    ledger: Ledger
    zone: str

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.specification.dataset


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one unit's rejected rows: `tried` = landed + rejected + outside."""

    unit: str
    state: str
    tried: int
    landed: int = 0
    rejected: int = 0
    outside: int = 0
    parquet_bytes: int = 0
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rejected rows conformed anew: what lands, in which shape, and what is still rejected."""

    landed: pl.DataFrame
    rejects: pl.DataFrame
    raw: list[str]
    outside: int
    layout: Layout | None = None
    schema: pa.Schema | None = None


def owner_of(lake: Lake, dataset: str, unit: str) -> Entry | None:
    """Give the entry that the manifest has for a unit."""
    manifest = lake.manifest(dataset)
    found = [entry for entry in manifest.entries if entry.unit == unit] if manifest else []
    return found[0] if found else None


def may_be_replayed(tools: Tools, file: RejectFile) -> bool:
    """Tell whether a unit is still of the run, by the manifest or, after a kill, by the ledger."""
    entry = owner_of(tools.lake, tools.dataset, file.unit)
    record = tools.ledger.unit(tools.dataset, file.unit)
    return file.run_id in {entry and entry.run_id, record and record.run_id}


def try_unit(tools: Tools, file: RejectFile) -> Replayed:
    """Say what a replay would land, changing nothing; the declared checks are not run.

    Raises:
        DataRefusedError: as replay_unit.
    """
    entry = owner_of(tools.lake, tools.dataset, file.unit)
    if entry is None or entry.run_id != file.run_id:
        return _superseded(file, entry)
    fitted = fit(tools, file, entry)
    if not len(fitted.landed):
        return _outcome(file, fitted, UNFIT)
    for _ in _reshaped(tools, entry, _shape(tools, entry, fitted)):
        pass
    return _outcome(file, fitted, LANDED)


def replay_unit(tools: Tools, file: RejectFile) -> Replayed:
    """Publish the rows of one unit that fit now.

    Raises:
        HeldError: another run is at this unit.
        DataRefusedError: a rule of the dataset is broken, or what has landed cannot take the
            present shape; nothing has changed.
    """
    entry = owner_of(tools.lake, tools.dataset, file.unit)
    if entry is None:
        return _superseded(file, None)
    where = (tools.dataset, entry.unit, entry.starts_at, entry.ends_at)
    with tools.ledger.lease(*where, tools.run_id) as lease:
        entry = owner_of(tools.lake, tools.dataset, file.unit)
        if entry is None or entry.run_id != file.run_id:
            return _catch_up(tools, file, entry)
        for place in tools.landings:
            place.check()
        fitted = fit(tools, file, entry)
        if not len(fitted.landed):
            return _outcome(file, fitted, UNFIT)
        staged, landed = _stage(tools, entry, fitted)
        rows = sum(one.rows for one in staged)
        _check(tools, entry, staged, rows)
        _keep_rejects(tools, entry, fitted)
        new = entry.model_copy(update={"run_id": tools.run_id, "rows": rows, "files": ()})
        for place in tools.landings:
            lease.check()
            place.publish(new, staged, _schema(fitted))
        tools.ledger.mark_replayed(tools.dataset, entry.unit, tools.run_id, rows, entry.exported_at)
    outcome = _outcome(file, fitted, LANDED)
    size = sum(one.bytes for one in staged)
    return replace(outcome, landed=landed, parquet_bytes=size)


def fit(tools: Tools, file: RejectFile, entry: Entry) -> Fitted:
    """Conform rejected rows by the present specification. Rows of a wrong length stay rejects.

    Raises:
        DataRefusedError: the header no longer meets the declared columns, or rows lie outside.
    """
    rows, raw = file.rows(), file.raw()
    if len(rows) != len(raw):
        raise StorageError(f"{file.path}: reasons and text are of different rows: export anew")
    whole = [i for i, row in enumerate(rows) if row.reasons != (RAGGED,)]
    ragged = [i for i, row in enumerate(rows) if row.reasons == (RAGGED,)]
    left = pl.DataFrame(
        {"record": [None] * len(ragged), "reasons": [[RAGGED]] * len(ragged)}, REJECTS_SCHEMA
    )
    kept = [raw[i] for i in ragged]
    if not whole:
        return Fitted(pl.DataFrame(), left, kept, 0)
    text = pl.DataFrame([json.loads(raw[i]) for i in whole], infer_schema_length=None)
    text = text.cast(pl.String)
    layout = match_header(text.columns, tools.specification)
    conformer = Conformer(
        layout, tools.zone, tools.run_id, entry.exported_at, _window(tools.specification, entry)
    )
    result = conformer.conform(text)
    conformer.counts.check(f"{tools.dataset} {entry.unit}")
    # Numbered as in the result that they came with.
    numbers = pl.Series([rows[i].record for i in whole], dtype=pl.Int64)
    records = numbers.gather(result.rejects["record"] - 1)
    rejects = pl.concat([result.rejects.with_columns(record=records), left])
    outside = conformer.counts.outside
    schema = conformer.arrow_schema()
    return Fitted(result.landed, rejects, result.raw + kept, outside, layout, schema)


def _window(specification: DatasetSpecification, entry: Entry) -> tuple[str, Window] | None:
    if specification.window is None:
        return None
    return specification.window.column, Window(entry.starts_at, entry.ends_at)


def _stage(tools: Tools, entry: Entry, fitted: Fitted) -> tuple[list[StagedFile], int]:
    """Write the unit anew, what it has and what fits now; also count the rows that came to it."""
    shape = _shape(tools, entry, fitted)
    new = fitted.landed
    keys = list(tools.specification.key_columns) if tools.specification.shards else []
    if keys:
        # What two shards sent lands once; a row that has landed stays.
        new = new.unique(keys, keep="last", maintain_order=True)
    with tools.lake.stage(tools.dataset, tools.run_id, entry.unit, shape.schema) as stage:
        for partition, old in _reshaped(tools, entry, shape):
            if keys:
                new = new.join(old, on=keys, how="anti", maintain_order="left")
            stage.write(partition, old.to_arrow().cast(shape.schema))
        rows = new.to_arrow().cast(shape.schema)
        for partition, part in partitioned(tools.specification, entry.unit, rows):
            stage.write(partition, part)
        return stage.finish(), len(new)


def _shape(tools: Tools, entry: Entry, fitted: Fitted) -> Shape:
    columns = fitted.layout.landed if fitted.layout else ()
    return Shape(tools.dataset, entry.unit, columns, _schema(fitted), tools.zone)


def _reshaped(tools: Tools, entry: Entry, shape: Shape) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give the landed rows in the present shape, by partition."""
    for partition, batch in landed_batches(tools.lake, tools.dataset, entry):
        old = reshape(batch, shape)
        _check_place(tools.specification, partition, old, shape)
        yield partition, old


def _check_place(
    specification: DatasetSpecification, partition: str, old: pl.DataFrame, shape: Shape
) -> None:
    """Make sure that landed rows stand where the present window column puts them."""
    if specification.window is None:
        return
    dates = old[specification.window.column].dt.date().cast(pl.String)
    if not ("date=" + dates == partition).all():
        raise shape.refuse(f"its landed rows are not placed by {specification.window.column}")


def _check(tools: Tools, entry: Entry, staged: Sequence[StagedFile], rows: int) -> None:
    files: list[Path] = [one.path for one in staged]
    results = run_checks(files, tools.specification, rows=rows, exported_at=entry.exported_at)
    if reason := blocking(results):
        raise DataRefusedError(
            f"{tools.dataset} {entry.unit}: with the replayed rows a check fails: {reason}; "
            "nothing was published"
        )


def _keep_rejects(tools: Tools, entry: Entry, fitted: Fitted) -> None:
    if len(fitted.rejects):
        rejects = fitted.rejects.to_arrow()
        write_rejects(tools.lake, tools.dataset, entry.unit, tools.run_id, rejects, fitted.raw)


def _catch_up(tools: Tools, file: RejectFile, entry: Entry | None) -> Replayed:
    """Tell a unit that landed anew from one whose replay was killed before the ledger learnt of it.

    What the manifest says counts, so the ledger is brought up to it in either case.
    """
    record = tools.ledger.unit(tools.dataset, file.unit)
    if entry is None or record is None or record.run_id != file.run_id:
        return _superseded(file, entry)
    tools.ledger.mark_replayed(
        tools.dataset, file.unit, entry.run_id, entry.rows, entry.exported_at
    )
    return replace(_superseded(file, entry), state=DONE)


def _superseded(file: RejectFile, entry: Entry | None) -> Replayed:
    owner = entry.run_id if entry else None
    return Replayed(file.unit, SUPERSEDED, tried=len(file.rows()), owner=owner)


def _outcome(file: RejectFile, fitted: Fitted, state: str) -> Replayed:
    landed, rejected = len(fitted.landed), len(fitted.rejects)
    tried = landed + rejected + fitted.outside
    return Replayed(file.unit, state, tried, landed, rejected, fitted.outside)


def _schema(fitted: Fitted) -> pa.Schema:
    if fitted.schema is None:
        raise AssertionError("rows that land have a schema")
    return fitted.schema
