"""Opening a run: ledger, lake and a folder of its own, cleared up at its end.

Every kind of run is opened here, from an export to a maintenance, so that all of them are logged,
measured, stopped and abandoned alike.
"""

import logging
import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.lake import Lake
from connectors.lake.records import write_run
from connectors.lake.storage import UNPUBLISHED, storage_errors
from connectors.ledger import Asker, ExportLimits, Ledger, open_ledger, process_space
from connectors.logs import JSON, OURS, TextWithNames, bound, write_json, write_plainly
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import Settings, prepare_home
from connectors.settings.tenants import TenantSettings
from tasks.runs import metrics
from tasks.runs.counted import call_gate
from tasks.runs.leftovers import clear_leftovers
from tasks.runs.recorded import hurry
from tasks.runs.stopping import Stop, stopped_by
from tasks.runs.tools import Tools

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a run under way; each kind of run adds what it is about."""

    run_id: str
    settings: Settings
    tenant: str
    ledger: Ledger
    lake: Lake
    spool: Path
    clock: Callable[[], datetime]
    started_at: datetime
    stop: Stop = field(default_factory=Stop)

    def folder(self) -> Path:
        """Make the run's own folder: for its owner only, removed when the run ends."""
        with storage_errors(self.spool):
            self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.spool

    def keep_report(
        self,
        state: str,
        report: Mapping[str, Any],
        row: Mapping[str, Any] | None = None,
        also: Callable[[], object] | None = None,
    ) -> None:
        """Keep a run's report in the lake (`_runs`) and, last, in the ledger.

        A run that failed because the disk is full, or the bucket out of reach, cannot keep its
        report there either: then only the ledger has it, and the first error is the one raised.

        Args:
            state: how the run ended.
            report: what the ledger keeps; its `error` is None if nothing went wrong.
            row: what `_runs` keeps, if that differs.
            also: writes other things that the run leaves in the lake, before the row.

        Raises:
            PipelineError: the lake or the ledger cannot be written, and nothing else went wrong.
        """
        try:
            if also:
                also()
            write_run(self.lake, dict(row or report))
        except PipelineError as error:
            if report["error"] is None:
                cause = error.message.removesuffix(f"; {UNPUBLISHED}")
                raise error.retold(
                    f"{cause}; what run {self.run_id} did counts, and only its report is missing"
                ) from None
            logger.warning("the report of run %s is in the ledger only: %s", self.run_id, error)
        self.ledger.finish_run(self.run_id, state, dict(report))
        metrics.run_ended(state)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """A run of any kind under way, over its parts."""

    parts: Parts

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.parts.run_id

    @property
    def ledger(self) -> Ledger:
        """The tenant's ledger."""
        return self.parts.ledger

    @property
    def lake(self) -> Lake:
        """The tenant's part of the lake."""
        return self.parts.lake

    @property
    def spool(self) -> Path:
        """The run's own folder, which `folder` makes."""
        return self.parts.spool

    @property
    def started_at(self) -> datetime:
        """When the run began."""
        return self.parts.started_at

    @property
    def stop(self) -> Stop:
        """What stops the run's threads."""
        return self.parts.stop

    def folder(self) -> Path:
        """Make the run's own folder: for its owner only, removed when the run ends."""
        return self.parts.folder()


@contextmanager
def opened(
    settings: Settings,
    tenant: str,
    about: Mapping[str, str],
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Parts]:
    """Open the parts of a run, and clear away what killed runs left behind.

    A run that has begun in the ledger but not ended there is marked as abandoned, whatever ended
    it. A run that finished its work after a signal raises the signal here, at its end.

    Args:
        settings: of the installation.
        tenant: its name.
        about: the dataset, sync or action of the run, such as {"sync": "cmdb_devices"}; bound to
            everything logged inside, as are run and tenant.
        clock: returns the current time.
        sleep: waits.
    """
    run_id = str(uuid.uuid4())
    metrics.begin()
    with _logs_of(settings, run_id=run_id, tenant=tenant, **about):
        try:
            yield from _opened(run_id, settings, tenant, clock, sleep)
        finally:
            metrics.flush()


def _opened(
    run_id: str,
    settings: Settings,
    tenant: str,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> Iterator[Parts]:
    stop = Stop(sleep, settings.stop_seconds)
    spool = prepare_home(settings) / "spool"
    lake = Lake(settings.lake, tenant, settings.home / "staging")
    with (
        open_ledger(settings.ledger_url.get_secret_value(), tenant, clock) as ledger,
        stopped_by(stop),
    ):
        try:
            ledger.close_interrupted_runs()
            clear_leftovers(ledger, spool, lake.staging)
            yield Parts(
                run_id, settings, tenant, ledger, lake, spool / run_id, clock, clock(), stop
            )
            stop.end()
        except BaseException as error:
            # A signal, a bug, or a report that could not be kept; an ended run stays as it is.
            if not isinstance(error, Exception):
                hurry()
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


@contextmanager
def connected(parts: Parts, tenant: TenantSettings, asker: Asker = Asker.PERSON) -> Iterator[Tools]:
    """Open a client of the tenant for a run, under the limits that all processes share.

    Args:
        parts: the parts of the run.
        tenant: address and credential.
        asker: who asks; when little of a limit is left, others may come first.
    """
    sleep, settings = parts.stop.sleep, parts.settings
    gate = call_gate(parts.ledger, tenant, parts.clock, sleep, asker)
    with (
        closing(gate),
        NexthinkClient(tenant, None, parts.clock, sleep, tenant.reread, gate) as client,
    ):
        at_once = ExportLimits(
            tenant.exports_at_once, settings.exports_per_worker, worker_name(settings)
        )
        yield Tools(client, parts.ledger, parts.clock, sleep, parts.run_id, at_once)


def worker_name(settings: Settings) -> str:
    """Return the worker whose runs count together: as set, or the process that started this run."""
    if settings.worker:
        return settings.worker
    started_by_worker = "PREFECT__FLOW_RUN_ID" in os.environ
    pid = os.getppid() if started_by_worker else os.getpid()
    return f"{socket.gethostname()}/{pid}/{process_space()}"


@contextmanager
def _logs_of(settings: Settings, **names: str) -> Iterator[None]:
    """Bind names to all log lines of a run, and write these as JSON if the settings say so."""
    write_plainly()
    if settings.log == JSON:
        write_json()
    with bound(**names, flow_run_id=_flow_run_id()):
        yield


def _flow_run_id() -> str | None:
    """Return the flow run's id, if there is one, and make Prefect show the bound names too."""
    # Do not import Prefect just to ask: if nothing has imported it, there is no flow run.
    if "prefect" not in sys.modules:
        return None
    from prefect import runtime  # noqa: PLC0415 - prefect
    from prefect.logging.handlers import APILogHandler  # noqa: PLC0415

    for ours in map(logging.getLogger, OURS):
        for handler in ours.handlers:
            if isinstance(handler, APILogHandler):
                handler.setFormatter(TextWithNames())
                # Prefect leaves the level of other loggers as it is, which is the root's: warnings.
                ours.setLevel(ours.level or logging.INFO)
    flow_run_id = runtime.flow_run.id
    return flow_run_id and str(flow_run_id)
