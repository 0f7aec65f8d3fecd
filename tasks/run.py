"""One export run under way: the parts it works with, and its place in the ledger."""

import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.lake import Budget, Lake
from connectors.landing import Landing
from connectors.landings import open_landings
from connectors.ledger import Ledger, open_ledger
from connectors.nexthink import NexthinkClient
from connectors.settings import prepare_home
from tasks.export import Tools
from tasks.plan import Plan

logger = logging.getLogger(__name__)

# Batches are typed in memory, on all cores: more at once only take memory.
CONFORMING_AT_ONCE = min(2, os.cpu_count() or 1)


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
class Run:
    """A run under way: the plan, and the parts it works with."""

    run_id: str
    plan: Plan
    tools: Tools
    lake: Lake
    landings: Sequence[Landing]
    spool: Path
    started_at: datetime = field(default_factory=utc_now)
    stop: Stop = field(default_factory=Stop)
    budget: Budget | None = None
    conforming: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(CONFORMING_AT_ONCE)
    )

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.plan.specification.dataset

    @property
    def ledger(self) -> Ledger:
        """The tenant's ledger."""
        return self.tools.ledger


@contextmanager
def open_run(
    plan: Plan,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Run]:
    """Open client, ledger and landings, and clear away what killed runs left aside."""
    run_id, stop = str(uuid.uuid4()), Stop(sleep)
    ledger = open_ledger(plan.settings.ledger_url.get_secret_value(), plan.tenant.name, clock)
    spool = prepare_home(plan.settings) / "spool"
    lake = Lake(plan.settings.lake, plan.tenant.name, plan.settings.home / "staging")
    try:
        for interrupted in ledger.close_interrupted_runs():
            shutil.rmtree(spool / interrupted, ignore_errors=True)
            lake.discard_stage(interrupted)
        with ExitStack() as opened:
            client = opened.enter_context(
                NexthinkClient(plan.tenant, clock=clock, sleep=stop.sleep)
            )
            landings = open_landings(
                plan.settings, plan.tenant.name, plan.specification, lake, clock
            )
            for landing in landings:
                opened.callback(landing.close)
            tools = Tools(client, ledger, clock, stop.sleep)
            budget = Budget(plan.settings.memory_mb * 1024 * 1024)
            spooled = spool / run_id
            yield Run(run_id, plan, tools, lake, landings, spooled, clock(), stop, budget)
    except BaseException as error:
        # A signal, a bug, or a report that could not be kept; a run that has ended is left alone.
        with suppress(PipelineError):
            ledger.abandon_run(run_id, "failed" if isinstance(error, Exception) else "interrupted")
        raise
    finally:
        shutil.rmtree(spool / run_id, ignore_errors=True)
        lake.discard_stage(run_id)
        ledger.close()
