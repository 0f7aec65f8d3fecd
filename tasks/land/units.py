"""Landing many units, a limited number at once, until all are done or none can be.

A unit that is refused does not affect the others. A tenant that cannot be reached, a credential
that is refused or a full disk would fail them all, so then no further unit is begun.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field

from connectors.errors import DataRefusedError, HeldError, LimitReachedError, PipelineError
from connectors.http.policy import LONGEST_WAIT
from connectors.ledger import CallKind
from tasks.land.claims import Claims
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Unit
from tasks.land.run import Run
from tasks.land.steps import LandUnit, Steps, steps_of
from tasks.runs import metrics
from tasks.runs.artifact import progress_shown
from tasks.runs.progress import FAILED, PLANNED, STOPPING, Progress, tell
from tasks.runs.stopping import StoppedError, pool_of, unbroken

logger = logging.getLogger(__name__)

# Seconds before each further try of a window that another run holds: it may be nearly done.
HELD_PAUSES = (1.0, 2.0, 4.0, 8.0)
# Seconds before each further look at what other runs of a shared back-fill hold.
FIRST_PAUSE, LONGEST_PAUSE, PAUSE_GROWTH = 1.0, 10.0, 1.5


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that did not land, and why."""

    of: Unit
    error: PipelineError

    @property
    def unit(self) -> str:
        """The unit's name."""
        return self.of.name


