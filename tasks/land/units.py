"""Landing many units, a limited number at once, until all are done or none can be.

A unit that is refused does not affect the others. A tenant that cannot be reached, a credential
that is refused or a full disk would fail them all, so then no further unit is begun.
"""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field

from connectors.errors import DataRefusedError, HeldError, LimitReachedError, PipelineError
from connectors.http.client import LONGEST_WAIT
from tasks.land.claims import Claims
from tasks.land.plan import Unit
from tasks.land.run import Run
from tasks.land.unit import UnitOutcome, land_unit
from tasks.runs import metrics
from tasks.runs.artifact import progress_shown
from tasks.runs.progress import FAILED, PLANNED, STOPPING, Progress, tell
from tasks.runs.recorded import recorded
from tasks.runs.stopping import StoppedError, pool_of, unbroken

logger = logging.getLogger(__name__)

# Seconds before each further try of a window that another run holds: it may be nearly done.
HELD_PAUSES = (1.0, 2.0, 4.0, 8.0)
# Seconds before each further look at what other runs of a shared back-fill hold.
FIRST_PAUSE, LONGEST_PAUSE, PAUSE_GROWTH = 1.0, 10.0, 1.5


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that did not land, and why."""

    unit: str
    error: PipelineError


@dataclass(slots=True)
class Landed:
    """The outcome of a run's units. `stopped` is why no more were begun.

    `held` are those that another run holds, until they are tried again or become failures. `left`
    counts the windows of a shared back-fill that other runs have landed, or tried.
    """

    outcomes: list[UnitOutcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    held: list[Failure] = field(default_factory=list)
    left: int = 0
    stopped: PipelineError | None = None
    # Those that threads work on; empty at the end, unless a thread had to be left behind.
    under_way: dict[Future[UnitOutcome], Unit] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """Sum up for an operator."""
        units = len(self.outcomes) + len(self.failures)
        if not units and self.stopped is None:
            return "nothing to land"
        rows = sum(outcome.rows_landed for outcome in self.outcomes)
        return f"{len(self.outcomes):,} of {units:,} windows, {rows:,} rows"


@recorded("land", says=str)
def land(run: Run) -> Landed:
    """Land all units of a run, as many at once as was asked for.

    After a signal, those under way may end within the run's limit, and no other is begun. A unit
    that does not land in time stays as it was, with its export in the journal.
    """
    result = Landed()
    units, at_once = run.plan.units, run.plan.asked.concurrency
    tell(Progress(run.dataset, "", PLANNED, len(units)))
    result.stopped = _unfit(run)
    if result.stopped:
        return result
    with (
        progress_shown(run.plan.tenant.name, run.dataset, len(units)),
        pool_of(at_once, f"landing {run.run_id}", run.stop) as pool,
    ):
        try:
            if run.plan.asked.chunk:
                _land_shared(pool, at_once, run, result)
            else:
                _land_on(pool, at_once, run, units, result)
                _try_held_again(pool, at_once, run, units, result)
        except BaseException as error:
            _wind_down(run, result, error)
            if len(result.outcomes) < len(units):
                raise
            # Nothing was left out: the run ends as usual, and then raises the signal.
            run.stop.asked = error
    for failure in result.held:
        _fail(run, failure, result)
    return result


def _wind_down(run: Run, result: Landed, error: BaseException) -> None:
    """Let units under way end within the run's limit, and count those that have landed."""
    under_way = result.under_way
    tell(Progress(run.dataset, f"{len(under_way)} under way", STOPPING))
    run.stop.let_end(under_way, error)
    for future in [future for future in under_way if future.done()]:
        with suppress(StoppedError):
            _settle(run, under_way.pop(future), future, result)


def _land_on(
    pool: ThreadPoolExecutor, at_once: int, run: Run, units: Iterable[Unit], result: Landed
) -> None:
    waiting = iter(units)
    under_way = result.under_way
    while True:
        while len(under_way) < at_once and not result.stopped:
            unit = next(waiting, None)
            if unit is None:
                break
            # The context carries Prefect's run, so that the threads' logs belong to it.
            under_way[pool.submit(copy_context().run, land_unit, run, unit)] = unit
        if not under_way:
            break
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        with unbroken():
            for future in done:
                _settle(run, under_way.pop(future), future, result)


def _try_held_again(
    pool: ThreadPoolExecutor, at_once: int, run: Run, units: Sequence[Unit], result: Landed
) -> None:
    """Try windows that another run held again at the end: that run may have landed them."""
    for seconds in HELD_PAUSES:
        if not result.held or result.stopped:
            return
        run.stop.sleep(seconds)
        names = {failure.unit for failure in result.held}
        result.held.clear()
        held = [unit for unit in units if unit.name in names]
        _land_on(pool, at_once, run, held, result)


def _land_shared(pool: ThreadPoolExecutor, at_once: int, run: Run, result: Landed) -> None:
    """Land windows that no other run holds, until all have landed or failed.

    A run with nothing left to do stays while others hold windows: if one of them is killed, its
    leases end (at once if that can be seen, otherwise after LEASE_TIME) and the windows are landed
    here.
    """
    pause = FIRST_PAUSE
    while not result.stopped:
        tried = {outcome.unit for outcome in result.outcomes}
        tried |= {failure.unit for failure in result.failures}
        claims = Claims(run, tried)
        _land_on(pool, at_once, run, claims.free(), result)
        result.held.clear()
        if not claims.open():
            break
        pause = FIRST_PAUSE if claims.given else min(LONGEST_PAUSE, pause * PAUSE_GROWTH)
        run.stop.sleep(pause)
    if not result.stopped:
        result.left = len(run.plan.units) - len(result.outcomes) - len(result.failures)


def _unfit(run: Run) -> PipelineError | None:
    """Return why nothing can land now, before anything is exported; None if it can."""
    try:
        run.lake.check_writable()
        for place in run.landings:
            place.check()
    except PipelineError as error:
        return error
    not_before = run.ledger.limits.limited_until()
    if not_before is None or not_before - run.tools.clock() <= LONGEST_WAIT:
        return None
    return LimitReachedError(
        f"{run.dataset}: the tenant's limit is reached, it allows the next try at "
        f"{not_before:%Y-%m-%d %H:%M:%SZ}: run again then; nxp state reset {run.dataset} forgets "
        "it",
        not_before=not_before,
    )


def _settle(run: Run, unit: Unit, future: Future[UnitOutcome], result: Landed) -> None:
    try:
        outcome = future.result()
    except PipelineError as error:
        failure = Failure(unit.name, error)
        # A snapshot is not tried again: the other run lands that of another moment.
        if isinstance(error, HeldError) and unit.window:
            result.held.append(failure)
        else:
            _fail(run, failure, result)
    else:
        result.outcomes.append(outcome)
        metrics.unit_landed(outcome)


def _fail(run: Run, failure: Failure, result: Landed) -> None:
    tell(Progress(run.dataset, failure.unit, FAILED))
    logger.warning("%s", failure.error)
    metrics.unit_failed(failure.error)
    result.failures.append(failure)
    if not isinstance(failure.error, DataRefusedError | HeldError):
        result.stopped = result.stopped or failure.error
