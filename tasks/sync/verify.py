"""Reading back what Nexthink holds, by an export, and comparing it with what it acknowledged.

An acknowledgement does not guarantee the value, and people edit fields: only a read-back shows it.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from connectors.errors import DataRefusedError
from connectors.lake.records import write_rejects
from connectors.ledger import Lease
from connectors.ledger.enriched import KNOWN, ValueState
from connectors.nexthink.results.result_file import ResultFile
from tasks.exports.export import Result
from tasks.exports.saved_query import export_query
from tasks.runs.progress import Progress, tell
from tasks.sync.comparison import REASON, Comparison, compare
from tasks.sync.lost_answers import acknowledge_shown
from tasks.sync.readback import columns_of, read_back
from tasks.sync.run import SyncRun
from tasks.sync.settled import READ_BACK, retry_at

logger = logging.getLogger(__name__)

PAGE_ROWS: Final = 200_000
# With fewer keys, one laptop that was sold may be half of all.
FEW_KEYS: Final = 20


@dataclass(frozen=True, slots=True)
class Verified:
    """How what Nexthink holds compares with what was sent, in counts of values.

    `compared` values were acknowledged: `confirmed` read back as sent, `differs` read back as
    another value, `not_found` belong to objects that were not read back. `waiting` values are not
    acknowledged. `rows` and `objects` count what was read back; `confirmed_objects` had no answer
    and read back as sent.
    """

    exported_at: datetime
    rows: int
    objects: int
    compared: int
    confirmed: int
    differs: int
    not_found: int
    waiting: int
    seconds: float
    confirmed_objects: int = 0

    @property
    def convergence(self) -> float:
        """Return the percentage of the values to be sent that Nexthink holds."""
        of = self.compared + self.waiting
        return round(100 * self.confirmed / of, 3) if of else 100.0


def verify_sync(run: SyncRun, lease: Lease, *, sent_at: datetime | None) -> Verified:
    """Compare all that was written with what is read back; a value that differs is no longer ours.

    Args:
        run: the run of a sync with `verify`.
        lease: on the sync.
        sent_at: when this run last sent values; they show only after a while.

    Raises:
        DataRefusedError: the result is incomplete, or is about other objects; nothing has changed.
        HeldError: another run took the sync over.
        UnavailableError: the tenant or the ledger cannot be reached.
    """
    specification = run.specification
    if specification.verify is None:
        raise AssertionError("a sync is verified by its saved query")
    _wait(run, sent_at)
    began = time.monotonic()
    result = _export(run, specification.verify.query_id)
    file, fields = ResultFile(result.path), list(specification.fields)
    columns = columns_of(
        file.header, specification.identification.name, fields, specification.verify.query_id
    )
    pages = _Written(run)
    compared = compare(
        pages.read(),
        read_back(file, columns, run.chosen.tenant.time_zone),
        fields=fields,
        folder=run.folder(),
    )
    _check(run, specification.verify.query_id, compared)
    lease.check()
    _keep(run, compared)
    return Verified(
        exported_at=result.export.started_at,
        rows=compared.rows,
        objects=compared.objects,
        compared=compared.values + compared.settled_values,
        confirmed=compared.values + compared.settled_values - compared.differs - compared.not_found,
        differs=compared.differs,
        not_found=compared.not_found,
        waiting=pages.waiting - compared.settled_values,
        seconds=round(time.monotonic() - began, 3),
        confirmed_objects=compared.settled_objects,
    )


class _Written:
    """What was written to a sync's mapped fields, page by page; counts the waiting values."""

    def __init__(self, run: SyncRun) -> None:
        self.waiting = 0
        self._run = run

    def read(self) -> Iterator[pl.DataFrame]:
        enriched, sync = self._run.ledger.enriched, self._run.sync
        fields = list(self._run.specification.fields)
        after: str | None = None
        while True:
            up_to = enriched.key_at(sync, after, None, PAGE_ROWS)
            page = enriched.read(sync, after, up_to).filter(pl.col("field").is_in(fields))
            state = pl.col("state")
            self.waiting += page.filter(state != ValueState.ACKNOWLEDGED).height
            tell(Progress(sync, "read-back", "comparing", page.height))
            yield page.filter(pl.col("value").is_not_null() | (state == ValueState.OPEN))
            if up_to is None:
                return
            after = up_to


def _wait(run: SyncRun, sent_at: datetime | None) -> None:
    verify = run.specification.verify
    if sent_at is None or verify is None:
        return
    left = (sent_at + verify.after - run.tools.clock()).total_seconds()
    if left > 0:
        tell(Progress(run.sync, "read-back", "waiting until values show"))
        run.stop.sleep(left)


def _export(run: SyncRun, query_id: str) -> Result:
    return export_query(run.tools, run.sync, f"verify-{run.run_id}", query_id, run.folder())


def _check(run: SyncRun, query_id: str, compared: Comparison) -> None:
    """Refuse a result that cannot be complete: a filtered query would make most values unknown."""
    if not compared.keys:
        return
    few = compared.keys >= FEW_KEYS and compared.found * 2 < compared.keys
    if few or not compared.rows:
        raise DataRefusedError(
            f"{run.sync}: {query_id} reads back {compared.rows:,} objects, among them "
            f"{compared.found:,} of {compared.keys:,} that have values: it has to list all "
            "objects, without filters, with the field that identifies them in the sync; nothing "
            "was compared"
        )


def _keep(run: SyncRun, compared: Comparison) -> None:
    """Record what differs, and list it; record what is confirmed."""
    now = run.tools.clock()
    for number, page in enumerate(_pages(compared.differing)):
        _list(run, number, page)
        run.ledger.enriched.save(run.sync, _unknown(page, now))
    for number, page in enumerate(_pages(compared.settled)):
        acknowledge_shown(run, number, page, now)
    for page in _pages(compared.confirmed):
        run.ledger.enriched.save(run.sync, page.with_columns(attempts=pl.lit(0, pl.Int64)))


def _pages(path: Path) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PAGE_ROWS):
            yield pl.DataFrame(batch)


def _unknown(page: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Drop values that are no longer there, so that a sync never empties another person's value.

    An acknowledged value is tried again after a while, an open one at once; a refused one stays
    refused.
    """
    state = pl.col("state")
    is_taken, is_open = state == ValueState.ACKNOWLEDGED.value, state == ValueState.OPEN.value
    attempts = pl.col("attempts") + 1
    again = retry_at(attempts, now)
    changes = {
        "open_value": pl.col("value"),
        "code": pl.lit(READ_BACK),
        "attempts": attempts,
        "retry_at": again,
    }
    unknown = pl.lit(ValueState.UNKNOWN.value)
    return page.with_columns(
        pl.lit(None, pl.String).alias("value"),
        pl.lit(None, KNOWN["acknowledged_at"]).alias("acknowledged_at"),
        pl.when(is_taken | is_open).then(unknown).otherwise(state).alias("state"),
        *(
            pl.when(is_taken).then(change).otherwise(pl.col(name)).alias(name)
            for name, change in changes.items()
        ),
    ).select(*KNOWN)


def _list(run: SyncRun, number: int, page: pl.DataFrame) -> None:
    text = pl.concat_str("field", pl.lit(": "), REASON)
    write_rejects(
        run.lake,
        run.sync,
        f"{run.started_at:%Y%m%dT%H%M%SZ}-0-{number}",
        run.run_id,
        page.select(record=pl.lit(None, pl.Int64), reasons=pl.concat_list(text)).to_arrow(),
        page["identity"].to_list(),
    )
