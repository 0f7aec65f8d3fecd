"""How much of a run Prefect shows: each stage of a unit, each unit, or chunks of units.

A task run costs the server more than most windows cost us. So a run of a few units shows all of
their stages, a longer one a task run for each unit, and a back-fill of many windows one for each
chunk. A unit that fails is always shown by itself.
"""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from connectors.errors import HeldError, PipelineError
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Unit
from tasks.land.run import Run, subject_of
from tasks.runs.recorded import flow_run, is_shown, recorded, unrecorded
from tasks.runs.stopping import StoppedError

LandUnit: TypeAlias = Callable[[Run, Unit], UnitOutcome]

# The most units of a run whose stages are shown, and the most units that are shown one by one.
MOST_BY_STAGE: Final = 20
MOST_BY_UNIT: Final = 200
# A longer run is shown in this many chunks, or in chunks of the least size.
CHUNKS: Final = 100
LEAST_CHUNK: Final = 10
# Units of chunks that failed are shown one by one, up to this number.
MOST_FAILED: Final = 100
# How long the end of a run waits for the task runs of its chunks to be reported.
REPORTED_WITHIN_SECONDS: Final = 10.0


class Steps:
    """The task runs of a run's units; `land_unit` lands a unit as one of them."""

    def __init__(self, run: Run, land_unit: LandUnit) -> None:
        self._run = run
        self._land = land_unit
        self._failed = 0

    def land_unit(self, unit: Unit) -> UnitOutcome:
        """Land a unit; each of its stages is shown."""
        return self._land(self._run, unit)

    def begin(self, unit: Unit) -> None:
        """Note that a unit is begun. Called by one thread, like all that follows."""

    def end(self, unit: Unit, outcome: UnitOutcome | None) -> None:
        """Note that a unit has ended, or is to be tried again."""

    def fail(self, unit: Unit, error: PipelineError) -> None:
        """Show why a unit has failed, unless one of its own task runs shows it already."""
        if self._failed < MOST_FAILED and not is_shown(error):
            self._failed += 1
            with suppress(PipelineError):
                _fail(self._run, unit, error)

    def close(self, *, stopped: bool) -> None:
        """End all task runs; `stopped` means that the run was interrupted."""


class StepsByUnit(Steps):
    """One task run for each unit."""

    def land_unit(self, unit: Unit) -> UnitOutcome:
        """Land a unit as one step."""
        return _land_unit(self._run, unit, self._land)


class StepsByChunk(Steps):
    """One task run for each chunk of units: it lasts from the first one's begin to the last's end.

    Units are begun in the order of the plan, whatever chunk they are in.
    """

    def __init__(self, run: Run, land_unit: LandUnit) -> None:
        super().__init__(run, land_unit)
        units = run.plan.units
        size = max(LEAST_CHUNK, math.ceil(len(units) / CHUNKS))
        self._chunks = {
            first: UnitChunk(units[first : first + size]) for first in range(0, len(units), size)
        }
        self._first = {unit.name: place - place % size for place, unit in enumerate(units)}
        self._open: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def land_unit(self, unit: Unit) -> UnitOutcome:
        """Land a unit without a step of its own."""
        with unrecorded():
            return self._land(self._run, unit)

    def begin(self, unit: Unit) -> None:
        """Begin the task run of the unit's chunk with its first unit; end those that are over."""
        first = self._first[unit.name]
        chunk = self._chunks[first]
        chunk.under_way += 1
        if first not in self._open:
            self._open[first] = over = threading.Event()
            # In a copy of the context, in which the task run belongs to the flow run.
            words = (_show, self._run, chunk, over)
            thread = threading.Thread(target=copy_context().run, args=words, daemon=True)
            thread.start()
            self._threads.append(thread)
        for other in [other for other in self._open if other != first]:
            if not self._chunks[other].under_way:
                self._open.pop(other).set()

    def end(self, unit: Unit, outcome: UnitOutcome | None) -> None:
        """Count a unit, and end the task run of its chunk with its last unit."""
        first = self._first[unit.name]
        chunk = self._chunks[first]
        chunk.under_way -= 1
        chunk.count(unit, outcome)
        if chunk.is_done and not chunk.under_way:
            self._open.pop(first).set()

    def close(self, *, stopped: bool) -> None:
        """End the task runs that are still open, and wait until all are reported."""
        for first, over in self._open.items():
            self._chunks[first].is_stopped = stopped
            over.set()
        for thread in self._threads:
            thread.join(REPORTED_WITHIN_SECONDS)


@dataclass(slots=True)
class UnitChunk:
    """Units that one task run stands for, and how far they are."""

    units: Sequence[Unit]
    under_way: int = 0
    landed: dict[str, UnitOutcome] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    is_stopped: bool = False

    @property
    def is_done(self) -> bool:
        """Whether all units have landed or failed."""
        return len(self.landed) + len(self.failed) == len(self.units)

    def count(self, unit: Unit, outcome: UnitOutcome | None) -> None:
        """Count a unit that has ended: landed, or not."""
        if outcome is None:
            self.failed.add(unit.name)
        else:
            self.failed.discard(unit.name)
            self.landed[unit.name] = outcome

    def __str__(self) -> str:
        """Sum up for an operator."""
        outcomes = self.landed.values()
        skipped = sum(outcome.skipped for outcome in outcomes)
        others = f", {skipped:,} of them by other runs" if skipped else ""
        failed = f", {len(self.failed):,} failed" if self.failed else ""
        return (
            f"{len(outcomes):,} of {len(self.units):,} windows{others}{failed}, "
            f"{sum(outcome.rows_landed for outcome in outcomes):,} rows, "
            f"{sum(outcome.wire_bytes for outcome in outcomes):,} bytes received"
        )


def steps_of(run: Run, land_unit: LandUnit) -> Steps:
    """Return the number of task runs of a run with this many units; none in a plain run."""
    count = len(run.plan.units)
    if count <= MOST_BY_STAGE or flow_run() is None:
        return Steps(run, land_unit)
    return (StepsByUnit if count <= MOST_BY_UNIT else StepsByChunk)(run, land_unit)


@recorded("land", subject_of, says=str, cancelled_by=HeldError)
def _land_unit(run: Run, unit: Unit, land_unit: LandUnit) -> UnitOutcome:
    with unrecorded():
        return land_unit(run, unit)


@recorded("land", subject_of)
def _fail(run: Run, unit: Unit, error: PipelineError) -> None:  # noqa: ARG001 - they name the step
    raise error


def _show(run: Run, chunk: UnitChunk, over: threading.Event) -> None:
    with suppress(StoppedError, PipelineError):
        _await_chunk(run, chunk, over)


def _subject_of_chunk(run: Run, chunk: UnitChunk, _: threading.Event) -> str:
    starts_at = min(unit.starts_at for unit in chunk.units)
    return f"{run.dataset} {run.named(starts_at, max(unit.ends_at for unit in chunk.units))}"


@recorded("land", _subject_of_chunk, says=str)
def _await_chunk(run: Run, chunk: UnitChunk, over: threading.Event) -> UnitChunk:  # noqa: ARG001 - named in the task run
    """Wait until other threads have landed the units of a chunk."""
    over.wait()
    if chunk.is_stopped:
        raise StoppedError
    if chunk.failed:
        raise PipelineError(str(chunk))
    return chunk
