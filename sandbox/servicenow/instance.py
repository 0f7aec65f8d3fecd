"""The whole instance: what the routes serve and what tests inspect."""

from threading import Lock
from zoneinfo import ZoneInfo

import polars as pl

from sandbox.clock import TenantClock
from sandbox.engine import Engine
from sandbox.options import SandboxOptions
from sandbox.servicenow.access import Access
from sandbox.servicenow.building import build_tables
from sandbox.servicenow.conditions import QueryContext
from sandbox.servicenow.store import Changes, TableStore

_HEX = 16
_HIDDEN_DIGITS = 6


class ServiceNow:
    """One instance next to one tenant; its tables are built on first use."""

    def __init__(self, options: SandboxOptions, engine: Engine, clock: TenantClock) -> None:
        """Keep the parts of the tenant; the URL is known once the server listens."""
        self.options = options.servicenow.resolved(options.seed)
        self.url = ""
        self.access = Access(self.options, clock)
        self._seed = options.seed
        self._engine = engine
        self._clock = clock
        self._store: TableStore | None = None
        self._lock = Lock()
        self._answered = 0

    @property
    def store(self) -> TableStore:
        """The rows, built on first use."""
        with self._lock:
            if self._store is None:
                tables = build_tables(
                    self._engine, self._seed, self._clock.start, self.options.user
                )
                self._store = TableStore(tables, self._seed)
            return self._store

    def reader(self) -> QueryContext:
        """Return the user and the current time."""
        zone = ZoneInfo(self.options.time_zone)
        own = pl.col("user_name") == self.options.user
        ids = self.store.rows("sys_user").filter(own)["sys_id"]
        return QueryContext(self._clock.now(), zone, ids[0] if len(ids) else "")

    def frame(self, table: str) -> pl.DataFrame:
        """Return a table as it is now, hidden rows included."""
        return self.store.rows(table)

    def is_hidden(self, sys_id: str) -> bool:
        """Return whether access rules hide a row from the reader; its last digits decide."""
        drawn = int(sys_id[-_HIDDEN_DIGITS:], _HEX)
        return drawn < self.options.hidden_share * float(_HEX**_HIDDEN_DIGITS)

    def mutate(
        self,
        table: str = "cmdb_ci_computer",
        *,
        updates: int = 0,
        inserts: int = 0,
        deletes: int = 0,
    ) -> Changes:
        """Change rows of a table now, as others do while a client reads."""
        now = self._clock.now()
        return self.store.change(table, now, updates=updates, inserts=inserts, deletes=deletes)

    def answered(self, table: str) -> None:
        """Count an answered list, and change the table when a change is due."""
        every, rows = self.options.change_every, self.options.change_rows
        with self._lock:
            self._answered += 1
            due = bool(every) and self._answered % every == 0
        if due:
            fewer = max(1, rows // 5)
            self.mutate(table, updates=rows, inserts=fewer, deletes=fewer)

    def describe(self) -> dict[str, str]:
        """Return what a client needs: URL and credentials."""
        return {
            "servicenow_url": self.url,
            "servicenow_user": self.options.user,
            "servicenow_password": self.options.password,
            "servicenow_client_id": self.options.client_id,
            "servicenow_client_secret": self.options.client_secret,
        }
