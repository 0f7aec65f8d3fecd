"""A sync's run under way: the parts it works with, and its place in the ledger."""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.lake import Lake
from connectors.lake.storage import storage_errors
from connectors.ledger import Lease, Ledger, open_ledger
from connectors.nexthink import NexthinkClient
from connectors.settings import Settings, load_settings, prepare_home
from connectors.syncs import SyncSpecification, load_sync
from connectors.tenants import TenantSettings, load_tenant
from tasks.export import Tools
from tasks.run import Stop

UNIT = "push"
_EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which sync of which tenant, by which settings: known before anything is opened."""

    settings: Settings
    tenant: TenantSettings
    specification: SyncSpecification

    @property
    def name(self) -> str:
        """The sync's name."""
        return self.specification.sync


def choose(sync: str, tenant: str | None = None) -> Chosen:
    """Read settings and catalogue.

    Raises:
        UsageError: no such sync.
        ConfigurationError: with every problem found.
    """
    settings = load_settings()
    specification = load_sync(settings.catalog, sync)
    return Chosen(settings, load_tenant(settings, tenant), specification)


@dataclass(frozen=True, slots=True)
class SyncRun:
    """A run of a sync under way."""

    run_id: str
    chosen: Chosen
    trigger: str
    tools: Tools
    lake: Lake
    spool: Path
    started_at: datetime
    stop: Stop = field(default_factory=Stop)

    @property
    def specification(self) -> SyncSpecification:
        """The sync's YAML."""
        return self.chosen.specification

    @property
    def sync(self) -> str:
        """The sync's name."""
        return self.chosen.specification.sync

    @property
    def ledger(self) -> Ledger:
        """The tenant's ledger."""
        return self.tools.ledger

    def folder(self) -> Path:
        """Make the run's own folder, removed at its end: for its owner only."""
        with storage_errors(self.spool):
            self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.spool

    def lease(self) -> Lease:
        """Take the sync for this run.

        Raises:
            HeldError: another run has it.
        """
        return self.ledger.lease(f"sync {self.sync}", UNIT, *_EVER, self.run_id)


@contextmanager
def open_sync(
    chosen: Chosen,
    trigger: str,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[SyncRun]:
    """Open client and ledger, record the run, and clear away what killed runs left aside."""
    settings, tenant = chosen.settings, chosen.tenant
    run_id, stop = str(uuid.uuid4()), Stop(sleep)
    ledger = open_ledger(settings.ledger_url.get_secret_value(), tenant.name, clock)
    spool = prepare_home(settings) / "spool"
    lake = Lake(settings.lake, tenant.name, settings.home / "staging")
    try:
        for interrupted in ledger.close_interrupted_runs():
            shutil.rmtree(spool / interrupted, ignore_errors=True)
            lake.discard_stage(interrupted)
        with NexthinkClient(tenant, clock=clock, sleep=stop.sleep) as client:
            tools = Tools(client, ledger, clock, stop.sleep)
            ledger.begin_run(run_id, chosen.name, trigger)
            yield SyncRun(run_id, chosen, trigger, tools, lake, spool / run_id, clock(), stop)
    except BaseException as error:
        # A signal, a bug, or a report that could not be kept; a run that has ended is left alone.
        with suppress(PipelineError):
            ledger.abandon_run(run_id, "failed" if isinstance(error, Exception) else "interrupted")
        raise
    finally:
        shutil.rmtree(spool / run_id, ignore_errors=True)
        lake.discard_stage(run_id)
        ledger.close()
