"""What every run works with: client, ledger, lake, a folder of its own; cleared up at its end."""

import os
import shutil
import socket
import threading
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
from connectors.gate import CallGate
from connectors.http import LONGEST_WAIT
from connectors.lake import Lake
from connectors.lake.storage import storage_errors
from connectors.ledger import ExportLimits, Ledger, open_ledger, process_space
from connectors.nexthink import NexthinkClient
from connectors.settings import Settings, prepare_home
from connectors.tenants import TenantSettings
from tasks.export import Tools


class StoppedError(Exception):
    """Raised in the threads of a run that is being stopped, where they wait or tell progress."""


class Stop:
    """Stops the threads of a run; `sleep` is how they wait."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._event = threading.Event()
        self._sleep = sleep

    def set(self) -> None:
        """Let no thread go on."""
        self._event.set()

    def check(self) -> None:
        """Raise StoppedError once the run is being stopped."""
        if self._event.is_set():
            raise StoppedError

    def sleep(self, seconds: float) -> None:
        """Wait, but not for longer than the run goes on."""
        if self._sleep is time.sleep:
            self._event.wait(seconds)
        else:
            self._sleep(seconds)
        self.check()


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
) -> Iterator[Parts]:
    """Open client and ledger, and clear away what killed runs left aside.

    A run that has begun in the ledger and not ended is abandoned, whatever ends it.
    """
    run_id, stop = str(uuid.uuid4()), Stop(sleep)
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
            NexthinkClient(tenant, clock=clock, sleep=stop.sleep, gate=gate) as client,
        ):
            at_once = ExportLimits(
                tenant.exports_at_once, settings.exports_per_worker, worker_name(settings)
            )
            tools = Tools(client, ledger, clock, stop.sleep, run_id, at_once)
            yield Parts(run_id, tools, lake, spool / run_id, clock(), stop)
    except BaseException as error:
        # A signal, a bug, or a report that could not be kept; a run that has ended is left alone.
        with suppress(PipelineError):
            ledger.abandon_run(run_id, "failed" if isinstance(error, Exception) else "interrupted")
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
