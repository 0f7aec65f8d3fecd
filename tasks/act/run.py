"""An action's run under way: the parts it works with, and its place in the ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from connectors.actions import ActionSpecification, load_action
from connectors.clock import utc_now
from connectors.ledger import Lease, Ledger, lease_name
from connectors.settings.installation import Settings, load_settings
from connectors.settings.tenants import TenantSettings, load_tenant
from tasks.exports.saved_query import query_rows
from tasks.runs.opening import Parts, opened

UNIT = "send"
_EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which action of which tenant, by which settings: known before anything is opened."""

    settings: Settings
    tenant: TenantSettings
    specification: ActionSpecification

    @property
    def name(self) -> str:
        """The action's name in the catalogue."""
        return self.specification.action


def choose(action: str, tenant: str | None = None) -> Chosen:
    """Read settings and catalogue.

    Raises:
        UsageError: no such action.
        ConfigurationError: with every problem found.
    """
    settings = load_settings()
    specification = load_action(settings.catalog, action)
    return Chosen(settings, load_tenant(settings, tenant), specification)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRun(Parts):
    """A run of an action under way."""

    chosen: Chosen
    trigger: str

    @property
    def specification(self) -> ActionSpecification:
        """The action's YAML."""
        return self.chosen.specification

    @property
    def action(self) -> str:
        """The action's name in the catalogue."""
        return self.chosen.specification.action

    @property
    def subject(self) -> str:
        """What its exports are for, in errors and in their journal."""
        return f"action {self.action}"

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.tools.clock()

    @property
    def key(self) -> tuple[str, str]:
        """What the journal knows the action by: kind and the tenant's id."""
        return self.specification.kind.value, self.specification.id

    def lease(self) -> Lease:
        """Take the action for this run: nobody else sends it, or looks for what was sent.

        Raises:
            HeldError: another run has it.
        """
        return take_action(self.ledger, self.key, self.run_id)

    def of(self, specification: ActionSpecification) -> "ActionRun":
        """Give a run of another action beside this one, with the same parts."""
        chosen = Chosen(self.chosen.settings, self.chosen.tenant, specification)
        return replace(self, chosen=chosen)


def take_action(ledger: Ledger, key: tuple[str, str], run_id: str) -> Lease:
    """Lease an action of the tenant, by kind and id.

    Raises:
        HeldError: another run has it.
    """
    return ledger.lease(lease_name(*key), UNIT, *_EVER, run_id)


def ask(
    run: ActionRun, unit: str, query_id: str, parameters: dict[str, str] | None = None
) -> pl.DataFrame:
    """Export a saved query for a run: columns of text under their headers in lower case.

    Raises:
        PipelineError: as `query_rows`.
    """
    unit = f"{unit}-{run.run_id}"
    return query_rows(run.tools, run.subject, unit, query_id, run.folder(), parameters)


@contextmanager
def open_action(
    chosen: Chosen,
    trigger: str,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[ActionRun]:
    """Open client and ledger, record the run, and clear away what killed runs left aside."""
    with opened(chosen.settings, chosen.tenant, clock, sleep, action=chosen.name) as parts:
        parts.ledger.begin_run(parts.run_id, chosen.name, trigger)
        yield ActionRun(**parts.parts(), chosen=chosen, trigger=trigger)
