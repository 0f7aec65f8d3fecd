"""Exports: started by a request, written once by a worker thread, then kept for download."""

import hashlib
import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from nql.errors import NqlError
from sandbox.clock import TenantClock
from sandbox.engine import Engine
from sandbox.options import SandboxOptions
from sandbox.rendering import COMPRESSORS, SUFFIXES, csv_header, csv_rows, style_of

logger = logging.getLogger(__name__)

# Files of exports older than this are removed when another export starts.
KEPT = timedelta(hours=24)
# Share of the export time during which an export counts as submitted, not begun.
_SUBMITTED_SHARE = 0.3
_INTERNAL_ERROR = "The export failed because of an internal error."


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A finished file: its path, its length, and whether rows were left out."""

    path: Path
    size: int
    etag: str
    rows: int
    truncated: bool


@dataclass(slots=True)
class RunningExport:
    """One export and its progress."""

    id: str
    query_id: str
    compression: str
    created: datetime
    future: Future[FinishedFile] = field(repr=False)

    @property
    def file_name(self) -> str:
        """The name under which the results store offers the file."""
        return f"{self.query_id.removeprefix('#')}-{self.id}{SUFFIXES[self.compression]}"


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """What a status poll returns."""

    status: str
    file: FinishedFile | None = None
    error: str | None = None


class Exports:
    """All exports of the tenant."""

    def __init__(self, options: SandboxOptions, engine: Engine, clock: TenantClock) -> None:
        """Create the directory for the files and the threads that write them."""
        self._options = options
        self._engine = engine
        self._clock = clock
        self._style = style_of(options)
        self._directory = TemporaryDirectory(prefix="nxp-sandbox-")
        self._workers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sandbox-export")
        self._exports: dict[str, RunningExport] = {}
        self._closing = threading.Event()

    def start(
        self, query_id: str, text: str, parameters: dict[str, str], compression: str
    ) -> RunningExport:
        """Start an export; its data are as of now, however long it takes."""
        self._remove_old()
        identity, now = str(uuid.uuid4()), self._clock.now()
        path = Path(self._directory.name) / identity
        future = self._workers.submit(
            self._write, path, query_id, text, parameters, compression, now
        )
        export = RunningExport(identity, query_id, compression, now, future)
        self._exports[identity] = export
        return export

    def find(self, identity: str) -> RunningExport | None:
        """Return an export by its id."""
        return self._exports.get(identity)

    def progress(self, export: RunningExport) -> PollAnswer:
        """Return the state of an export."""
        age = (self._clock.now() - export.created).total_seconds()
        begun = export.future.running() or export.future.done()
        if age < self._options.export_time * _SUBMITTED_SHARE or not begun:
            return PollAnswer(self._options.submitted_word)
        if age < self._options.export_time or not export.future.done():
            return PollAnswer(self._options.progress_word)
        error = export.future.exception()
        if error is None:
            return PollAnswer(self._options.completed_word, export.future.result())
        why = f"{error}" if isinstance(error, NqlError) else _INTERNAL_ERROR
        return PollAnswer(self._options.failed_word, error=why)

    def close(self) -> None:
        """Stop the workers after the piece they are writing, and remove the files."""
        self._closing.set()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._directory.cleanup()

    def _remove_old(self) -> None:
        limit = self._clock.now() - KEPT
        for export in [e for e in self._exports.values() if e.created < limit and e.future.done()]:
            del self._exports[export.id]
            if export.future.exception() is None:
                export.future.result().path.unlink(missing_ok=True)

    def _write(
        self,
        path: Path,
        query_id: str,
        text: str,
        parameters: dict[str, str],
        compression: str,
        now: datetime,
    ) -> FinishedFile:
        try:
            with self._engine.recorded(query_id, "export", now) as run:
                file = self._written(path, text, parameters, compression, now)
                run.rows = file.rows
                return file
        except (NqlError, InterruptedError):
            raise
        except Exception:
            logger.exception("an export failed")
            raise

    def _written(
        self, path: Path, text: str, parameters: dict[str, str], compression: str, now: datetime
    ) -> FinishedFile:
        pieces = self._engine.rows(self._engine.prepare(text, parameters, now))
        compressor = COMPRESSORS[compression]()
        tally = _Tally(self._options.row_limit)
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with path.open("wb") as file:
            for data in self._csv(tally.within(pieces)):
                packed = compressor.compress(data)
                digest.update(packed)
                size += file.write(packed)
            packed = compressor.flush()
            digest.update(packed)
            size += file.write(packed)
        return FinishedFile(path, size, f'"{digest.hexdigest()}"', tally.rows, tally.truncated)

    def _csv(self, pieces: Iterator[pl.DataFrame]) -> Iterator[bytes]:
        for position, piece in enumerate(pieces):
            if self._closing.is_set():
                raise InterruptedError("the tenant is closing")
            if position == 0:
                yield csv_header(piece)
            if piece.height:
                yield csv_rows(piece, self._style)


class _Tally:
    """Counts rows up to a limit and records whether there were more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.rows = 0
        self.truncated = False

    def within(self, pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for piece in pieces:
            left = self._limit - self.rows
            if piece.height > left:
                self.truncated = True
                piece = piece.head(left)  # noqa: PLW2901 - the part that is left
            self.rows += piece.height
            if piece.height or not self.truncated:
                yield piece
            if self.truncated:
                return
