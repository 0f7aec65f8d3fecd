"""From pulled sources to what is wanted: the SELECT, its rows by key, range by range.

Rows are read one by one first (`cells`), written aside with their keys, sorted by DuckDB on disk,
and then met object by object: each row of the select is wanted, says the same as one that is, or
is a reject. Memory is one batch of the select and one range.
"""

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
from tasks.sync.resolve import AMBIGUOUS, UNMATCHED, compared, resolved, stage_inventory
from tasks.sync.select import Selected, closed_database, parquet, read, selected, sql_errors
from tasks.sync.wanted import KEYS, RANGE_KEYS, ROWS, SourceCounts, Wanted

DUPLICATE: Final = "duplicate key"
# Files of a shaping, beside those of the sources, whose names begin with a letter.
_ROWS: Final = "_rows.parquet"
_INVENTORY: Final = "_inventory.parquet"


@dataclass(slots=True)
class Shaped:
    """A sync's rows, read and written aside; `ranges` gives what they want.

    Attributes:
        sync: the sync.
        counts: complete once the last range was read.
        rejects: likewise.
        inventory_at: of when the inventory is that gave the identities, None without one.
    """

    sync: SyncSpecification
    inventory_at: datetime | None
    _folder: Path
    _columns: tuple[str, ...]
    _range_keys: int
    counts: SourceCounts
    rejects: Rejects
    _is_read: bool = field(default=False, init=False)

    def ranges(self) -> Iterator[Wanted]:
        """Read what is wanted, once, in ascending ranges of keys that leave no key out.

        Each has at most RANGE_KEYS keys, and as many listed ones.
        """
        if self._is_read:
            raise RuntimeError("ranges can be read once: they are counted meanwhile")
        self._is_read = True
        with closed_database(self._folder) as database, sql_errors(self.sync, self._folder):
            after: str | None = None
            for last, piece in _pieces(self._sorted(database), self._range_keys, self._condensed):
                yield self._wanted(after, last, piece)
                after = last

    def keep_rejects(self, lake: Lake, run_id: str, at: datetime) -> str | None:
        """Keep the rejects in the lake under the sync's name; returns where, None without any."""
        rows = self._folder / _ROWS
        return self.rejects.write(lake, self.sync.sync, run_id, at, rows, self._columns)

    @property
    def _cells(self) -> list[str]:
        return [cell_name(place) for place in range(len(self.sync.fields))]

    def _sorted(self, database: duckdb.DuckDBPyConnection) -> Iterator[pl.DataFrame]:
        """Read the rows that have a key, sorted by it; those without are told as rejects."""
        rows, of = self._folder / _ROWS, self.sync.inventory
        source = f"FROM {parquet(rows)} SELECT *, false AS silent"
        if of:
            source = resolved(rows, self._folder / _INVENTORY, len(of.match))
        names = ["record", "key", "identity", "reason", "silent", "bad", "not_clearable"]
        columns = ", ".join([*names, *self._cells])
        ordered = f"FROM ({source}) SELECT {columns} ORDER BY key NULLS FIRST, record"
        for frame in read(database.sql(ordered)):
            self._tell_keyless(frame.filter(pl.col("key").is_null()))
            yield frame.drop_nulls("key").drop("reason")

    def _tell_keyless(self, rows: pl.DataFrame) -> None:
        self.rejects.add(rows.select("record", pl.lit("").alias("field"), "reason"))
        reasons = dict(rows["reason"].value_counts().iter_rows())
        self.counts.unmatched += reasons.pop(UNMATCHED, 0)
        self.counts.ambiguous += reasons.pop(AMBIGUOUS, 0)
        self.counts.without_key += sum(reasons.values())

    def _condensed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep of one key's rows so many that it shows whether they contradict each other."""
        said = rows.drop_nulls("record").sort("bad", descending=True, maintain_order=True)
        said = said.unique(self._cells, keep="first", maintain_order=True)
        self._tell_duplicates(said.slice(2))
        return pl.concat([said.head(2), rows.filter(pl.col("record").is_null()).head(1)])

    def _tell_duplicates(self, rows: pl.DataFrame) -> None:
        told = rows.select("record", field=pl.lit(""), reason=pl.lit(DUPLICATE))
        self.rejects.add(told.drop_nulls("record"))

    def _wanted(self, after: str | None, up_to: str | None, piece: pl.DataFrame) -> Wanted:
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
        self._tell_duplicates(rows.join(contradictory, on="key", how="semi"))
        self.counts.keys += come.height
        self.counts.duplicates += contradictory.height
        self.counts.bad_values += int(clear["bad"].sum())
        self.counts.not_clearable += int(clear["not_clearable"].sum())
        said = rows.join(clear, on="key", how="semi").unique("key", keep="first")
        return Wanted(
            after,
            up_to,
            come.select(*KEYS),
            self._long(said),
            objects["key"] if self.sync.inventory else None,
        )

    def _long(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give each cell that says something a row of its own, sorted by key and field."""
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
    """Shape what was pulled; all rows are read, none is compared yet.

    Args:
        sync: the sync.
        pulled: its sources, in files of the folder.
        lake: where the inventory has landed.
        folder: the run's private folder; what is written there goes when this ends.
        now: the time, for the age of the inventory.
        range_keys: how many keys a range has at most.

    Raises:
        ConfigurationError: the SQL does not fit the sources, or fails on a row.
        DataRefusedError: there is no inventory that can be relied on.
        StorageError: the disk is full, or a landed file cannot be read.
    """
    rejects = Rejects()
    counts = SourceCounts(is_complete=pulled.is_complete, is_full=pulled.is_full)
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
    """Read all rows of the select and write them with keys and cells; returns how many."""
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
    """Add record, keys and cells to a batch of the select, and take its rejects."""
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
        keys = pl.DataFrame([compared(batch[f"s{p}"]).alias(f"m{n}") for n, p in enumerate(places)])
    else:
        keys = read_keys(batch[f"s{select.places['identification']}"])
    record = pl.int_range(first, first + batch.height, eager=True).alias("record")
    return pl.concat([batch, said.cells, keys, record.to_frame()], how="horizontal")


def _pieces(
    batches: Iterator[pl.DataFrame],
    most: int,
    condensed: Callable[[pl.DataFrame], pl.DataFrame],
) -> Iterator[tuple[str | None, pl.DataFrame]]:
    """Cut sorted rows where a key ends, with the last key of each piece, None of the last."""
    held = next(batches)
    for batch in batches:
        held = pl.concat([held, batch])
        # The last key may go on in the next batch.
        while end := _end(held["key"], most):
            yield held["key"][end - 1], held.head(end)
            held = held.slice(end)
        if held.height > most and held["key"].n_unique() == 1:
            held = condensed(held)
    yield None, held


def _end(keys: pl.Series, most: int) -> int | None:
    """Say how many of these sorted rows make a piece; None: not yet enough are known."""
    begins = (keys != keys.shift()).fill_null(value=True).arg_true()
    if begins.len() > most:
        return int(begins[most])
    # Few keys of many rows.
    return int(begins[-1]) if begins.len() > 1 and keys.len() > 2 * most else None
