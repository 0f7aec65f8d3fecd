"""A cache of generated columns, within a limit."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

import polars as pl

# Enough for weeks of a small estate; a large one streams through and gains nothing from more.
DEFAULT_BYTES = 96 * 1024 * 1024


class SeriesCache:
    """Evicts the least recently used columns first. Thread-safe."""

    def __init__(self, limit: int = DEFAULT_BYTES) -> None:
        """Start empty, with a limit in bytes."""
        self._limit = limit
        self._held: OrderedDict[Hashable, pl.Series] = OrderedDict()
        self._size: float = 0
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], pl.Series]) -> pl.Series:
        """Return the column of a key, generated now if it is not cached."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        # Two threads may generate the same column: the result is identical.
        series = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = series
                self._size += series.estimated_size()
            while self._size > self._limit and len(self._held) > 1:
                _, gone = self._held.popitem(last=False)
                self._size -= gone.estimated_size()
        return series
