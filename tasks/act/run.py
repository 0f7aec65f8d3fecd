"""An action's run under way: the parts it works with, and its place in the ledger."""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from connectors.actions import ActionSpecification, load_action
from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.lake import Lake
from connectors.lake.storage import storage_errors
from connectors.ledger import Lease, Ledger, lease_name, open_ledger
from connectors.nexthink import NexthinkClient
from connectors.settings import Settings, load_settings, prepare_home
from connectors.tenants import TenantSettings, load_tenant
from tasks.export import Tools
from tasks.run import Stop
from tasks.saved_query import query_rows

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


@dataclass(frozen=True, slots=True)
class ActionRun:
    """A run of an action under way."""

    run_id: str
    chosen: Chosen
    trigger: str
    tools: Tools
    lake: Lake
    spool: Path
    started_at: datetime
    stop: Stop = field(default_factory=Stop)

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
    def ledger(self) -> Ledger:
        """The tenant's ledger."""
        return self.tools.ledger

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.tools.clock()

    @property
    def key(self) -> tuple[str, str]:
        """What the journal knows the action by: kind and the tenant's id."""
        return self.specification.kind.value, self.specification.id

    def folder(self) -> Path:
        """Make the run's own folder, removed at its end: for its owner only."""
        with storage_errors(self.spool):
            self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.spool

    def lease(self) -> Lease:
        """Take the action for this run: nobody else sends it, or looks for what was sent.

        Raises:
            HeldError: another run has it.
        """
        return take_action(self.ledger, self.key, self.run_id)

    def of(self, specification: ActionSpecification) -> "ActionRun":
        """Give a run of another action beside this one, with the same parts."""
        chosen = Chosen(self.chosen.settings, self.chosen.tenant, specification)
        return ActionRun(
            self.run_id,
            chosen,
            self.trigger,
            self.tools,
            self.lake,
            self.spool,
            self.started_at,
            self.stop,
        )


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
            yield ActionRun(run_id, chosen, trigger, tools, lake, spool / run_id, clock(), stop)
    except BaseException as error:
        # A signal, a bug, or a report that could not be kept; a run that has ended is left alone.
        with suppress(PipelineError):
            ledger.abandon_run(run_id, "failed" if isinstance(error, Exception) else "interrupted")
        raise
    finally:
        shutil.rmtree(spool / run_id, ignore_errors=True)
        lake.discard_stage(run_id)
        ledger.close()
