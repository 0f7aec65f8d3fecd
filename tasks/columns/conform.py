"""Fitting a result to its declared columns, batch by batch: each row lands, is rejected or counted.

No files and no network here: tables of text in, typed tables and counts out. Text columns pass
through as they were read; only rejected rows go through Python.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from connectors.catalogue import Column, DatasetSpecification, Drift
from connectors.errors import DataRefusedError
from connectors.limits import MB, Limits, read_limits
from connectors.nexthink.results.result_file import ROW_BYTES, too_many_rejected
from tasks.columns.cast import ARROW_TYPES, POLARS_TYPES, UTC_TYPE, ColumnCast, misfits
from tasks.columns.reasons import NOT, NULL
from tasks.columns.rules import Rules
from tasks.columns.times import ARROW_UTC
from tasks.exports.windows import Window

RAGGED = "the number of fields differs from the header"
NO_TIME = "no time to place it by"
# In the metadata of a field in Parquet. A unit and a description have a place there too.
KEY = "nxp.key"
CELLS_AT_ONCE = 50_000
# In messages, which are also kept in the ledger.
NAMES_SHOWN = 10
NAME_SHOWN = 200
RUN_ID, EXPORTED_AT = "_nxp_run_id", "_nxp_exported_at"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a result's header meets the declared columns.

    `present` pairs each header with its column; `absent` are declared columns that the tenant did
    not send; `added` are undeclared ones that it sent and that land as text; `dropped` are
    undeclared ones that are left out.
    """

    present: tuple[tuple[str, Column], ...]
    absent: tuple[Column, ...] = ()
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def landed(self) -> tuple[Column, ...]:
        """Return all columns that land, in the order in which they land."""
        return (*(column for _, column in self.present), *self.absent)


@dataclass(slots=True)
class Counts:
    """What became of a unit's rows: `read` is the sum of `landed` to `duplicates`.

    `strayed` are those `outside` that should not have been sent.
    """

    read: int = 0
    landed: int = 0
    rejected: int = 0
    outside: int = 0
    filtered: int = 0
    duplicates: int = 0
    strayed: int = 0
    repeated_hour: int = 0
    # The size of the rejected rows' text, which is held in memory.
    rejected_bytes: int = 0

    def check(self, dataset: str) -> None:
        """Raise unless every row is accounted for and the tenant kept to the window.

        Raises:
            DataRefusedError: rows outside the window, other than exactly on its end.
        """
        if self.strayed:
            raise DataRefusedError(
                f"{dataset}: {self.strayed} of {self.read} rows lie outside the window: the tenant "
                "did not honour the query's time filter (check the query and "
                "NEXTHINK_TIME_ZONE); nothing was published"
            )
        known = self.landed + self.rejected + self.outside + self.filtered + self.duplicates
        if self.read != known:
            raise AssertionError(f"{dataset}: rows do not add up: {self}")


@dataclass(slots=True)
class Conformed:
    """One batch after conforming: what lands, and what does not with all its reasons."""

    table: pa.Table
    rejects: pl.DataFrame
    raw: list[str] = field(default_factory=list)

    @property
    def landed(self) -> pl.DataFrame:
        """Return the rows that land, as a frame."""
        return pl.DataFrame(self.table)


REJECTS_SCHEMA = {"record": pl.Int64(), "reasons": pl.List(pl.String())}


def match_header(header: Sequence[str], specification: DatasetSpecification) -> Layout:
    """Match a result's header with the declared columns.

    Raises:
        DataRefusedError: a required column is missing, two headers land under one name, or a
            column is new and the dataset's drift mode is freeze.
    """
    name = specification.dataset
    declared = {column.nql: column for column in specification.columns}
    # This comes first: if there is no header, a row stands in its place and must not be quoted.
    if not declared.keys() & set(header):
        raise DataRefusedError(
            f"{name}: the result's first line names none of the declared columns; "
            "nothing was published"
        )
    if "" in header:
        raise DataRefusedError(f"{name}: the result has a column without a name")
    if twice := sorted({text for text in header if header.count(text) > 1}):
        raise DataRefusedError(f"{name}: the result has {_listed(twice)} twice")
    absent = tuple(column for nql, column in declared.items() if nql not in header)
    if missing := [column.nql for column in absent if not column.nullable or column.key]:
        raise DataRefusedError(
            f"{name}: the result lacks the required {_listed(missing)}: the saved query in "
            f"Nexthink differs from nxp datasets {name} --nql; nothing was published"
        )
    new = [text for text in header if text not in declared]
    if new and specification.drift is Drift.FREEZE:
        raise DataRefusedError(
            f"{name}: the result has the undeclared {_listed(new)} and drift is freeze; "
            "nothing was published"
        )
    keep = specification.drift is Drift.EVOLVE
    try:
        added = [Column(nql=text) for text in new] if keep else []
    except ValidationError:
        raise DataRefusedError(
            f"{name}: one of the undeclared {_listed(new)} would land under a reserved name"
        ) from None
    present = [(text, declared[text]) for text in declared if text in header]
    present += [(column.nql, column) for column in added]
    landed = [column.name for _, column in present] + [column.name for column in absent]
    if meet := sorted({text for text in landed if landed.count(text) > 1}):
        raise DataRefusedError(
            f"{name}: two columns of the result land as {_listed(meet)}: declare both, each with "
            "its own name"
        )
    return Layout(
        tuple(present), absent, tuple(column.nql for column in added), () if keep else tuple(new)
    )


