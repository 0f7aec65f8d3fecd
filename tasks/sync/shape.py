"""From pulled sources to what is wanted: the SELECT, its rows by key, range by range.

Rows are first read batch by batch (`cells`), written to a file with their keys and sorted by DuckDB
on disk. Then the rows of each object come together: each row of the SELECT is wanted, says the same
as a wanted one, or is a reject. It takes the memory of one batch of the SELECT and of one range.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake import Lake
from connectors.lake.storage import storage_errors
from connectors.syncs import SyncSpecification
from tasks.sync.cells import cell_name, read_cells, read_keys
from tasks.sync.pull import Pulled
from tasks.sync.rejects import Rejects
from tasks.sync.resolve import AMBIGUOUS, UNMATCHED, resolved, stage_inventory
from tasks.sync.select import Selected, closed_database, parquet, read, selected, sql_errors
from tasks.sync.wanted import KEYS, RANGE_KEYS, ROWS, SourceCounts, WantedRange, compared

DUPLICATE: Final = "duplicate key"
# Files of a shaping, next to those of the sources, whose names begin with a letter.
_ROWS: Final = "_rows.parquet"
_INVENTORY: Final = "_inventory.parquet"


@dataclass(slots=True)
class Shaped:
    """A sync's rows, read and staged in files; `ranges` yields what they want.

    Attributes:
        sync: the sync.
        counts: complete once the last range has been read.
        rejects: likewise.
        inventory_at: when the inventory that gave the identities was exported, None without one.
    """

    sync: SyncSpecification
    inventory_at: datetime | None
    _folder: Path
    _columns: tuple[str, ...]
    _range_keys: int
    counts: SourceCounts
    rejects: Rejects
    _is_read: bool = field(default=False, init=False)
    _given: Counter[str] = field(default_factory=Counter, init=False, repr=False)

    def ranges(self) -> Iterator[WantedRange]:
        """Yield what is wanted, once, in ascending ranges that together cover all keys.

        Each has at most RANGE_KEYS keys, and at most as many listed ones.
        """
        if self._is_read:
            raise RuntimeError("ranges can be read only once: reading them counts them")
        self._is_read = True
        with closed_database(self._folder) as database, sql_errors(self.sync, self._folder):
            after: str | None = None
            for last, piece in _pieces(self._sorted(database), self._range_keys, self._condensed):
                yield self._wanted(after, last, piece)
                after = last
        bad = {name for name, _ in self.rejects.reasons if name}
        if self.counts.is_full:
            self.counts.refused_fields = tuple(sorted(bad - self._given.keys()))

    def keep_rejects(self, lake: Lake, run_id: str, at: datetime) -> str | None:
        """Write the rejects to the lake under the sync's name; return where, None if none."""
        return self.rejects.write(
            lake,
            sync=self.sync.sync,
            run_id=run_id,
            at=at,
            rows=self._folder / _ROWS,
            columns=self._columns,
        )

    @property
    def _cells(self) -> list[str]:
        return [cell_name(place) for place in range(len(self.sync.fields))]

    def _sorted(self, database: duckdb.DuckDBPyConnection) -> Iterator[pl.DataFrame]:
        """Yield the rows that have a key, sorted by it; the others become rejects."""
        rows, of = self._folder / _ROWS, self.sync.inventory
        source = f"FROM {parquet(rows)} SELECT *, false AS silent"
        if of:
            source = resolved(rows, self._folder / _INVENTORY, len(of.match))
        names = ["record", "key", "identity", "reason", "silent", "bad", "not_clearable"]
        columns = ", ".join([*names, *self._cells])
        ordered = f"FROM ({source}) SELECT {columns} ORDER BY key NULLS FIRST, record"
        for frame in read(database.sql(ordered)):
            self._reject_keyless(frame.filter(pl.col("key").is_null()))
            yield frame.drop_nulls("key").drop("reason")

    def _reject_keyless(self, rows: pl.DataFrame) -> None:
        self.rejects.add(rows.select("record", pl.lit("").alias("field"), "reason"))
        reasons = dict(rows["reason"].value_counts().iter_rows())
        self.counts.unmatched += reasons.pop(UNMATCHED, 0)
        self.counts.ambiguous += reasons.pop(AMBIGUOUS, 0)
        self.counts.without_key += sum(reasons.values())

    def _condensed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Reduce one key's rows to a few that still show whether the rows contradict each other."""
        distinct = rows.drop_nulls("record").sort("bad", descending=True, maintain_order=True)
        distinct = distinct.unique(self._cells, keep="first", maintain_order=True)
        self._reject_duplicates(distinct.slice(2))
        return pl.concat([distinct.head(2), rows.filter(pl.col("record").is_null()).head(1)])

    def _reject_duplicates(self, rows: pl.DataFrame) -> None:
        rejects = rows.select("record", field=pl.lit(""), reason=pl.lit(DUPLICATE))
        self.rejects.add(rejects.drop_nulls("record"))

    def _wanted(self, after: str | None, up_to: str | None, piece: pl.DataFrame) -> WantedRange:
        """Make one object of the rows of each key."""
        is_row = pl.col("record").is_not_null()
        objects = piece.group_by("key", maintain_order=True).agg(
            pl.col("identity").min(),
            pl.struct(self._cells).filter(is_row).n_unique().alias("sayings"),
            pl.col("silent").any(),
            pl.col("bad").filter(is_row).any(),
            pl.col("not_clearable").filter(is_row).any(),
        )
        come = objects.filter((pl.col("sayings") > 0) | pl.col("silent"))
        contradictory = come.filter(pl.col("sayings") > 1)
        clear = come.filter(pl.col("sayings") == 1)
        rows = piece.filter(is_row)
        self._reject_duplicates(rows.join(contradictory, on="key", how="semi"))
        self.counts.keys += come.height
        self.counts.duplicates += contradictory.height
        self.counts.bad_values += int(clear["bad"].sum())
        self.counts.not_clearable += int(clear["not_clearable"].sum())
        agreed = rows.join(clear, on="key", how="semi").unique("key", keep="first")
        cells = self._long(agreed)
        self._given.update(dict(cells["field"].value_counts().iter_rows()))
        return WantedRange(
            after,
            up_to,
            come.select(*KEYS),
            cells,
            objects["key"] if self.sync.inventory else None,
        )

    def _long(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return one row for each cell that says something, sorted by key and field."""
        names = dict(zip(self._cells, self.sync.fields, strict=True))
        cells = rows.select("key", *self._cells).rename(names)
        long = cells.unpivot(index="key", variable_name="field", value_name="value")
        return (
            long.drop_nulls("value")
            .select(pl.col(n).cast(k) for n, k in ROWS.items())
            .sort("key", "field")
        )


@contextmanager
def shaped(
    sync: SyncSpecification,
    pulled: Pulled,
    lake: Lake,
    folder: Path,
    now: datetime,
    *,
    range_keys: int = RANGE_KEYS,
) -> Iterator[Shaped]:
    """Shape what was pulled: all rows are read, and none is compared yet.

    Args:
        sync: the sync.
        pulled: its sources, in files of the folder.
        lake: where the inventory has landed.
        folder: the run's private folder; what this writes there is deleted at its end.
        now: the time, for the age of the inventory.
        range_keys: the most keys of a range.

    Raises:
        ConfigurationError: the SQL does not fit the sources, or fails on a row.
        DataRefusedError: there is no inventory that can be relied on.
        StorageError: the disk is full, or a landed file cannot be read.
    """
    rejects = Rejects()
    counts = SourceCounts(
        is_complete=pulled.is_complete, is_full=pulled.is_full, notes=pulled.notes
    )
    try:
        at = None
        if sync.inventory:
            at = stage_inventory(sync, lake, now, folder / _INVENTORY)
        with selected(sync, pulled, folder) as select:
            counts.rows = _write_rows(sync, select, folder / _ROWS, rejects)
            columns = select.columns
        yield Shaped(sync, at, folder, columns, range_keys, counts, rejects)
    finally:
        for name in (_ROWS, _INVENTORY):
            (folder / name).unlink(missing_ok=True)


def _write_rows(sync: SyncSpecification, select: Selected, path: Path, rejects: Rejects) -> int:
    """Read all rows of the SELECT and write them with keys and cells; return how many."""
    texts = [*(f"s{n}" for n in range(len(select.columns)))]
    cells = [cell_name(n) for n in range(len(sync.fields))]
    keys = ["key", "identity", "reason"]
    if sync.inventory:
        keys = [f"m{n}" for n in range(len(sync.inventory.match))]
    kinds = {"record": pa.int64(), "bad": pa.bool_(), "not_clearable": pa.bool_()}
    names = ["record", *keys, "bad", "not_clearable", *cells, *texts]
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    count = 0
    with storage_errors(path):
        writer = pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)
    try:
        for batch in select.batches():
            frame = _with_cells(sync, select, batch, count + 1, rejects)
            count += batch.height
            with storage_errors(path):
                writer.write_table(frame.select(names).to_arrow().cast(schema))
    finally:
        with storage_errors(path):
            writer.close()
    return count


def _with_cells(
    sync: SyncSpecification, select: Selected, batch: pl.DataFrame, first: int, rejects: Rejects
) -> pl.DataFrame:
    """Return a batch of the SELECT with record, keys and cells added; collect its rejects."""
    texts = [batch[f"s{select.places[name]}"].alias(f"t{n}") for n, name in enumerate(sync.fields)]
    clears = {
        name: batch[f"k{n}"]
        for n, (name, mapping) in enumerate(sync.fields.items())
        if mapping.clear_when is not None
    }
    said = read_cells(sync, pl.DataFrame(texts), pl.DataFrame(clears))
    rejects.add(said.rejects.with_columns(record=pl.col("row").cast(pl.Int64) + first))
    if sync.inventory:
        places = [select.places[f"match.{name}"] for name in sync.inventory.match]
        ignore = sync.inventory.ignore
        keys = batch.select(
            compared(pl.col(f"s{place}"), ignore).alias(f"m{n}") for n, place in enumerate(places)
        )
    else:
        identities = batch[f"s{select.places['identification']}"]
        keys = read_keys(identities, sync.identification.ignore)
    record = pl.int_range(first, first + batch.height, eager=True).alias("record")
    return pl.concat([batch, said.cells, keys, record.to_frame()], how="horizontal")


def _pieces(
    batches: Iterator[pl.DataFrame],
    most: int,
    condensed: Callable[[pl.DataFrame], pl.DataFrame],
) -> Iterator[tuple[str | None, pl.DataFrame]]:
    """Cut sorted rows where a key ends; yield each piece with its last key, None for the last."""
    held = next(batches)
    for batch in batches:
        held = pl.concat([held, batch])
        # The last key may continue in the next batch.
        while end := _end(held["key"], most):
            yield held["key"][end - 1], held.head(end)
            held = held.slice(end)
        if held.height > most and held["key"].n_unique() == 1:
            held = condensed(held)
    yield None, held


def _end(keys: pl.Series, most: int) -> int | None:
    """Return how many of these sorted rows make a piece; None if too few are known yet."""
    begins = (keys != keys.shift()).fill_null(value=True).arg_true()
    if begins.len() > most:
        return int(begins[most])
    # Few keys of many rows.
    return int(begins[-1]) if begins.len() > 1 and keys.len() > 2 * most else None
