"""Looking identities up in a landed inventory: exactly one object, or none. Nothing is guessed.

A row fits the objects that agree with it in all compared columns, ignoring what the sync says. It
is matched if there is one such object, and no other object has the same identity.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.catalogue.specification import describe
from connectors.errors import ConfigurationError, DataRefusedError, StorageError
from connectors.lake import Entry, Lake
from connectors.lake.manifest import SNAPSHOT
from connectors.lake.reading import open_parquet
from connectors.lake.rejects import reject_files
from connectors.lake.storage import storage_errors
from connectors.sources.arrow_texts import as_texts
from connectors.syncs import InventorySpecification, SyncSpecification
from tasks.sync.cells import read_keys
from tasks.sync.select import parquet
from tasks.sync.wanted import compared

UNMATCHED: Final = "unmatched"
AMBIGUOUS: Final = "ambiguous"
_READ_AGAIN: Final = 3
_ROWS_AT_ONCE: Final = 50_000


def latest_inventory(sync: SyncSpecification, lake: Lake, now: datetime) -> Entry:
    """Return the newest snapshot of the sync's inventory; raise if it cannot be relied on.

    A landed snapshot is complete, since a truncated result is refused. What remains to be checked
    is its age, and whether rows were rejected: a second object of the same name may be among them.

    Raises:
        DataRefusedError: there is none, or it is too old, is empty, or had rows rejected.
    """
    of = _inventory(sync)
    manifest = lake.manifest(of.dataset)
    again = f"run nxp export {of.dataset}"
    if manifest is None or not manifest.entries:
        raise DataRefusedError(f"sync {sync.sync}: no {of.dataset} has landed: {again}")
    if manifest.mode != SNAPSHOT:
        raise ConfigurationError(f"sync {sync.sync}: inventory: {of.dataset} is not a snapshot")
    entry = manifest.entries[-1]
    missing = [
        name
        for name in dict.fromkeys((*of.match.values(), of.identity))
        if name not in manifest.schema_columns
    ]
    if missing:
        raise DataRefusedError(
            f"sync {sync.sync}: the landed {of.dataset} has no column {', '.join(missing)}: {again}"
        )
    if now - entry.exported_at > of.max_age:
        raise DataRefusedError(
            f"sync {sync.sync}: {of.dataset} is from {entry.exported_at:%Y-%m-%d %H:%MZ}, older "
            f"than {describe(of.max_age)}: {again}"
        )
    if not entry.rows:
        raise DataRefusedError(f"sync {sync.sync}: the landed {of.dataset} has no rows: {again}")
    rejected = sum(
        len(file.rows())
        for file in reject_files(lake, of.dataset, entry.run_id)
        if file.unit == entry.unit
    )
    if rejected:
        raise DataRefusedError(
            f"sync {sync.sync}: {rejected:,} rows of {of.dataset} were rejected, so a second match "
            f"may be missing: see nxp rejects {of.dataset}, then {again}"
        )
    return entry


def stage_inventory(sync: SyncSpecification, lake: Lake, now: datetime, path: Path) -> datetime:
    """Write the inventory's keys, identities and compared columns (`m0` …); return its time.

    Raises:
        DataRefusedError: as `latest_inventory`.
        StorageError: a landed file cannot be read, or the disk is full.
    """
    for attempt in range(1, _READ_AGAIN + 1):
        entry = latest_inventory(sync, lake, now)
        try:
            _stage(sync, lake, entry, path)
        except (OSError, pa.ArrowException) as error:
            # A newer snapshot may have replaced the file.
            if attempt == _READ_AGAIN:
                raise StorageError(
                    f"sync {sync.sync}: the landed {_inventory(sync).dataset} cannot be read "
                    f"({type(error).__name__}): run nxp export {_inventory(sync).dataset}"
                ) from None
        else:
            return entry.exported_at
    raise AssertionError("unreachable")


def resolved(rows: Path, inventory: Path, compared_columns: int) -> str:
    """Return the SQL that gives each row the key of its object, or the reason why it has none.

    In addition to the rows it returns every key of the inventory, without a record: `silent` marks
    objects that an ambiguous row may have meant.
    """
    names = [f"m{n}" for n in range(compared_columns)]
    columns = ", ".join(names)
    same = " AND ".join(f"rows.{name} = candidates.{name}" for name in names)
    filled = " AND ".join(f"{name} IS NOT NULL" for name in names)
    return f"""
        WITH rows AS (SELECT * FROM {parquet(rows)}),
        inventory AS (SELECT * FROM {parquet(inventory)}),
        bearers AS (
            SELECT key, count(*) AS objects FROM inventory WHERE key IS NOT NULL GROUP BY key
        ),
        candidates AS (
            SELECT {columns}, count(*) AS objects, min(key) AS key, min(identity) AS identity
            FROM inventory WHERE {filled} GROUP BY {columns}
        ),
        judged AS (
            SELECT rows.*, candidates.key AS found, candidates.identity AS found_identity,
                CASE
                    WHEN candidates.objects > 1 OR bearers.objects > 1 THEN '{AMBIGUOUS}'
                    WHEN candidates.key IS NULL THEN '{UNMATCHED}'
                END AS why
            FROM rows LEFT JOIN candidates ON {same}
            LEFT JOIN bearers ON bearers.key = candidates.key
        ),
        meant AS (
            SELECT DISTINCT inventory.key FROM inventory
            SEMI JOIN (SELECT DISTINCT {columns} FROM judged WHERE why = '{AMBIGUOUS}') AS unclear
            USING ({columns}) WHERE key IS NOT NULL
        )
        SELECT * EXCLUDE ({columns}, found, found_identity, why),
            CASE WHEN why IS NULL THEN found END AS key,
            CASE WHEN why IS NULL THEN found_identity END AS identity,
            why AS reason, false AS silent
        FROM judged
        UNION ALL BY NAME
        SELECT key, min(identity) AS identity, key IN (SELECT key FROM meant) AS silent
        FROM inventory WHERE key IS NOT NULL GROUP BY key
    """  # noqa: S608 - names and paths of our own


def _inventory(sync: SyncSpecification) -> InventorySpecification:
    if sync.inventory is None:
        raise AssertionError("only a sync with an inventory looks identities up")
    return sync.inventory


def _stage(sync: SyncSpecification, lake: Lake, entry: Entry, path: Path) -> None:
    of = _inventory(sync)
    names = ["key", "identity", *(f"m{n}" for n in range(len(of.match)))]
    schema = pa.schema([(name, pa.string()) for name in names])
    with storage_errors(path):
        writer = pq.ParquetWriter(path, schema)
    try:
        folder = lake.data_folder(of.dataset)
        for file in entry.files:
            for batch in _read(sync, lake, f"{folder}/{file.path}"):
                table = batch.to_arrow().cast(schema)
                with storage_errors(path):
                    writer.write_table(table)
    finally:
        writer.close()


def _read(sync: SyncSpecification, lake: Lake, path: str) -> Iterator[pl.DataFrame]:
    of, ignore = _inventory(sync), sync.identification.ignore
    columns = list(dict.fromkeys((*of.match.values(), of.identity)))
    with open_parquet(lake, path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
            # In the forms in which sources write values, with which these are compared.
            frame = pl.DataFrame(pa.Table.from_batches([as_texts(batch)]))
            match = frame.select(
                compared(pl.col(column), of.ignore).alias(f"m{n}")
                for n, column in enumerate(of.match.values())
            )
            # The tenant's own spelling is what it knows the object by, with its blanks.
            keys = read_keys(frame[of.identity], ignore).drop("reason")
            spelled = pl.when(pl.col("key").is_not_null()).then(frame[of.identity])
            yield keys.with_columns(spelled.alias("identity"), *match.iter_columns())
