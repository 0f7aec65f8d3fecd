"""Rejected rows conformed again by the corrected rules: which land, and which stay rejects."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from connectors.catalogue import Column, DatasetSpecification
from connectors.errors import StorageError
from connectors.lake import Entry
from connectors.lake.rejects import RejectFile
from connectors.landings import Landing
from tasks.columns.conform import RAGGED, REJECTS_SCHEMA, Conformer
from tasks.columns.header import match_header
from tasks.columns.rules import rules_of
from tasks.columns.transform import Transform
from tasks.exports.windows import Window
from tasks.runs.opening import OpenedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRun(OpenedRun):
    """A replay under way; the tenant writes date-times in `zone`, which `zone_setting` sets."""

    specification: DatasetSpecification
    landings: Sequence[Landing]
    zone: str
    zone_setting: str
    transform: Transform | None = None

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.specification.dataset

    @property
    def subject(self) -> str:
        """What the run is about: the dataset."""
        return self.dataset


@dataclass(frozen=True, slots=True)
class Fitted:
    """Rejected rows conformed again: what lands, in which shape, and what is still rejected."""

    landed: pl.DataFrame
    rejects: pl.DataFrame
    raw: list[str]
    outside: int
    filtered: int = 0
    columns: tuple[Column, ...] = ()
    schema: pa.Schema | None = None


def fit(run: ReplayRun, file: RejectFile, entry: Entry) -> Fitted:
    """Conform rejected rows by the current specification. Rows of a wrong length stay rejects.

    Raises:
        DataRefusedError: the header no longer meets the declared columns, or rows lie outside.
    """
    rows, raw = file.rows(), file.raw()
    if len(rows) != len(raw):
        raise StorageError(f"{file.path}: reasons and text belong to different rows: export again")
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
    layout = match_header(text.columns, run.specification)
    conformer = Conformer(
        layout,
        run.zone,
        run.run_id,
        entry.exported_at,
        _window(run.specification, entry),
        rules=rules_of(run.specification, run.transform),
    )
    result = conformer.conform(text)
    conformer.counts.check(f"{run.dataset} {entry.unit}", run.zone_setting)
    # Number them as in the result that they came from.
    numbers = pl.Series([rows[i].record for i in whole], dtype=pl.Int64)
    records = numbers.gather(result.rejects["record"] - 1)
    rejects = pl.concat([result.rejects.with_columns(record=records), left])
    return Fitted(
        result.landed,
        rejects,
        result.raw + kept,
        conformer.counts.outside,
        conformer.counts.filtered,
        conformer.columns,
        conformer.arrow_schema(),
    )


def _window(specification: DatasetSpecification, entry: Entry) -> tuple[str, Window] | None:
    if specification.window is None:
        return None
    return specification.window.column, Window(entry.starts_at, entry.ends_at)
