"""Making a result fit its declared columns: batch by batch, every row landed, rejected or counted.

No files and no network here: frames in, frames and counts out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import pyarrow as pa
from pydantic import ValidationError

from connectors.catalogue import Column, ColumnType, DatasetSpecification, Drift
from connectors.errors import DataRefusedError
from tasks.cast import POLARS_TYPES, UTC_TYPE, cast, failed
from tasks.windows import Window

RAGGED = "the number of fields differs from the header"
NO_TIME = "no time to place it by"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a result's header meets the declared columns.

    `present` pairs each header with its column, `absent` are declared columns that the tenant
    did not send, `added` those it sent unasked and that land as text, `dropped` are left out.
    """

    present: tuple[tuple[str, Column], ...]
    absent: tuple[Column, ...] = ()
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def landed(self) -> tuple[Column, ...]:
        """All columns that land, in their landed order."""
        return (*(column for _, column in self.present), *self.absent)


@dataclass(slots=True)
class Counts:
    """What became of a unit's rows: `read` = `landed` + `rejected` + `outside` + `duplicates`."""

    read: int = 0
    landed: int = 0
    rejected: int = 0
    outside: int = 0
    strayed: int = 0
    duplicates: int = 0
    repeated_hour: int = 0

    def check(self, dataset: str) -> None:
        """Make sure that no row was lost and that the tenant kept to the window.

        Raises:
            DataRefusedError: rows outside the window, other than exactly on its end.
        """
        if self.strayed:
            raise DataRefusedError(
                f"{dataset}: {self.strayed} of {self.read} rows lie outside the window: the tenant "
                "did not honour the query's time filter (check the query and "
                "NEXTHINK_TIME_ZONE); nothing was published"
            )
        if self.read != self.landed + self.rejected + self.outside + self.duplicates:
            raise AssertionError(f"{dataset}: rows do not add up: {self}")


@dataclass(slots=True)
class Conformed:
    """One batch after conforming: what lands, and what does not with all its reasons."""

    landed: pl.DataFrame
    rejects: pl.DataFrame
    raw: list[str] = field(default_factory=list)


REJECTS_SCHEMA = {"record": pl.Int64(), "reasons": pl.List(pl.String())}


def match_header(header: Sequence[str], specification: DatasetSpecification) -> Layout:
    """Match a result's header with the declared columns.

    Raises:
        DataRefusedError: a required column is missing, two headers land under one name, or a
            column is new and the dataset's drift mode is freeze.
    """
    name = specification.dataset
    declared = {column.nql: column for column in specification.columns}
    # First of all: without a header the first row stands in its place, and must not be quoted.
    if not declared.keys() & set(header):
        raise DataRefusedError(
            f"{name}: the result's first line names none of the declared columns; "
            "nothing was published"
        )
    if "" in header:
        raise DataRefusedError(f"{name}: the result has a column without a name")
    if twice := sorted({text for text in header if header.count(text) > 1}):
        raise DataRefusedError(f"{name}: the result has {', '.join(twice)} twice")
    absent = tuple(column for nql, column in declared.items() if nql not in header)
    if missing := [column.nql for column in absent if not column.nullable or column.key]:
        raise DataRefusedError(
            f"{name}: the result lacks the required {', '.join(missing)}: the saved query in "
            f"Nexthink differs from nxp datasets {name} --nql; nothing was published"
        )
    new = [text for text in header if text not in declared]
    if new and specification.drift is Drift.FREEZE:
        raise DataRefusedError(
            f"{name}: the result has the undeclared {', '.join(new)} and drift is freeze; "
            "nothing was published"
        )
    keep = specification.drift is Drift.EVOLVE
    try:
        added = [Column(nql=text) for text in new] if keep else []
    except ValidationError:
        raise DataRefusedError(
            f"{name}: one of the undeclared {', '.join(new)} would land under a reserved name"
        ) from None
    present = [(text, declared[text]) for text in declared if text in header]
    present += [(column.nql, column) for column in added]
    landed = [column.name for _, column in present] + [column.name for column in absent]
    if meet := sorted({text for text in landed if landed.count(text) > 1}):
        raise DataRefusedError(
            f"{name}: two columns of the result land as {', '.join(meet)}: declare both, each with "
            "a name of its own"
        )
    return Layout(
        tuple(present), absent, tuple(column.nql for column in added), () if keep else tuple(new)
    )


