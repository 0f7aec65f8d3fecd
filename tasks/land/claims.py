"""The windows of a shared back-fill that a run may land now: nobody has landed or holds them."""

import time
from collections.abc import Iterator

from connectors.ledger import UnitRecord
from tasks.land.chunks import has_failed, is_done
from tasks.land.plan import Only, Unit
from tasks.land.run import Run

# How old the knowledge may be of what others are at: a window tried in vain costs a few statements.
# To look takes longer the more windows there are, and is to be a small part of the work.
KNOWN_FOR_SECONDS = 5.0
KNOWN_FOR_LOOKS = 20


class Claims:
    """What is left for one run, by what the ledger says of all of them.

    `given` counts what `free` has handed out; a window comes once.
    """

    def __init__(self, run: Run, tried: set[str]) -> None:
        self._run = run
        self._tried = tried
        self._handed_out: set[str] = set()

    @property
    def given(self) -> int:
        """Count the windows that were handed out."""
        return len(self._handed_out)

    def free(self) -> Iterator[Unit]:
        """Hand out windows that nobody holds, while there are any; looks again now and then."""
        while True:
            began, now = time.monotonic(), self._run.tools.clock()
            free = [
                unit
                for unit, record in self._left()
                if unit.name not in self._handed_out and not (record and record.is_held(now))
            ]
            if not free:
                return
            looked_at = time.monotonic()
            known_for = max(KNOWN_FOR_SECONDS, KNOWN_FOR_LOOKS * (looked_at - began))
            for unit in free:
                self._handed_out.add(unit.name)
                yield unit
                if time.monotonic() - looked_at > known_for:
                    break

    def open(self) -> bool:
        """Tell whether there are windows that have neither landed nor failed."""
        return any(True for _ in self._left())

    def _left(self) -> Iterator[tuple[Unit, UnitRecord | None]]:
        run, asked = self._run, self._run.plan.asked
        chunk = asked.chunk
        if chunk is None or not run.plan.units:
            return
        starts_at = min(unit.starts_at for unit in run.plan.units)
        ends_at = max(unit.ends_at for unit in run.plan.units)
        known = {each.unit: each for each in run.ledger.units(run.dataset, starts_at, ends_at)}
        for unit in run.plan.units:
            record = known.get(unit.name)
            over = is_done(record, asked.only or Only.MISSING, chunk.begun_at)
            if unit.name not in self._tried and not over and not has_failed(record, chunk.asked_at):
                yield unit, record
