"""Landing many units: a bounded number at once, each on its own, until all are done or none can be.

A unit that is refused leaves the others alone. A tenant that cannot be reached, a credential that
is refused or a disk that is full would fail them all: then no further unit is begun.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field

from prefect import task
from prefect.cache_policies import NO_CACHE

from connectors.errors import DataRefusedError, HeldError, PipelineError
from tasks.land import Outcome, land_unit
from tasks.plan import Unit
from tasks.progress import FAILED, Progress, listening, tell
from tasks.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that did not land, and why."""

    unit: str
    error: PipelineError


@dataclass(slots=True)
class Landed:
    """What became of a run's units. `stopped` is why no more were begun."""

    outcomes: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: PipelineError | None = None


def land_all(run: Run, units: Sequence[Unit], concurrency: int) -> Landed:
    """Land all units, so many at once; a signal stops them, and each leaves its unit as it was."""
    result = Landed()
    waiting = deque(units)
    under_way: dict[Future[Outcome], Unit] = {}

    threads = f"landing {run.run_id}"

    def heed(_progress: Progress) -> None:
        if threading.current_thread().name.startswith(threads):
            run.stop.check()

    with listening(heed), ThreadPoolExecutor(concurrency, threads) as pool:
        try:
            while waiting or under_way:
                while waiting and len(under_way) < concurrency and not result.stopped:
                    unit = waiting.popleft()
                    # The context carries Prefect's run, so that logs of threads belong to it.
                    under_way[pool.submit(copy_context().run, land_unit, run, unit)] = unit
                if not under_way:
                    break
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    _settle(run, under_way.pop(future), future, result)
        except BaseException:
            run.stop.set()
            raise
    return result


@task(name="land", task_run_name="{run.dataset}", cache_policy=NO_CACHE, persist_result=False)
def land(run: Run) -> Landed:
    """Land all units of a run, as one recorded task run: see land_all."""
    return land_all(run, run.plan.units, run.plan.asked.concurrency)


def _settle(run: Run, unit: Unit, future: Future[Outcome], result: Landed) -> None:
    try:
        result.outcomes.append(future.result())
    except PipelineError as error:
        tell(Progress(run.dataset, unit.name, FAILED))
        logger.warning("%s", error)
        result.failures.append(Failure(unit.name, error))
        if not isinstance(error, DataRefusedError | HeldError):
            result.stopped = result.stopped or error
