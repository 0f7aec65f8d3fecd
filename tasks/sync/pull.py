"""Pulling the sources of a sync into local files, batch by batch: all rows, or only changes.

If the sync asks for it, only the changes of one source are pulled. All rows of the other sources
are pulled each time, so that changed rows find the rows they are joined with. A change in one of
the other sources alone is seen with the next full pull.
"""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake.storage import storage_errors
from connectors.sources import Completeness, Pull, PullOutcome, Source, open_sources
from connectors.syncs import SyncSpecification

logger = logging.getLogger(__name__)

# Pages are small; a file of a thousand row groups is slow to read.
ROWS_AT_ONCE: Final = 50_000
RESTARTED: Final = "all rows were pulled, since the cursor that was kept"


@dataclass(frozen=True, slots=True)
class PullState:
    """What the sync's last apply has left: where a pull of changes can start.

    Attributes:
        fingerprint: the fingerprint of the specification that was applied.
        full_at: when all rows were last pulled.
        cursors: by source.
        is_damaged: whether they cannot be read.
    """

    fingerprint: str | None = None
    full_at: datetime | None = None
    cursors: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_damaged: bool = False


@dataclass(frozen=True, slots=True)
class PulledSource:
    """One source's rows in a Parquet file, all columns text, in the source's order."""

    path: Path
    columns: tuple[str, ...]
    rows: int
    completeness: Completeness


@dataclass(frozen=True, slots=True)
class Pulled:
    """All sources of a sync, pulled. Keep `cursors` only once the rows have been applied.

    Attributes:
        sources: by name.
        cursors: of the source that is pulled incrementally, for the next pull.
        pulled_at: when the pull began.
        changes_of: the source that sent only changes; None if all rows of all sources came.
        notes: why all rows came although changes were asked for.
    """

    sources: Mapping[str, PulledSource]
    cursors: Mapping[str, str] = field(repr=False)
    pulled_at: datetime
    changes_of: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_full(self) -> bool:
        """Whether all rows that can be seen came."""
        return self.changes_of is None

    @property
    def is_complete(self) -> bool:
        """Whether, in every source, a row that did not come is gone."""
        return all(source.completeness is Completeness.COMPLETE for source in self.sources.values())


def since_when(
    sync: SyncSpecification, kept: PullState, now: datetime, *, full: bool = False
) -> str | None:
    """Return the cursor from which the incremental source is pulled; None for all rows."""
    if full or sync.incremental is None or kept.full_at is None:
        return None
    # With another mapping, rows that have not changed mean other values.
    is_same = kept.fingerprint == sync.fingerprint
    is_young = kept.full_at <= now < kept.full_at + sync.full_every
    return kept.cursors.get(sync.incremental) if is_same and is_young else None


def pull_sources(
    sync: SyncSpecification,
    folder: Path,
    kept: PullState,
    now: datetime,
    *,
    full: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Pulled:
    """Pull all sources of a sync, in the memory of one batch.

    Args:
        sync: the sync.
        folder: a private folder of the run, created if missing; one file per source.
        kept: what the last apply has left.
        now: the time of the pull.
        full: pull all rows in any case.
        environ: the connections' variables, by default the environment.

    Raises:
        ConfigurationError: a connection or a field is missing; nothing was pulled.
        AccessError, UnavailableError, DataRefusedError: a source failed; the message names it.
        StorageError: the folder cannot be written.
    """
    since = since_when(sync, kept, now, full=full)
    with ExitStack() as opened:
        sources = open_sources(sync.sources, environ)
        for source in sources.values():
            opened.enter_context(source)
        for source in sources.values():
            source.check()
        pulled: dict[str, PulledSource] = {}
        cursors: dict[str, str] = {}
        changes_of = None
        notes = [f"source {sync.incremental}: {RESTARTED} is damaged"] if kept.is_damaged else []
        for name, source in sources.items():
            is_incremental = name == sync.incremental
            pulled[name], outcome = _pulled(source, since if is_incremental else None, folder)
            if is_incremental and outcome.cursor:
                cursors[name] = outcome.cursor
            if outcome.unusable:
                notes.append(f"source {name}: {RESTARTED} {outcome.unusable}")
            if pulled[name].completeness is Completeness.CHANGES:
                changes_of = name
            _log(sync.sync, name, pulled[name])
    for note in notes:
        logger.warning("sync %s: %s", sync.sync, note)
    return Pulled(pulled, cursors, now, changes_of, tuple(notes))


def _log(sync: str, name: str, pulled: PulledSource) -> None:
    kind = pulled.completeness.value
    logger.info("sync %s: %s rows of %s (%s)", sync, pulled.rows, name, kind)


def _pulled(source: Source, since: str | None, folder: Path) -> tuple[PulledSource, PullOutcome]:
    pull = source.pull(since)
    path = folder / f"{source.name}.parquet"
    _write(pull, path)
    outcome = pull.outcome
    columns = tuple(pull.schema.names)
    return PulledSource(path, columns, pull.rows, outcome.completeness), outcome


def _write(pull: Pull, path: Path) -> None:
    """Write a pull's rows; only failures of the disk are raised as errors of the storage."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        writer = pq.ParquetWriter(path, pull.schema, compression="zstd", compression_level=1)
    try:
        held: list[pa.RecordBatch] = []
        for batch in pull:
            held.append(batch)
            if sum(each.num_rows for each in held) >= ROWS_AT_ONCE:
                _append(writer, held, path)
        _append(writer, held, path)
    finally:
        with storage_errors(path):
            writer.close()


def _append(writer: pq.ParquetWriter, held: list[pa.RecordBatch], path: Path) -> None:
    if held:
        with storage_errors(path):
            writer.write_table(pa.Table.from_batches(held))
    held.clear()
