"""A sync's run under way: the parts it works with, and its place in the ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.clock import utc_now
from connectors.ledger import Lease
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from connectors.syncs import SyncSpecification, load_sync
from tasks.runs.opening import Parts, opened

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun(Parts):
    """A run of a sync under way."""

    chosen: Chosen
    trigger: str

    @property
    def specification(self) -> SyncSpecification:
        """The sync's YAML."""
        return self.chosen.specification

    @property
    def sync(self) -> str:
        """The sync's name."""
        return self.chosen.specification.sync

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
    with opened(chosen.settings, chosen.tenant, clock, sleep, sync=chosen.name) as parts:
        parts.ledger.begin_run(parts.run_id, chosen.name, trigger)
        yield SyncRun(**parts.parts(), chosen=chosen, trigger=trigger)
