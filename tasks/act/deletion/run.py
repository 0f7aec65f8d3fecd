"""A run that plans or makes deletions: the parts it works with, and its place in the ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.clock import utc_now
from connectors.ledger import Lease
from connectors.settings.installation import load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from tasks.act.deletion.answers import DELETION
from tasks.act.run import take_action
from tasks.runs.opening import OpenedRun, connected, opened
from tasks.runs.tools import Tools

# What deletions are called in the ledger and the lake, where actions have the name of their YAML.
ACTION: Final = "delete_devices"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRun(OpenedRun):
    """A run of deletions under way."""

    tenant: TenantSettings
    trigger: str
    tools: Tools

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.tools.clock()

    def lease(self) -> Lease:
        """Take deletions for this run, so that no other run makes or settles any.

        Raises:
            HeldError: another run has them.
        """
        return take_action(self.ledger, DELETION, self.run_id)


@contextmanager
def open_deletion(
    profile: str | None,
    trigger: str,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[DeletionRun]:
    """Open a run: its client, and its place in the ledger."""
    settings = load_settings()
    tenant = load_tenant(settings, profile)
    with (
        opened(settings, tenant.name, {"action": ACTION}, clock, sleep) as parts,
        connected(parts, tenant) as tools,
    ):
        parts.ledger.begin_run(parts.run_id, ACTION, trigger)
        yield DeletionRun(parts=parts, tenant=tenant, trigger=trigger, tools=tools)
