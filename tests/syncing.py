"""A sync set up for tests: a CSV file as the source, a stand-in tenant, runs without Prefect."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from connectors.ledger import Ledger, open_ledger
from tasks.stories import sync as stories
from tasks.sync.asked import SYNC, SyncAsked
from tasks.sync.run import SyncRun, choose_sync, open_sync
from tests.acting import Client
from tests.landing import CATALOG, NOW, Place, place

SYNC_NAME = "assets"
OWNER = "device/device/#asset_owner"
TAG = "device/device/#asset_tag"
BROKER = "device/device/virtualization/desktop_broker"
POOL = "device/device/virtualization/desktop_pool"
TYPE = "device/device/virtualization/type"
UPDATED = "device/device/virtualization/last_update"
FIELDS = (OWNER, TAG, BROKER, POOL, UPDATED)
# The source's column for each field.
COLUMNS = ("owner", "tag", "broker", "pool", "updated")
PATHS = {
    OWNER: "#asset_owner",
    TAG: "#asset_tag",
    BROKER: "virtualization.desktop_broker",
    POOL: "virtualization.desktop_pool",
    UPDATED: "virtualization.last_update",
}
READ_BACK = """/* What the sync assets has written. */
devices during past 30d
| list device.uid, device.#asset_owner, device.#asset_tag, device.virtualization.desktop_broker,
  device.virtualization.desktop_pool, device.virtualization.last_update
"""

Rows = list[dict[str, str]]


def sync_yaml(source: Path, **changes: Any) -> dict[str, Any]:
    """Return the sync as YAML has it; `changes` replace keys of it."""
    return {
        "sync": SYNC_NAME,
        "domain": "test",
        "mode": "mirror",
        "sources": {"register": {"kind": "file", "path": str(source)}},
        "sql": "SELECT uid, owner, tag, broker, pool, updated FROM register",
        "identification": {"name": "device/device/uid", "column": "uid"},
        "fields": {
            OWNER: {"column": "owner"},
            TAG: {"column": "tag"},
            BROKER: {"column": "broker"},
            POOL: {"column": "pool"},
            UPDATED: {"column": "updated"},
        },
        "guards": {"shrink": 1, "changes": 1, "clears": 1},
        "push": {"objects": 20, "concurrency": 2},
        "verify": {"query_id": "#assets_readback", "after": "0s"},
        **changes,
    }


@dataclass(frozen=True)
class Syncing:
    """A place with a sync whose source is a file."""

    place: Place
    source: Path

    def write(self, rows: Rows) -> None:
        """Replace the source."""
        columns = ["uid", *COLUMNS]
        frame = pl.DataFrame(
            [[row.get(name, "") for name in columns] for row in rows],
            schema=dict.fromkeys(columns, pl.String),
            orient="row",
        )
        fresh = self.source.with_suffix(".new")
        frame.write_csv(fresh)
        fresh.replace(self.source)

    def specify(self, **changes: Any) -> None:
        """Replace the YAML."""
        catalog = Path(self.place.environment["NXP_CATALOG"])
        (catalog / "syncs").mkdir(exist_ok=True)
        text = yaml.safe_dump(sync_yaml(self.source, **changes), sort_keys=False)
        (catalog / "syncs" / f"{SYNC_NAME}.yaml").write_text(text, "utf-8")

    @contextmanager
    def opened(self, trigger: str = SYNC, now: datetime | None = None) -> Iterator[SyncRun]:
        """Open a run that waits only briefly."""
        clock = self.place.clock(now)
        with open_sync(choose_sync(SYNC_NAME), trigger, clock, _briefly) as run:
            yield run

    def plan(self, *, now: datetime | None = None, **asked: Any) -> dict[str, Any]:
        clock = self.place.clock(now)
        return stories.plan(choose_sync(SYNC_NAME), SyncAsked(**asked), clock, _briefly)

    def apply(self, plan: str | None = None, *, now: datetime | None = None) -> dict[str, Any]:
        clock = self.place.clock(now)
        return stories.apply(choose_sync(SYNC_NAME), plan, SyncAsked(), clock, _briefly)

    def sync(
        self,
        approve: stories.Approve | None = None,
        *,
        now: datetime | None = None,
        **asked: Any,
    ) -> dict[str, Any]:
        clock = self.place.clock(now)
        return stories.sync(choose_sync(SYNC_NAME), SyncAsked(**asked), approve, clock, _briefly)

    def retry(self, *, now: datetime | None = None) -> dict[str, Any]:
        clock = self.place.clock(now)
        return stories.retry(choose_sync(SYNC_NAME), SyncAsked(), clock, _briefly)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        ledger = open_ledger(
            self.place.environment["NXP_LEDGER_URL"], "sandbox.eu", self.place.clock()
        )
        try:
            yield ledger
        finally:
            ledger.close()

    def known(self) -> pl.DataFrame:
        """Return what the ledger knows about the sync."""
        with self.ledger() as ledger:
            return ledger.enriched.read(SYNC_NAME)

    def held(self, name: str) -> Mapping[str, Any]:
        """Return the tenant's values of a field, by uid, for objects that were ever written."""
        return self.place.tenant.enrichment.values("device", PATHS[name])

    def uids(self) -> list[str]:
        """Return the names of the tenant's devices."""
        with Client(self.place.tenant) as client:
            return [row["device.uid"] for row in client.devices()]

    @property
    def exports(self) -> int:
        """How many exports the tenant has been asked for."""
        return self.place.tenant.requests["export"]

    @property
    def requests(self) -> int:
        """How many enrichment requests the tenant has answered."""
        return len(self.place.tenant.enrichment.received)


def _briefly(seconds: float) -> None:
    time.sleep(seconds / 1000)


@contextmanager
def syncing(folder: Path, **options: Any) -> Iterator[Syncing]:
    """Serve a tenant and set up a sync; the caller sets `place.environment`."""
    catalog = folder / "catalog"
    shutil.copytree(CATALOG, catalog)
    shutil.rmtree(catalog / "syncs", ignore_errors=True)
    (catalog / "queries" / "assets_readback.nql").write_text(READ_BACK, "utf-8")
    with place(folder, **{"now": NOW, "fault_retry_after": 1.0, **options}) as made:
        made_here = Syncing(made, folder / "register.csv")
        made_here.specify()
        yield made_here


Use = Callable[[Syncing], Syncing]
