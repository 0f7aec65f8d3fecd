"""One export run: what it works on, the units it has to land, and its place in the ledger."""

import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from connectors.catalogue import DatasetSpecification, Mode, load_dataset
from connectors.clock import utc_now
from connectors.errors import PipelineError, UsageError
from connectors.lake import Lake
from connectors.lake.lake import unit_name
from connectors.ledger import Ledger, open_ledger
from connectors.nexthink import NexthinkClient
from connectors.settings import (
    Settings,
    TenantSettings,
    load_settings,
    load_tenant,
    prepare_home,
)
from tasks.export import Tools
from tasks.windows import Window, floor, last_full_window, parse_instant, plan_windows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller asks for; the same words as flow parameters and command options."""

    dataset: str
    window_from: str | None = None
    window_to: str | None = None
    tenant: str | None = None
    accept_shrink: bool = False
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What lands at once: a window, or a snapshot's slot [starts_at, ends_at)."""

    name: str
    starts_at: datetime
    ends_at: datetime
    window: Window | None = None

    def __str__(self) -> str:
        return str(self.window) if self.window else self.name


@dataclass(frozen=True, slots=True)
class Plan:
    """A validated request: everything that can be known before the tenant is asked."""

    asked: Asked
    settings: Settings
    tenant: TenantSettings
    specification: DatasetSpecification
    units: tuple[Unit, ...]

    @property
    def trigger(self) -> str:
        """Tell a run with dates, which leaves the watermark alone, from a scheduled one."""
        return "back-fill" if self.asked.window_from else "scheduled"


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way: the plan, and the parts it works with."""

    run_id: str
    plan: Plan
    tools: Tools
    lake: Lake
    spool: Path
    started_at: datetime = field(default_factory=utc_now)

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.plan.specification.dataset

    @property
    def ledger(self) -> Ledger:
        """The tenant's ledger."""
        return self.tools.ledger


def plan_run(asked: Asked, clock: Callable[[], datetime] = utc_now) -> Plan:
    """Check settings, catalogue and dates, and decide which units to land.

    Raises:
        ConfigurationError: settings or catalogue have problems; all are listed.
        UsageError: unknown dataset, or dates that cannot be exported.
    """
    settings = load_settings()
    specification = load_dataset(settings.catalog, asked.dataset)
    tenant = load_tenant(settings, asked.tenant)
    units = plan_units(asked, specification, tenant, clock())
    return Plan(asked, settings, tenant, specification, tuple(units))


def plan_units(
    asked: Asked, specification: DatasetSpecification, tenant: TenantSettings, now: datetime
) -> list[Unit]:
    """Decide which units a request lands: the slot of a snapshot, or windows."""
    dated = asked.window_from is not None or asked.window_to is not None
    if specification.mode is Mode.SNAPSHOT:
        if dated:
            raise UsageError(
                f"{asked.dataset} is a snapshot of how things are now: it takes no --from and --to"
            )
        slot = floor(asked.scheduled_at or now, specification.every)
        return [Unit(unit_name(slot), slot, slot + specification.every)]
    window = specification.window
    if window is None:
        raise AssertionError("the catalogue gives every window dataset its window")
    if not dated:
        reference = asked.scheduled_at or now
        windows = [last_full_window(reference, window.lag, window.step, tenant.zone)]
    elif asked.window_from is None or asked.window_to is None:
        raise UsageError("a back-fill takes both --from and --to")
    else:
        windows = plan_windows(
            parse_instant(asked.window_from, "--from"),
            parse_instant(asked.window_to, "--to"),
            step=window.step,
            zone=tenant.zone,
            now=now,
            reach=window.reach,
        )
    return [Unit(unit_name(cut.start, cut.end), cut.start, cut.end, cut) for cut in windows]


@contextmanager
def open_run(
    plan: Plan,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Run]:
    """Open client, ledger and lake for a run, and clear away what killed runs left aside."""
    run_id = str(uuid.uuid4())
    ledger = open_ledger(plan.settings.ledger_url.get_secret_value(), plan.tenant.name, clock)
    lake = Lake(plan.settings.lake, plan.tenant.name, plan.settings.home / "staging")
    spool = prepare_home(plan.settings) / "spool"
    try:
        for interrupted in ledger.close_interrupted_runs():
            shutil.rmtree(spool / interrupted, ignore_errors=True)
            lake.discard_stage(interrupted)
        with NexthinkClient(plan.tenant, clock=clock, sleep=sleep) as client:
            tools = Tools(client, ledger, clock, sleep)
            yield Run(run_id, plan, tools, lake, spool / run_id, clock())
    except PipelineError:
        raise
    except BaseException as error:
        # A signal, or a bug: neither gets as far as a report.
        ledger.abandon_run(run_id, "failed" if isinstance(error, Exception) else "interrupted")
        raise
    finally:
        shutil.rmtree(spool / run_id, ignore_errors=True)
        lake.discard_stage(run_id)
        ledger.close()
