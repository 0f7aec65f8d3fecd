"""What every run works with: client, ledger, lake, a folder of its own; cleared up at its end."""

import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.http.client import LONGEST_WAIT
from connectors.lake import Lake
from connectors.lake.storage import storage_errors
from connectors.ledger import ExportLimits, Ledger, open_ledger, process_space
from connectors.ledger.gate import CallGate
from connectors.nexthink import NexthinkClient
from connectors.settings.installation import Settings, prepare_home
from connectors.settings.tenants import TenantSettings
from tasks.exports.export import Tools
from tasks.runs import metrics
from tasks.runs.run_logs import logs_of
from tasks.runs.stopping import Stop


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a run under way; what a run is about is added by its kind."""

    run_id: str
    tools: Tools
    lake: Lake
    spool: Path
    started_at: datetime
    stop: Stop = field(default_factory=Stop)

    @property
    def ledger(self) -> Ledger:
        """The tenant's ledger."""
        return self.tools.ledger

    def folder(self) -> Path:
        """Make the run's own folder, removed at its end: for its owner only."""
        with storage_errors(self.spool):
            self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.spool

    def parts(self) -> dict[str, Any]:
        """Give them by name, to make a run of them."""
        return {each.name: getattr(self, each.name) for each in fields(Parts)}


@contextmanager
def opened(
    settings: Settings,
    tenant: TenantSettings,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    **about: str,
) -> Iterator[Parts]:
    """Open client and ledger, and clear away what killed runs left aside.

    All that is logged meanwhile is bound to the run, its tenant and what it is `about`: its
    dataset, sync or action.

    A run that has begun in the ledger and not ended is abandoned, whatever ends it. One that was
    told to stop, and had ended its work by then, raises that signal here.
    """
    run_id = str(uuid.uuid4())
    metrics.begin()
    with logs_of(settings, run_id=run_id, tenant=tenant.name, **about):
        try:
            yield from _opened(run_id, settings, tenant, clock, sleep)
        finally:
            metrics.flush()


def _opened(
    run_id: str,
    settings: Settings,
    tenant: TenantSettings,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Iterator[Parts]:
    stop = Stop(sleep, settings.stop_seconds)
    ledger = open_ledger(settings.ledger_url.get_secret_value(), tenant.name, clock)
    spool = prepare_home(settings) / "spool"
    lake = Lake(settings.lake, tenant.name, settings.home / "staging")
    try:
        for interrupted in ledger.close_interrupted_runs():
            shutil.rmtree(spool / interrupted, ignore_errors=True)
            lake.discard_stage(interrupted)
        gate = call_gate(ledger, tenant, clock, stop.sleep)
        with (
            closing(gate),
            NexthinkClient(tenant, None, clock, stop.sleep, tenant.reread, gate) as client,
        ):
            at_once = ExportLimits(
                tenant.exports_at_once, settings.exports_per_worker, worker_name(settings)
            )
            tools = Tools(client, ledger, clock, stop.sleep, run_id, at_once)
            yield Parts(run_id, tools, lake, spool / run_id, clock(), stop)
        stop.end()
    except BaseException as error:
        # A signal, a bug, or a report that could not be kept; a run that has ended is left alone.
        with suppress(PipelineError):
            if stop.is_stuck:
                ledger.give_back(run_id)
            state = "failed" if isinstance(error, Exception) else "interrupted"
            if ledger.abandon_run(run_id, state):
                metrics.run_ended(state)
        raise
    finally:
        shutil.rmtree(spool / run_id, ignore_errors=True)
        lake.discard_stage(run_id)
        ledger.close()


def call_gate(
    ledger: Ledger,
    tenant: TenantSettings,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> CallGate:
    """Make what each call of this process passes: the limits that all processes share."""
    return CallGate(
        ledger.limits,
        per_second=tenant.calls_per_second,
        per_day=tenant.daily_calls,
        longest_wait=LONGEST_WAIT,
        clock=clock,
        sleep=sleep,
    )


def worker_name(settings: Settings) -> str:
    """Name the worker whose runs count together: as set, or the process that started this run."""
    if settings.worker:
        return settings.worker
    started_by_worker = "PREFECT__FLOW_RUN_ID" in os.environ
    pid = os.getppid() if started_by_worker else os.getpid()
    return f"{socket.gethostname()}/{pid}/{process_space()}"
