"""Where a query spills what does not fit in memory: a folder for its owner only, removed after.

It lies in NXP_HOME, and each is locked while its query runs: a folder whose lock is free was left
by a killed query, and the next query removes it.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
from filelock import FileLock, Timeout

from connectors.quoting import quoted_text

FOLDER: Final = "sql"
_PRIVATE: Final = 0o700
# Of memory per thread; with less, DuckDB spills more than it computes.
_MB_PER_THREAD: Final = 64


@dataclass(frozen=True, slots=True)
class Room:
    """How much room a query has.

    Attributes:
        home: NXP_HOME; without one, queries spill into the system's temporary folder.
        memory_mb: for DuckDB; what is beyond is spilled.
        spill_mb: on disk; a query that needs more fails.
    """

    home: Path | None = None
    memory_mb: int = 192
    spill_mb: int = 10_240

    def limit(self, connection: duckdb.DuckDBPyConnection, folder: Path | None) -> None:
        """Set the limits of a connection; without a folder it cannot spill."""
        threads = max(1, min(os.cpu_count() or 1, self.memory_mb // _MB_PER_THREAD))
        connection.execute(f"SET memory_limit = '{self.memory_mb}MB'")
        connection.execute(f"SET threads = {threads}")
        connection.execute(f"SET temp_directory = {quoted_text(str(folder or ''))}")
        if folder:
            connection.execute(f"SET max_temp_directory_size = '{self.spill_mb}MB'")


@contextmanager
def spill_folder(home: Path | None) -> Iterator[Path | None]:
    """Yield a folder for one query, and remove it afterwards; None if none can be made."""
    if home is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
        return
    place = home / FOLDER
    try:
        # mkdir gives this mode to the last folder only.
        for made in (home, place):
            made.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        place.chmod(_PRIVATE)
        _remove_left(place)
        folder, lock = _locked(place)
        folder.mkdir(mode=_PRIVATE)
    except (OSError, Timeout):
        # Someone who may only read needs no home.
        yield None
        return
    try:
        yield folder
    finally:
        _remove(folder)
        lock.release()


def _locked(place: Path) -> tuple[Path, FileLock]:
    """Return a new folder's path, locked before there is anything to remove."""
    folder = place / uuid.uuid4().hex
    lock = FileLock(_lock_of(folder))
    # Another query may just be looking whether the lock is free.
    lock.acquire(timeout=5)
    return folder, lock


def _remove_left(place: Path) -> None:
    """Remove the folders of queries that were killed: their locks are free."""
    for folder in {path.with_suffix("") for path in place.iterdir()}:
        with suppress(Timeout), FileLock(_lock_of(folder), timeout=0):
            _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    # Last, and while it is held: another query may look at the folder at any time.
    with suppress(OSError):
        _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")
