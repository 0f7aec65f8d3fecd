"""An action's run under way: the parts it works with, and its place in the ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

import polars as pl

from connectors.actions import ActionSpecification, load_action
from connectors.clock import utc_now
from connectors.ledger import Asker, Lease, Ledger
from connectors.ledger.actions import lease_name
from tasks.exports.saved_query import query_rows
from tasks.runs.chosen import Chosen, choose
from tasks.runs.opening import OpenedRun, connected, opened
from tasks.runs.recorded import is_scheduled
from tasks.runs.tools import Tools

UNIT = "send"

ChosenAction: TypeAlias = Chosen[ActionSpecification]


def choose_action(action: str, tenant: str | None = None) -> ChosenAction:
    """Read settings and catalogue for a run of an action.

    Raises:
        UsageError: there is no such action.
        ConfigurationError: with every problem found.
    """
    return choose(load_action, action, tenant)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRun(OpenedRun):
    """A run of an action under way."""

    chosen: ChosenAction
    trigger: str
    tools: Tools

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
        """What the run is about: the action."""
        return self.action

    @property
    def exported_for(self) -> str:
        """What the run's exports are for, in errors and in the journal."""
        return f"action {self.action}"

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.tools.clock()

    @property
    def key(self) -> tuple[str, str]:
        """The action's key in the journal: kind and the tenant's id."""
        return self.specification.kind.value, self.specification.id

    def lease(self) -> Lease:
        """Take the action for this run, so that no other run sends it or looks for what was sent.

        Raises:
            HeldError: another run has it.
        """
        return take_action(self.ledger, self.key, self.run_id)

    def of(self, specification: ActionSpecification) -> "ActionRun":
        """Return a run of another action with the same parts."""
        chosen = Chosen(self.chosen.settings, self.chosen.tenant, specification)
        return replace(self, chosen=chosen)


def take_action(ledger: Ledger, key: tuple[str, str], run_id: str) -> Lease:
    """Lease an action of the tenant, by kind and id.

    Raises:
        HeldError: another run has it.
    """
    return ledger.lease_timeless(lease_name(*key), UNIT, run_id)


def ask(
    run: ActionRun, unit: str, query_id: str, parameters: dict[str, str] | None = None
) -> pl.DataFrame:
    """Export a saved query for a run: columns of text under their headers in lower case.

    Raises:
        PipelineError: as `query_rows`.
    """
    unit = f"{unit}-{run.run_id}"
    return query_rows(run.tools, run.exported_for, unit, query_id, run.folder(), parameters)


@contextmanager
def open_action(
    chosen: ChosenAction,
    trigger: str,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[ActionRun]:
    """Open a run of an action: its client, and its place in the ledger."""
    settings, tenant = chosen.settings, chosen.tenant
    action = chosen.specification.action
    with (
        opened(settings, tenant.name, {"action": action}, clock, sleep) as parts,
        connected(parts, tenant, Asker.READ if is_scheduled() else Asker.PERSON) as tools,
    ):
        parts.ledger.begin_run(parts.run_id, action, trigger)
        yield ActionRun(parts=parts, chosen=chosen, trigger=trigger, tools=tools)
