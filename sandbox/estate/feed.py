"""Tables filled by requests to the tenant: actions, and the log of queries."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from enum import StrEnum
from threading import Lock
from typing import Protocol

import polars as pl

from sandbox.model.kinds import DATETIME, DTYPES
from sandbox.model.tables import TABLES

_LOGS = TABLES["platform.nql_api_logs"]
# A month of a busy integration; the oldest are dropped first.
_KEPT = 200_000


class DeviceEffect(StrEnum):
    """What a successful execution changes on its device."""

    FREES_DISK = "frees_disk"
    RESTARTS = "restarts"


EFFECTS_SCHEMA: dict[str, pl.DataType] = {"uid": pl.String(), "at": DATETIME}


class Feed(Protocol):
    """A store of executions and answers."""

    def rows(self, table: str, now: datetime) -> pl.DataFrame | None:
        """Return the rows of a table such as `remote_action.executions` at a moment, or None.

        Columns have their full paths, `remote_action.execution.status`, `remote_action.nql_id`
        (with its #); omitted ones are null. The column of the table's time is never null. The
        object is named by `device.uid` or `device.collector.uid`, and `user.uid` or `user.sid`.
        """
        ...

    def ids(self, namespace: str) -> frozenset[str] | None:
        """Return the NQL ids that `remote_action.#id.executions` may name; None allows any."""
        ...

    def effects(self, effect: DeviceEffect, now: datetime) -> pl.DataFrame:
        """Return the devices it has happened to until a moment: `uid` and `at`, a row each time."""
        ...


class NoFeed:
    """A feed without rows, where any id is allowed."""

    def rows(self, table: str, now: datetime) -> pl.DataFrame | None:  # noqa: ARG002 - nothing to show
        """Return nothing."""
        return None

    def ids(self, namespace: str) -> frozenset[str] | None:  # noqa: ARG002 - nothing to show
        """Allow any."""
        return None

    def effects(self, effect: DeviceEffect, now: datetime) -> pl.DataFrame:  # noqa: ARG002 - nothing to show
        """Return nothing."""
        return pl.DataFrame(schema=EFFECTS_SCHEMA)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One run of a saved query. A real log has such entries; its further content is a guess."""

    time: datetime
    query_id: str
    type: str  # execute | export
    status: str  # success | failure
    rows: int | None
    # In seconds.
    duration: float
    details: str | None = None


class QueryLog:
    """Every run of a saved query, as `platform.nql_api_logs` shows it. Thread-safe."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: deque[LogEntry] = deque(maxlen=_KEPT)
        self._earlier: Callable[[], Iterable[LogEntry]] = tuple
        self._lock = Lock()

    def begin_with(self, earlier: Callable[[], Iterable[LogEntry]]) -> None:
        """Let the log begin with entries that are made when it is first read."""
        self._earlier = earlier

    def add(self, entry: LogEntry) -> None:
        """Record one run."""
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> Sequence[LogEntry]:
        """Return all entries, the oldest first."""
        with self._lock:
            earlier, self._earlier = [*self._earlier()], tuple
            if earlier:
                self._entries = deque([*earlier, *self._entries], _KEPT)
            return tuple(self._entries)

    def frame(self) -> pl.DataFrame:
        """Return the log as rows of its table."""
        names = ("time", "query_id", "type", "status", "number_of_rows", "duration")
        paths = [f"{_LOGS.prefix}.{name}" for name in (*names, "status_details")]
        schema = {path: DTYPES[_LOGS.columns[path].kind] for path in paths}
        return pl.DataFrame([astuple(e) for e in self.entries()], schema=schema, orient="row")
