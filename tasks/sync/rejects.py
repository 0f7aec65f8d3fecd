"""Values of the sources that cannot be used: row, field, reason; the rows' text stays private."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from connectors.lake import Lake
from connectors.lake.lake import unit_name
from connectors.lake.records import write_rejects

# Rejects beyond this number are only counted.
MOST_KEPT: Final = 100_000
SCHEMA: Final = {"record": pl.Int64, "field": pl.String, "reason": pl.String}


@dataclass(slots=True)
class Rejects:
    """The rejects of one shaping, collected as they are found.

    Attributes:
        reasons: the number of all rejects, by field ("" for a whole row) and reason.
    """

    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    _kept: list[pl.DataFrame] = field(default_factory=list, repr=False)
    _room: int = MOST_KEPT

    def add(self, rejects: pl.DataFrame) -> None:
        """Add rejects (record, field, reason)."""
        for name, reason, count in rejects.group_by("field", "reason").len().iter_rows():
            self.reasons[name, reason] += count
        kept = rejects.head(self._room)
        self._room -= kept.height
        if kept.height:
            self._kept.append(kept.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()))

    @property
    def frame(self) -> pl.DataFrame:
        """The kept rejects: record (row of the SELECT, from 1), field or "", reason."""
        return pl.concat([pl.DataFrame(schema=SCHEMA), *self._kept]).sort("record", "field")

    def write(
        self,
        lake: Lake,
        *,
        sync: str,
        run_id: str,
        at: datetime,
        rows: Path,
        columns: Sequence[str],
    ) -> str | None:
        """Write them to the lake, by row, with the rows' text in a file for its owner only.

        Args:
            lake: the tenant's lake.
            sync: the sync's name.
            run_id: the run that rejected them.
            at: part of the file's name, together with the run.
            rows: Parquet with `record` and the SELECT's columns as `s0` ….
            columns: the names of those columns.

        Returns:
            Where they are, None if there are none.
        """
        frame = self.frame
        if frame.is_empty():
            return None
        of_field = pl.concat_str("field", pl.lit(": "), "reason")
        reason = pl.when(pl.col("field") == "").then("reason").otherwise(of_field)
        by_row = frame.group_by("record", maintain_order=True).agg(reason.alias("reasons"))
        raw = dict(_texts(rows, columns, by_row["record"]))
        text = [raw[record] for record in by_row["record"]]
        return write_rejects(lake, sync, unit_name(at), run_id, by_row.to_arrow(), text)


def _texts(rows: Path, columns: Sequence[str], records: pl.Series) -> Iterator[tuple[int, str]]:
    """Yield rows as JSON, by record."""
    names = [f"s{place}" for place in range(len(columns))]
    wanted = records.implode()
    with pq.ParquetFile(rows) as file:
        for batch in file.iter_batches(columns=["record", *names]):
            frame = pl.DataFrame(batch).filter(pl.col("record").is_in(wanted))
            for record, *values in frame.iter_rows():
                row = dict(zip(columns, values, strict=True))
                yield record, json.dumps(row, ensure_ascii=False)
