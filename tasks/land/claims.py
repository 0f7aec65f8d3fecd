"""The windows of a shared back-fill that a run may land now: neither landed nor held by any run."""

import time
from collections.abc import Iterator

from connectors.ledger import UnitRecord
from tasks.land.asked import Only
from tasks.land.chunks import has_failed, is_done
from tasks.land.plan import Unit
from tasks.land.run import Run

# How long a look at the ledger stays valid. A window that another run has taken since costs only a
# few statements. A look takes longer the more windows there are, and must stay a small part of the
# work: so the result is used for a multiple of the time that the look took.
KNOWN_FOR_SECONDS = 5.0
KNOWN_FOR_LOOKS = 20


class Claims:
    """What is left for one run, according to the ledger's records of all runs.

    `given` counts what `free` has handed out; each window is handed out once.
    """

    def __init__(self, run: Run, tried: set[str]) -> None:
        self._run = run
        self._tried = tried
        self._handed_out: set[str] = set()

    @property
    def given(self) -> int:
        """How many windows were handed out."""
        return len(self._handed_out)

    def free(self) -> Iterator[Unit]:
        """Yield windows that no run holds while there are any, reading the ledger now and then."""
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
        """Return whether there are windows that have neither landed nor failed."""
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