def field_metadata(column: Column) -> dict[str, str] | None:
    """Return what Parquet says of a column next to its type, None for nothing.

    The place for all that a catalogue says of columns; so far whether it is part of the key.
    """
    return {KEY: "true"} if column.key else None


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
        limits: Limits | None = None,
        *,
        rules: Rules | None = None,
    ) -> None:
        self.counts = counts or Counts()
        self._limits = limits or read_limits()
        self._is_numbered = True
        self._layout = layout
        self._rules = rules
        # What lands, in this order.
        self.columns = rules.columns(layout.landed) if rules else layout.landed
        self._casts = [ColumnCast(column.type, zone) for _, column in layout.present]
        self._window = window
        self._stamps = (pa.scalar(run_id, pa.string()), pa.scalar(exported_at, ARROW_UTC))

    def schema(self) -> pl.Schema:
        """Return the landed columns and types."""
        columns = {column.name: POLARS_TYPES[column.type] for column in self.columns}
        return pl.Schema({**columns, RUN_ID: pl.String(), EXPORTED_AT: UTC_TYPE})

    def arrow_schema(self) -> pa.Schema:
        """Return the schema as written: text and lists in the types that every reader supports."""
        fields = [
            pa.field(column.name, ARROW_TYPES[column.type], metadata=field_metadata(column))
            for column in self.columns
        ]
        return pa.schema([*fields, (RUN_ID, pa.string()), (EXPORTED_AT, ARROW_UTC)])

    def conform(self, text: pa.Table | pl.DataFrame, ragged: Sequence[str] = ()) -> Conformed:
        """Type one batch of text, separate the rejects, and keep only rows of the window."""
        table = _plain(pa.table(text))
        # It is not known where rows with too few or too many fields stood: no numbers after them.
        self._is_numbered = self._is_numbered and not ragged
        first_record = self.counts.read + 1 if self._is_numbered else None
        self.counts.read += table.num_rows + len(ragged)
        typed, problems = self._cast(table)
        if self._rules:
            typed = self._computed(self._rules, typed, problems)
        rejects, raw = self._reject(table, problems, first_record)
        if problems:
            typed = typed.filter(pc.invert(_any(problems)))
        landed = self._within(typed)
        if self._rules:
            landed = self._chosen(self._rules, landed)
        self.counts.landed += landed.num_rows
        self.counts.rejected += len(rejects) + len(ragged)
        if ragged:
            rows = {"record": [None] * len(ragged), "reasons": [[RAGGED]] * len(ragged)}
            rejects = pl.concat([rejects, pl.DataFrame(rows, REJECTS_SCHEMA)])
            raw += self._kept(ragged)
        for name, value in zip((RUN_ID, EXPORTED_AT), self._stamps, strict=True):
            landed = landed.append_column(name, pa.repeat(value, landed.num_rows))
        return Conformed(landed, rejects, raw)

    def _cast(self, text: pa.Table) -> tuple[pa.Table, dict[str, pa.Array]]:
        """Type all columns; the problems are masks of the rows that each reason rejects."""
        typed: dict[str, pa.Array] = {}
        problems: dict[str, pa.Array] = {}
        for (header, column), casting in zip(self._layout.present, self._casts, strict=True):
            written = text[header]
            values, repeated = casting.cast(written)
            self.counts.repeated_hour += repeated
            typed[column.name] = values
            wrong = misfits(written, values)
            if wrong is not None:
                _note(problems, f"{column.name}: {NOT}{column.type}", wrong)
            if (not column.nullable or column.key) and values.null_count:
                absent = pc.is_null(values)
                absent = absent if wrong is None else pc.and_not(absent, wrong)
                _note(problems, f"{column.name}: {NULL}", absent)
        for column in self._layout.absent:
            typed[column.name] = pa.nulls(text.num_rows, ARROW_TYPES[column.type])
        if self._window is not None and typed[self._window[0]].null_count:
            nowhere = pc.is_null(typed[self._window[0]])
            _note(problems, NO_TIME, pc.and_not(nowhere, _any(problems)) if problems else nowhere)
        return pa.table(typed), problems

    def _reject(
        self, text: pa.Table, problems: dict[str, pa.Array], first_record: int | None
    ) -> tuple[pl.DataFrame, list[str]]:
        if not problems:
            return pl.DataFrame(schema=REJECTS_SCHEMA), []
        reasons = pl.concat_list(
            pl.when(pl.Series(mask)).then(pl.lit(reason)) for reason, mask in problems.items()
        ).list.drop_nulls()
        bad = _any(problems)
        rows = text.num_rows
        records = pl.lit(None, pl.Int64).repeat_by(rows).explode()
        if first_record is not None:
            records = pl.int_range(first_record, first_record + rows, dtype=pl.Int64)
        frame = pl.select(records.alias("record"), reasons.alias("reasons"))
        # One JSON object per row; only rejected rows pass through Python, not many at once.
        at_once = max(1, CELLS_AT_ONCE // max(1, text.num_columns))
        raw = self._kept(
            json.dumps(row, ensure_ascii=False)
            for part in text.filter(bad).to_batches(max_chunksize=at_once)
            for row in part.to_pylist()
        )
        return frame.filter(pl.Series(bad)), raw

    def _kept(self, texts: Iterable[str]) -> list[str]:
        """Return the texts of rejected rows.

        Raises:
            DataRefusedError: the unit has more of them than are held in memory.
        """
        kept: list[str] = []
        for text in texts:
            kept.append(text)
            self.counts.rejected_bytes += len(text) + ROW_BYTES
            if self.counts.rejected_bytes > self._limits.max_rejected_mb * MB:
                raise too_many_rejected(self._limits)
        return kept

    def _computed(self, rules: Rules, typed: pa.Table, problems: dict[str, pa.Array]) -> pa.Table:
        """Add derived columns, and note the rows in which an expression fails."""
        computed = rules.compute(pl.DataFrame(typed))
        for reason, mask in computed.problems.items():
            _note(problems, reason, mask.to_arrow())
        return computed.rows.to_arrow()

    def _chosen(self, rules: Rules, rows: pa.Table) -> pa.Table:
        """Leave out rows as the dataset says, count them, and return the columns that land."""
        window = self._window[1] if self._window else None
        within = (window.start, window.end) if window else None
        chosen = rules.choose(pl.DataFrame(rows), self.columns, within)
        self.counts.filtered += rows.num_rows - len(chosen)
        types = [(column.name, ARROW_TYPES[column.type]) for column in self.columns]
        return chosen.to_arrow().cast(pa.schema(types))

    def _within(self, typed: pa.Table) -> pa.Table:
        """Keep start <= t < end; count the rows outside, and those that should not have come."""
        if self._window is None or not typed.num_rows:
            return typed
        column, window = self._window
        time = typed[column]
        start, end = (pa.scalar(bound, ARROW_UTC) for bound in (window.start, window.end))
        span = pc.min_max(time)
        if span["min"].value >= start.value and span["max"].value < end.value:
            return typed
        landed = typed.filter(pc.and_(pc.greater_equal(time, start), pc.less(time, end)))
        outside = typed.num_rows - landed.num_rows
        self.counts.outside += outside
        self.counts.strayed += outside - (pc.sum(pc.equal(time, end)).as_py() or 0)
        return landed


def _listed(names: Sequence[str]) -> str:
    """Return names for a message: a few, cut where they are long, and how many more there are."""
    shown = ", ".join(name[:NAME_SHOWN] for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _plain(text: pa.Table) -> pa.Table:
    """Return text as Arrow's plain strings: a frame has string views, a result file does not."""
    plain = pa.schema([(name, pa.string()) for name in text.column_names])
    return text if text.schema.equals(plain) else text.cast(plain)


def _note(problems: dict[str, pa.Array], reason: str, mask: pa.Array) -> None:
    if pc.any(mask).as_py():
        problems[reason] = mask


def _any(problems: dict[str, pa.Array]) -> pa.Array:
    first, *others = (_flat(mask) for mask in problems.values())
    return reduce(pc.or_, others, first)


def _flat(mask: pa.Array | pa.ChunkedArray) -> pa.Array:
    return mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