@dataclass(slots=True)
class LandedUnits:
    """The outcome of a run's units. `stopped` is why no more were begun.

    `held` are those that another run holds, until they are tried again or become failures. `left`
    counts the windows of a shared back-fill that other runs have landed, or tried.
    """

    outcomes: list[UnitOutcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    held: list[Failure] = field(default_factory=list)
    left: int = 0
    stopped: PipelineError | None = None

    def __str__(self) -> str:
        """Sum up for an operator."""
        units = len(self.outcomes) + len(self.failures)
        if not units and self.stopped is None:
            return "nothing to land"
        rows = sum(outcome.rows_landed for outcome in self.outcomes)
        return f"{len(self.outcomes):,} of {units:,} windows, {rows:,} rows"


def land(run: Run, land_unit: LandUnit) -> LandedUnits:
    """Land all units of a run by `land_unit`, as many at once as was asked for.

    After a signal, those under way may end within the run's limit, and no other is begun. A unit
    that does not land in time stays as it was, with its export in the journal.
    """
    result, at_once = LandedUnits(), run.plan.asked.concurrency
    tell(Progress(run.dataset, "", PLANNED, len(run.plan.units)))
    result.stopped = _unfit(run)
    if result.stopped:
        return result
    steps = steps_of(run, land_unit)
    with (
        progress_shown(run.plan.tenant.name, run.dataset, len(run.plan.units)),
        pool_of(at_once, f"landing {run.run_id}", run.stop) as pool,
    ):
        _Landing(run, steps, pool, result).land()
    return result


@dataclass(slots=True)
class _Landing:
    """The units of a run under way, in threads of the pool.

    `under_way` is empty at the end, unless a thread had to be left behind.
    """

    run: Run
    steps: Steps
    pool: ThreadPoolExecutor
    result: LandedUnits
    under_way: dict[Future[UnitOutcome], Unit] = field(default_factory=dict)

    def land(self) -> None:
        """Land all units, or those that no other run holds if the back-fill is shared."""
        units, result = self.run.plan.units, self.result
        try:
            if self.run.plan.asked.chunk:
                self._land_shared()
            else:
                self._land_on(units)
                self._try_held_again()
        except BaseException as error:
            self._wind_down(error)
            if len(result.outcomes) < len(units):
                raise
            # Nothing was left out: the run ends as usual, and then raises the signal.
            self.run.stop.asked = error
        finally:
            self.steps.close(stopped=self.run.stop.is_stopping)
        for failure in result.held:
            self._fail(failure)

    def _wind_down(self, error: BaseException) -> None:
        """Let units under way end within the run's limit, and count those that have landed."""
        tell(Progress(self.run.dataset, f"{len(self.under_way)} under way", STOPPING))
        self.run.stop.let_end(self.under_way, error)
        for future in [future for future in self.under_way if future.done()]:
            with suppress(StoppedError):
                self._settle(self.under_way.pop(future), future)

    def _land_on(self, units: Iterable[Unit]) -> None:
        waiting = iter(units)
        while True:
            while len(self.under_way) < self.run.plan.asked.concurrency and not self.result.stopped:
                unit = next(waiting, None)
                if unit is None:
                    break
                self.steps.begin(unit)
                # The context carries Prefect's run, so that the threads' logs belong to it.
                future = self.pool.submit(copy_context().run, self.steps.land_unit, unit)
                self.under_way[future] = unit
            if not self.under_way:
                break
            done, _ = wait(self.under_way, return_when=FIRST_COMPLETED)
            with unbroken():
                for future in done:
                    self._settle(self.under_way.pop(future), future)

    def _try_held_again(self) -> None:
        """Try windows that another run held again at the end: that run may have landed them."""
        result = self.result
        for seconds in HELD_PAUSES:
            if not result.held or result.stopped:
                return
            self.run.stop.sleep(seconds)
            held = [failure.of for failure in result.held]
            result.held.clear()
            self._land_on(held)

    def _land_shared(self) -> None:
        """Land windows that no other run holds, until all have landed or failed.

        A run with nothing left to do stays while others hold windows: if one of them is killed, its
        leases end (at once if that can be seen, otherwise after LEASE_TIME) and the windows are
        landed here.
        """
        run, result, pause = self.run, self.result, FIRST_PAUSE
        while not result.stopped:
            tried = {outcome.unit for outcome in result.outcomes}
            tried |= {failure.unit for failure in result.failures}
            claims = Claims(run, tried)
            self._land_on(claims.free())
            result.held.clear()
            if not claims.open():
                break
            pause = FIRST_PAUSE if claims.given else min(LONGEST_PAUSE, pause * PAUSE_GROWTH)
            run.stop.sleep(pause)
        if not result.stopped:
            result.left = len(run.plan.units) - len(result.outcomes) - len(result.failures)

    def _settle(self, unit: Unit, future: Future[UnitOutcome]) -> None:
        try:
            outcome = future.result()
        except PipelineError as error:
            self.steps.end(unit, None)
            failure = Failure(unit, error)
            # A snapshot is not tried again: the other run lands that of another moment.
            if isinstance(error, HeldError) and unit.window:
                self.result.held.append(failure)
            else:
                self._fail(failure)
        else:
            self.steps.end(unit, outcome)
            self.result.outcomes.append(outcome)
            metrics.unit_landed(outcome)

    def _fail(self, failure: Failure) -> None:
        tell(Progress(self.run.dataset, failure.unit, FAILED))
        logger.warning("%s", failure.error)
        self.steps.fail(failure.of, failure.error)
        metrics.unit_failed(failure.error)
        self.result.failures.append(failure)
        if not isinstance(failure.error, DataRefusedError | HeldError):
            self.result.stopped = self.result.stopped or failure.error


def _unfit(run: Run) -> PipelineError | None:
    """Return why nothing can land now, before anything is exported; None if it can."""
    try:
        run.lake.check_writable()
        for place in run.landings:
            place.check()
    except PipelineError as error:
        return error
    # Exports under way may be awaited, even if no other one may be started.
    kind = CallKind.CALLS if run.ledger.journal.count(run.dataset) else CallKind.EXPORTS
    not_before = run.ledger.limits.limited_until(kind)
    if not_before is None or not_before - run.tools.clock() <= LONGEST_WAIT:
        return None
    return LimitReachedError(
        f"{run.dataset}: the tenant's limit is reached, it allows the next try at "
        f"{not_before:%Y-%m-%d %H:%M:%SZ}: run again then; nxp state reset {run.dataset} forgets "
        "it",
        not_before=not_before,
    )
