"""A sync's run under way: the parts it works with, and its place in the ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from connectors.clock import utc_now
from connectors.ledger import Asker, Lease, Ledger
from connectors.syncs import SyncSpecification, load_sync
from tasks.runs.chosen import Chosen, choose
from tasks.runs.opening import OpenedRun, connected, opened
from tasks.runs.recorded import is_scheduled
from tasks.runs.tools import Tools

UNIT = "push"

ChosenSync: TypeAlias = Chosen[SyncSpecification]


def choose_sync(sync: str, tenant: str | None = None) -> ChosenSync:
    """Read settings and catalogue for a run of a sync.

    Raises:
        UsageError: there is no such sync.
        ConfigurationError: with every problem found.
    """
    return choose(load_sync, sync, tenant)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun(OpenedRun):
    """A run of a sync under way."""

    chosen: ChosenSync
    trigger: str
    tools: Tools

    @property
    def specification(self) -> SyncSpecification:
        """The sync's YAML."""
        return self.chosen.specification

    @property
    def sync(self) -> str:
        """The sync's name."""
        return self.chosen.specification.sync

    @property
    def subject(self) -> str:
        """What the run is about: the sync."""
        return self.sync

    def lease(self) -> Lease:
        """Take the sync for this run.

        Raises:
            HeldError: another run has it.
        """
        return lease_of(self.ledger, self.sync, self.run_id)


def lease_of(ledger: Ledger, sync: str, run_id: str) -> Lease:
    """Take a sync for a run.

    Raises:
        HeldError: another run has it.
    """
    return ledger.lease_timeless(f"sync {sync}", UNIT, run_id)


@contextmanager
def open_sync(
    chosen: ChosenSync,
    trigger: str,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[SyncRun]:
    """Open a run of a sync: its client, and its place in the ledger."""
    settings, tenant = chosen.settings, chosen.tenant
    sync = chosen.specification.sync
    with (
        opened(settings, tenant.name, {"sync": sync}, clock, sleep) as parts,
        connected(parts, tenant, Asker.READ if is_scheduled() else Asker.PERSON) as tools,
    ):
        parts.ledger.begin_run(parts.run_id, sync, trigger)
        yield SyncRun(parts=parts, chosen=chosen, trigger=trigger, tools=tools)
