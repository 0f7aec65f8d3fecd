"""What the tenant holds in a sync's fields: read by one export, kept in a file of the run's folder.

One read serves the plan, the check right before sending, and the verification of what earlier runs
have sent.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow.parquet as pq

from connectors.errors import ConfigurationError, DataRefusedError
from connectors.ledger import SyncRecord
from connectors.locked_duckdb import CLOSED
from connectors.nexthink.fields import nql_name
from connectors.nexthink.results.result_file import ResultFile
from connectors.quoting import quoted_text
from connectors.syncs import SyncSpecification, unreadable
from tasks.exports.saved_query import export_query
from tasks.runs.progress import Progress, tell
from tasks.sync.asked import RETIRE
from tasks.sync.readback import KEY, columns_of, read_back
from tasks.sync.run import SyncRun

logger = logging.getLogger(__name__)

# Sending begins so soon after a read; what takes longer reads again.
FRESH: Final = timedelta(minutes=15)
# A tenant is read so often even if there is nothing to send, so that edits are noticed.
AT_LEAST_EVERY: Final = timedelta(days=1)
SHOWN: Final = "shown"
PAGE_ROWS: Final = 200_000
_MEMORY: Final = "512MB"


@dataclass(frozen=True, slots=True)
class TenantValues:
    """The values of all objects: `path` has KEY and a text per field, by key; "" is no value.

    Objects that share a key have a row each. `read_at` is when the export began; `number` counts
    the reads of a run; `fields` are those that were read.
    """

    path: Path
    read_at: datetime
    rows: int
    number: int = 0
    fields: tuple[str, ...] = ()

    def of(self, keys: pl.Series, fields: Iterable[str]) -> pl.DataFrame:
        """Return key, field and `shown` of some keys; what was not read has no row."""
        names = [name for name in dict.fromkeys(fields) if name in self.fields]
        if keys.is_empty() or not names:
            return pl.DataFrame(schema=dict.fromkeys((KEY, "field", SHOWN), pl.String))
        between = pl.col(KEY).is_between(pl.lit(keys.min()), pl.lit(keys.max()))
        wide = pl.scan_parquet(self.path).filter(between).select(KEY, *names).collect()
        return wide.filter(pl.col(KEY).is_in(keys.implode())).unpivot(
            names, index=KEY, variable_name="field", value_name=SHOWN
        )

    def pages(self) -> Iterator[pl.DataFrame]:
        """Yield all rows, in pages."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(PAGE_ROWS):
                yield pl.DataFrame(batch)

    def is_fresh(self, now: datetime) -> bool:
        """Return whether sending may still begin by it."""
        return now - self.read_at < FRESH


def kept_values(
    pages: Iterable[pl.DataFrame], fields: Iterable[str], read_at: datetime, folder: Path
) -> TenantValues:
    """Write what was read to a file of `folder`, by key."""
    names = tuple(fields)
    schema = dict.fromkeys((KEY, *names), pl.String)
    number = len(list(folder.glob("held-*.parquet")))
    path, rows = folder / f"held-{number}.parquet", 0
    typed = (page.select(pl.col(name).cast(pl.String) for name in schema) for page in pages)
    first = next(typed, pl.DataFrame(schema=schema))
    second = next(typed, None)
    if second is None:
        first.sort(KEY).write_parquet(path)
        return TenantValues(path, read_at, first.height, number, names)
    unsorted = folder / "unsorted.parquet"
    with pq.ParquetWriter(unsorted, pl.DataFrame(schema=schema).to_arrow().schema) as writer:
        for page in chain((first, second), typed):
            rows += page.height
            writer.write_table(page.to_arrow())
    _sort(unsorted, path, folder)
    return TenantValues(path, read_at, rows, number, names)


def _sort(unsorted: Path, path: Path, folder: Path) -> None:
    """Sort a file by key, in bounded memory."""
    settings = {**CLOSED, "memory_limit": _MEMORY, "temp_directory": str(folder / "spill")}
    with closing(duckdb.connect(":memory:", config=settings)) as connection:
        connection.read_parquet(str(unsorted)).create_view("unsorted")
        target = quoted_text(str(path))
        connection.execute(f"COPY (FROM unsorted ORDER BY {KEY}) TO {target} (FORMAT parquet)")
    unsorted.unlink()


def read_tenant(run: SyncRun) -> TenantValues:
    """Read what the tenant holds, by an export of the sync's `verify` query.

    Raises:
        DataRefusedError: the result is truncated or damaged, or lacks a field or all objects.
        UnavailableError: the tenant cannot be reached, or a limit is used up.
    """
    verify, folder = run.specification.verify, run.folder()
    if verify is None:
        raise AssertionError("a sync is read back by its saved query")
    tell(Progress(run.sync, "read", "reading what the tenant holds"))
    number = len(list(folder.glob("held-*.parquet")))
    unit = f"read-{run.run_id}-{number}"
    result = export_query(run.tools, run.sync, unit, verify.query_id, folder)
    file = ResultFile(result.path)
    fields = _listed(run, file.header, verify.query_id)
    by = run.specification.identification
    columns = columns_of(file.header, by.name, fields, verify.query_id)
    pages = read_back(file, columns, run.chosen.tenant.time_zone, by.ignore)
    values = kept_values(pages, fields, result.export.started_at, folder)
    result.path.unlink(missing_ok=True)
    if not values.rows:
        raise DataRefusedError(
            f"{run.sync}: {verify.query_id} reads back 0 objects: it has to list all objects, "
            "without filters, with the field that identifies them in the sync; nothing was "
            "compared, and nothing was sent"
        )
    run.ledger.syncs.mark_read(run.sync, values.read_at)
    return values


def _listed(run: SyncRun, header: Iterable[str], query_id: str) -> list[str]:
    """Return the fields to read: a custom field that does not exist cannot be listed by a query."""
    wanted, shown = fields_read(run), {name.lower() for name in header}
    unlisted = [name for name in wanted if nql_name(name).lower() not in shown]
    is_foreign = len(unlisted) == len(wanted) or any("#" not in name for name in unlisted)
    if not unlisted or is_foreign:
        # What is missing in a query that is not of this sync is named by what reads it.
        return wanted
    blind = run.specification.verify.blind if run.specification.verify else ()
    for name in unlisted:
        done = "first values are set without a look" if name in blind else "its values wait"
        words = "%s: %s does not list %s: %s, and none is changed or emptied"
        logger.warning(words, run.sync, query_id, nql_name(name), done)
    return [name for name in wanted if name not in unlisted]


def fields_read(run: SyncRun) -> list[str]:
    """Return the fields that are read: all, or only what can be emptied if that is all."""
    fields = run.specification.api_fields
    return [
        name for name, field in fields.items() if run.trigger != RETIRE or field.clear is not None
    ]


def is_long_unread(record: SyncRecord, now: datetime) -> bool:
    """Return whether the tenant has not been read for AT_LEAST_EVERY."""
    return record.read_at is None or now - record.read_at >= AT_LEAST_EVERY


def check_readable(specification: SyncSpecification) -> None:
    """Raise unless the tenant's values can be read before anything is sent.

    Raises:
        ConfigurationError: the sync has no `verify`; the message says how it gets one.
    """
    if problem := unreadable(specification):
        raise ConfigurationError(problem)
