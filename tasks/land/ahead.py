"""Exports of the datasets that a command lands next, started while the present one is awaited.

The tenant takes seconds to minutes for an export, and a run only waits meanwhile. The export id is
journalled, as ever: the dataset's own run finds it there and resumes it.
"""

import logging
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from threading import Lock

from connectors.errors import HeldError, PipelineError
from connectors.ledger import ExportSlot
from tasks.exports.export import begin_or_attach
from tasks.land.pieces import unit_request
from tasks.land.plan import Plan
from tasks.land.run import Run
from tasks.runs.tools import Calls

logger = logging.getLogger(__name__)


class ExportsAhead:
    """Starts the first export of each of the next plans, once a run has started its own.

    Each has a slot until `slots` is closed, at the end of the run, so the tenant never works on
    more exports at once than it may. Where no slot is free, or the tenant refuses, nothing more is
    started: the dataset's own run does it, and reports what is wrong.
    """

    def __init__(self, plans: Iterable[Plan], slots: ExitStack) -> None:
        self._plans = iter(plans)
        self._slots = slots
        self._lock = Lock()

    def start(self, run: Run) -> None:
        """Start what has not been started; a second thread of the run has nothing left to do."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for plan in self._plans:
                with suppress(HeldError):
                    if plan.units and not self._has_started(run, plan):
                        break
        except PipelineError as error:
            self._plans = iter(())
            logger.info("no further export is started ahead: %s", error)
        finally:
            self._lock.release()

    def _has_started(self, run: Run, plan: Plan) -> bool:
        """Start a plan's first export, unless it is journalled; return False if no slot is free.

        Raises:
            HeldError: another run lands the unit.
            PipelineError: the tenant refuses, or cannot be reached.
        """
        unit = plan.units[0]
        # Its calls are not those of this run's units.
        later = replace(run, plan=plan, tools=replace(run.tools, calls=Calls()))
        tools, request = later.tools, unit_request(later, unit)
        with tools.ledger.lease(
            request.dataset, unit.name, unit.starts_at, unit.ends_at, run.run_id
        ):
            slot = ExportSlot(request.dataset, request.unit, request.piece)
            lease = tools.ledger.limits.take_slot(slot, run.run_id, tools.at_once)
            if lease is None:
                return False
            self._slots.enter_context(lease)
            begin_or_attach(tools, plan.specification, request)
        return True