class Conformer:
    """Conforms the batches of one result and keeps count."""

    def __init__(
        self,
        layout: Layout,
        zone: str,
        run_id: str,
        exported_at: datetime,
        window: tuple[str, Window] | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.counts = counts or Counts()
        self._is_numbered = True
        self._layout = layout
        self._zone = zone
        self._window = window
        self._stamp = (
            pl.lit(run_id, pl.String()).alias("_nxp_run_id"),
            pl.lit(exported_at, UTC_TYPE).alias("_nxp_exported_at"),
        )

    def schema(self) -> pl.Schema:
        """Give the landed columns and types."""
        columns = {column.name: POLARS_TYPES[column.type] for column in self._layout.landed}
        return pl.Schema({**columns, "_nxp_run_id": pl.String(), "_nxp_exported_at": UTC_TYPE})

    def arrow_schema(self) -> pa.Schema:
        """Give the columns as they are written: text and lists of it as every reader knows them."""
        schema = pl.DataFrame(schema=self.schema()).to_arrow().schema
        return pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])

    def conform(self, text: pl.DataFrame, ragged: Sequence[str] = ()) -> Conformed:
        """Type one batch of text, set rejects apart, filter the window on arrival."""
        # Where rows with too few or too many fields stood is not known: no number after them.
        self._is_numbered = self._is_numbered and not ragged
        first_record = self.counts.read + 1 if self._is_numbered else None
        self.counts.read += len(text) + len(ragged)
        typed, problems = self._cast(text)
        rejects, raw = self._reject(text, problems, first_record)
        if problems:
            typed = typed.filter(~_any(problems))
        landed = self._within(typed)
        self.counts.landed += len(landed)
        self.counts.rejected += len(rejects) + len(ragged)
        if ragged:
            rows = {"record": [None] * len(ragged), "reasons": [[RAGGED]] * len(ragged)}
            rejects = pl.concat([rejects, pl.DataFrame(rows, REJECTS_SCHEMA)])
            raw += list(ragged)
        return Conformed(landed.with_columns(*self._stamp), rejects, raw)

    def _cast(self, text: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
        """Type all columns; the problems are masks of the rows that each reason rejects."""
        typed: list[pl.Series] = []
        problems: dict[str, pl.Series] = {}
        for header, column in self._layout.present:
            result = cast(text[header], column.type, self._zone)
            self.counts.repeated_hour += result.repeated
            values = result.values.alias(column.name)
            typed.append(values)
            if column.type is not ColumnType.STRING:
                _note(problems, f"{column.name}: not {column.type}", failed(text[header], values))
            if (not column.nullable or column.key) and values.null_count():
                absent = values.is_null() & ~failed(text[header], values)
                _note(problems, f"{column.name}: null in a required column", absent)
        typed += [
            pl.Series(column.name, [None] * len(text), POLARS_TYPES[column.type])
            for column in self._layout.absent
        ]
        frame = pl.DataFrame(typed)
        if self._window is not None:
            _note(problems, NO_TIME, frame[self._window[0]].is_null() & ~_any(problems, len(frame)))
        return frame, problems

    def _reject(
        self, text: pl.DataFrame, problems: dict[str, pl.Series], first_record: int | None
    ) -> tuple[pl.DataFrame, list[str]]:
        if not problems:
            return pl.DataFrame(schema=REJECTS_SCHEMA), []
        reasons = pl.concat_list(
            pl.when(mask).then(pl.lit(reason)) for reason, mask in problems.items()
        ).list.drop_nulls()
        bad = _any(problems)
        records = pl.lit(None, pl.Int64).repeat_by(len(text)).explode()
        if first_record is not None:
            records = pl.int_range(first_record, first_record + len(text), dtype=pl.Int64)
        rejects = pl.select(records.alias("record"), reasons.alias("reasons")).filter(bad)
        # One JSON object a row; only rejected rows pass through Python.
        raw = [json.dumps(row, ensure_ascii=False) for row in text.filter(bad).to_dicts()]
        return rejects, raw

    def _within(self, typed: pl.DataFrame) -> pl.DataFrame:
        """Keep start <= t < end; count what lies outside, and what should not have been sent."""
        if self._window is None:
            return typed
        column, window = self._window
        time = typed[column]
        inside = (time >= window.start) & (time < window.end)
        landed = typed.filter(inside)
        outside = len(typed) - len(landed)
        self.counts.outside += outside
        self.counts.strayed += outside - int((time == window.end).sum())
        return landed


def _note(problems: dict[str, pl.Series], reason: str, mask: pl.Series) -> None:
    if mask.any():
        problems[reason] = mask


def _any(problems: dict[str, pl.Series], length: int = 0) -> pl.Series:
    masks = list(problems.values())
    if not masks:
        return pl.repeat(False, length, eager=True)
    combined = masks[0]
    for mask in masks[1:]:
        combined = combined | mask
    return combined


def _plain(kind: pa.DataType) -> pa.DataType:
    """Give the plain kind of text and list: not every reader knows the large ones and views."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind
