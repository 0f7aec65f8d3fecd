"""Fitting a result to its declared columns, batch by batch: each row lands, is rejected or counted.

No files and no network here: frames of text in, typed frames and counts out. Only rejected rows go
through Python.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import polars as pl
import pyarrow as pa

from connectors.catalogue import ColumnType
from connectors.errors import DataRefusedError
from connectors.limits import MB, Limits, read_limits
from connectors.nexthink.results.result_file import ROW_BYTES, too_many_rejected
from tasks.columns.cast import ARROW_TYPES, POLARS_TYPES, UTC_TYPE, ColumnCast, failed, fits
from tasks.columns.described import field_metadata
from tasks.columns.header import HeaderMatch
from tasks.columns.reasons import NOT, NULL
from tasks.columns.rules import Rules
from tasks.columns.times import ARROW_UTC
from tasks.exports.windows import Window

RAGGED = "the number of fields differs from the header"
NO_TIME = "no time to place it by"
CELLS_AT_ONCE = 50_000
RUN_ID, EXPORTED_AT = "_nxp_run_id", "_nxp_exported_at"


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

    def check(self, dataset: str, zone_setting: str = "the tenant's time_zone") -> None:
        """Raise unless every row is accounted for and the tenant kept to the window.

        Args:
            dataset: its name, with the unit's.
            zone_setting: what sets the tenant's zone.

        Raises:
            DataRefusedError: rows outside the window, other than exactly on its end.
        """
        if self.strayed:
            raise DataRefusedError(
                f"{dataset}: {self.strayed} of {self.read} rows lie outside the window: the tenant "
                "did not honour the query's time filter (check the query and "
                f"{zone_setting}); nothing was published"
            )
        known = self.landed + self.rejected + self.outside + self.filtered + self.duplicates
        if self.read != known:
            raise AssertionError(f"{dataset}: rows do not add up: {self}")


@dataclass(slots=True)
class Conformed:
    """One batch after conforming: what lands, and what does not with all its reasons."""

    landed: pl.DataFrame
    rejects: pl.DataFrame
    raw: list[str] = field(default_factory=list)

    def without_landed(self) -> "Conformed":
        """Return the rejects alone: rows that have been written need no memory."""
        return replace(self, landed=self.landed.clear())


REJECTS_SCHEMA = {"record": pl.Int64(), "reasons": pl.List(pl.String())}


class Conformer:
    """Conforms the batches of one result and keeps count."""

    def __init__(
        self,
        layout: HeaderMatch,
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
        self._stamps = {
            RUN_ID: pl.lit(run_id, pl.String()),
            EXPORTED_AT: pl.lit(exported_at, UTC_TYPE),
        }

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

    def conform(self, text: pl.DataFrame, ragged: Sequence[str] = ()) -> Conformed:
        """Type one batch of text, separate the rejects, and keep only rows of the window."""
        # It is not known where rows with too few or too many fields stood: no numbers after them.
        self._is_numbered = self._is_numbered and not ragged
        first_record = self.counts.read + 1 if self._is_numbered else None
        self.counts.read += len(text) + len(ragged)
        typed = self._cast(text)
        problems = self._problems(text, typed)
        if self._rules:
            computed = self._rules.compute(typed)
            typed, problems = computed.rows, problems | computed.problems
        rejects, raw = self._reject(text, problems, first_record)
        if problems:
            typed = typed.filter(~pl.any_horizontal(problems.values()))
        rows = self._within(typed)
        if self._rules:
            rows = self._chosen(self._rules, rows)
        landed = rows.with_columns(**self._stamps)
        self.counts.landed += len(landed)
        self.counts.rejected += len(rejects) + len(ragged)
        if ragged:
            unread = {"record": [None] * len(ragged), "reasons": [[RAGGED]] * len(ragged)}
            rejects = pl.concat([rejects, pl.DataFrame(unread, REJECTS_SCHEMA)])
            raw += self._kept(ragged)
        return Conformed(landed, rejects, raw)

    def unchanged(self, table: pa.Table) -> pa.Table:
        """Return the columns of a batch's table that land as they were read, if no row is left out.

        The writer takes them as they are; text of a frame it would have to copy.
        """
        can_change = self._rules is not None and self._rules.transform is not None
        found = {
            column.name: table[header]
            for header, column in self._layout.present
            if column.type is ColumnType.STRING and not can_change
        }
        return pa.table(found)

    def _cast(self, text: pl.DataFrame) -> pl.DataFrame:
        """Type all columns; values that do not fit are null."""
        # Columns of times are read right here, before the frame's own query.
        before = sum(casting.repeated for casting in self._casts)
        present = [
            casting.of(text[header]).alias(column.name)
            for (header, column), casting in zip(self._layout.present, self._casts, strict=True)
        ]
        absent = [
            pl.lit(None, POLARS_TYPES[column.type]).alias(column.name)
            for column in self._layout.absent
        ]
        typed = text.select(*present, *absent)
        self.counts.repeated_hour += sum(casting.repeated for casting in self._casts) - before
        return typed

    def _problems(self, text: pl.DataFrame, typed: pl.DataFrame) -> dict[str, pl.Series]:
        """Return masks of the rows that each reason rejects, for the reasons that occur."""
        problems: dict[str, pl.Series] = {}
        for header, column in self._layout.present:
            values = typed[column.name]
            may_be_null = column.nullable and not column.key
            if not values.null_count() or (may_be_null and fits(text[header], values)):
                continue
            wrong = failed(text[header], values)
            problems[f"{column.name}: {NOT}{column.type}"] = wrong
            if not may_be_null:
                problems[f"{column.name}: {NULL}"] = values.is_null() & ~wrong
        if self._window is not None and typed[self._window[0]].null_count():
            nowhere = typed[self._window[0]].is_null()
            for mask in problems.values():
                nowhere &= ~mask
            problems[NO_TIME] = nowhere
        return {reason: mask for reason, mask in problems.items() if mask.any()}

    def _reject(
        self, text: pl.DataFrame, problems: dict[str, pl.Series], first_record: int | None
    ) -> tuple[pl.DataFrame, list[str]]:
        if not problems:
            return pl.DataFrame(schema=REJECTS_SCHEMA), []
        reasons = pl.concat_list(
            pl.when(mask).then(pl.lit(reason)) for reason, mask in problems.items()
        ).list.drop_nulls()
        records = pl.lit(None, pl.Int64).repeat_by(len(text)).explode()
        if first_record is not None:
            records = pl.int_range(first_record, first_record + len(text), dtype=pl.Int64)
        frame = pl.select(records.alias("record"), reasons.alias("reasons"))
        bad = pl.select(pl.any_horizontal(problems.values())).to_series()
        # One JSON object per row; only rejected rows pass through Python, not many at once.
        at_once = max(1, CELLS_AT_ONCE // max(1, text.width))
        raw = self._kept(
            json.dumps(row, ensure_ascii=False)
            for row in text.filter(bad).iter_rows(named=True, buffer_size=at_once)
        )
        return frame.filter(bad), raw

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

    def _chosen(self, rules: Rules, rows: pl.DataFrame) -> pl.DataFrame:
        """Leave out rows as the dataset says, count them, and return the columns that land."""
        window = self._window[1] if self._window else None
        within = (window.start, window.end) if window else None
        chosen = rules.choose(rows, self.columns, within)
        self.counts.filtered += len(rows) - len(chosen)
        return chosen.select(
            pl.col(column.name).cast(POLARS_TYPES[column.type]) for column in self.columns
        )

    def _within(self, typed: pl.DataFrame) -> pl.DataFrame:
        """Keep start <= t < end; count the rows outside, and those that should not have come."""
        if self._window is None or not len(typed):
            return typed
        column, window = self._window
        time = typed[column]
        is_inside = (time >= window.start) & (time < window.end)
        if is_inside.all():
            return typed
        landed = typed.filter(is_inside)
        outside = len(typed) - len(landed)
        self.counts.outside += outside
        self.counts.strayed += outside - int((time == window.end).sum())
        return landed
