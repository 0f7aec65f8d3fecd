"""Reading back what Nexthink holds, by an export, and comparing it with what it acknowledged.

An acknowledgement does not guarantee the value, and people edit fields: only a read-back shows it.
"""

import logging
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from connectors.errors import DataRefusedError
from connectors.lake.records import write_rejects
from connectors.ledger import Lease
from connectors.ledger.enriched import KNOWN, ValueState
from tasks.runs.progress import Progress, tell
from tasks.sync.comparison import (
    DIFFERS,
    IS_BACK,
    IS_YOUNG,
    REASON,
    THEIRS,
    ReadbackComparison,
    compare,
)
from tasks.sync.conflicts import US
from tasks.sync.lost_answers import acknowledge_restored, acknowledge_shown
from tasks.sync.run import SyncRun
from tasks.sync.settled import READ_BACK, retry_at
from tasks.sync.tenant_values import PAGE_ROWS, TenantValues, read_tenant
from tasks.sync.verified import Verified

logger = logging.getLogger(__name__)

# More than one read has, so that the files of two reads of a run have different numbers.
_PAGES: Final = 1_000
# With fewer keys, one laptop that was sold may be half of all.
FEW_KEYS: Final = 20


def verify_sync(run: SyncRun, lease: Lease, *, sent_at: datetime | None) -> Verified:
    """Read the tenant, and compare all that was written: see `verify_values`.

    Args:
        run: the run of a sync with `verify`.
        lease: on the sync.
        sent_at: when this run last sent values; they show only after a while.

    Raises:
        DataRefusedError: the result is incomplete, or is about other objects; nothing has changed.
        HeldError: another run took the sync over.
        UnavailableError: the tenant or the ledger cannot be reached.
    """
    _wait(run, sent_at)
    values = read_tenant(run)
    lease.check()
    return verify_values(run, values)


def verify_values(run: SyncRun, values: TenantValues) -> Verified:
    """Compare all that was written with what was read; a value that differs is no longer ours.

    What others have set is left alone from now on; what stood there before ours is tried again.

    Raises:
        DataRefusedError: what was read is incomplete, or is about other objects; nothing changed.
    """
    specification = run.specification
    if specification.verify is None:
        raise AssertionError("a sync is verified by its saved query")
    began = time.monotonic()
    restored = acknowledge_restored(run, values)
    pages = _Written(run, values.fields)
    compared = compare(
        pages.read(),
        values.pages(),
        fields=list(values.fields),
        folder=run.folder(),
        shows_since=values.read_at - specification.verify.after,
    )
    _check(run, specification.verify.query_id, compared)
    _keep(run, compared, values.number)
    lost = compared.differs + compared.not_found + compared.theirs
    return Verified(
        exported_at=values.read_at,
        rows=compared.rows,
        objects=compared.objects,
        compared=compared.values + compared.settled_values,
        confirmed=compared.values + compared.settled_values - lost - compared.young,
        differs=compared.differs,
        not_found=compared.not_found,
        theirs=compared.theirs,
        not_shown=compared.young,
        waiting=pages.waiting - compared.settled_values,
        seconds=round(time.monotonic() - began, 3),
        confirmed_objects=compared.settled_objects + restored,
        left_alone=pages.left_alone,
    )


class _Written:
    """What was written to a sync's mapped fields, page by page; counts what is not acknowledged."""

    def __init__(self, run: SyncRun, fields: tuple[str, ...]) -> None:
        self._fields = list(fields)
        self.waiting = self.left_alone = 0
        self._run = run

    def read(self) -> Iterator[pl.DataFrame]:
        enriched, sync = self._run.ledger.enriched, self._run.sync
        after: str | None = None
        while True:
            up_to = enriched.key_at(sync, after, None, PAGE_ROWS)
            page = enriched.read(sync, after, up_to).filter(pl.col("field").is_in(self._fields))
            state = pl.col("state")
            is_theirs = state == ValueState.THEIRS.value
            self.left_alone += page.filter(is_theirs).height
            # What others have set is neither ours nor missing.
            settled = [ValueState.ACKNOWLEDGED.value, ValueState.SAME.value]
            self.waiting += page.filter(~state.is_in(settled) & ~is_theirs).height
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


def _check(run: SyncRun, query_id: str, compared: ReadbackComparison) -> None:
    """Refuse a result that cannot be complete: a filtered query would make most values unknown."""
    if not compared.keys:
        return
    if compared.keys >= FEW_KEYS and compared.found * 2 < compared.keys:
        raise DataRefusedError(
            f"{run.sync}: {query_id} reads back {compared.rows:,} objects, among them "
            f"{compared.found:,} of {compared.keys:,} that have values: it has to list all "
            "objects, without filters, with the field that identifies them in the sync; nothing "
            "was compared"
        )


def _keep(run: SyncRun, compared: ReadbackComparison, read: int) -> None:
    """Record what differs, and list it; reset the attempts of what is confirmed."""
    now = run.tools.clock()
    for number, whole in enumerate(_pages(compared.differing)):
        page = whole.filter(~pl.col(IS_YOUNG))
        if page.height:
            _list(run, f"0-{read}-{number}", page)
            run.ledger.enriched.save(run.sync, no_longer_ours(page, now))
    for number, page in enumerate(_pages(compared.settled)):
        acknowledge_shown(run, read * _PAGES + number, page, now)
    for page in _pages(compared.confirmed):
        run.ledger.enriched.save(run.sync, page.with_columns(attempts=pl.lit(0, pl.Int64)))


def _pages(path: Path) -> Iterator[pl.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PAGE_ROWS):
            yield pl.DataFrame(batch)


def no_longer_ours(page: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return rows of the ledger without the values that `compare` did not find.

    An acknowledged value is tried again after a while, an open one at once; a refused one stays
    refused. If others have set another value, it is left alone. If what stood there before was
    ours, it is ours again.
    """
    state, is_theirs = pl.col("state"), pl.col(REASON) == THEIRS
    is_taken, is_open = state == ValueState.ACKNOWLEDGED.value, state == ValueState.OPEN.value
    is_back = pl.col(IS_BACK) & (pl.col("stood_by") == US) & ~is_theirs
    is_back &= is_taken & (pl.col(REASON) == DIFFERS)
    is_back = is_back.fill_null(value=False)
    attempts = pl.col("attempts") + 1
    changes = {
        "open_value": pl.col("value"),
        "code": pl.lit(READ_BACK),
        "attempts": attempts,
        "retry_at": pl.when(~is_theirs).then(retry_at(attempts, now)),
    }
    theirs, unknown = pl.lit(ValueState.THEIRS.value), pl.lit(ValueState.UNKNOWN.value)
    other = pl.when(is_theirs).then(theirs).otherwise(unknown)
    return page.with_columns(
        pl.when(is_back).then("stood").alias("value"),
        pl.when(is_back).then("acknowledged_at").alias("acknowledged_at"),
        pl.when(is_taken | is_open).then(other).otherwise(state).alias("state"),
        *(
            pl.when(is_taken).then(change).otherwise(pl.col(name)).alias(name)
            for name, change in changes.items()
        ),
    ).select(*KNOWN)


def _list(run: SyncRun, name: str, page: pl.DataFrame) -> None:
    text = pl.concat_str("field", pl.lit(": "), REASON)
    write_rejects(
        run.lake,
        run.sync,
        f"{run.started_at:%Y%m%dT%H%M%SZ}-{name}",
        run.run_id,
        page.select(record=pl.lit(None, pl.Int64), reasons=pl.concat_list(text)).to_arrow(),
        page["identity"].to_list(),
    )
