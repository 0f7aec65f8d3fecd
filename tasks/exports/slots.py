"""Slots for exports: how many the tenant, and this worker, may have under way at once."""

from connectors.errors import UnknownExportError
from connectors.ledger import ExportSlot, Lease
from connectors.nexthink import ExportState
from tasks.exports.request import Request
from tasks.runs.progress import Progress, tell
from tasks.runs.tools import Tools

# Seconds before each further look for a free slot.
FIRST_LOOK = 0.1
LONGEST_LOOK = 2.0
LOOK_GROWTH = 1.5


def take_slot(tools: Tools, request: Request) -> Lease:
    """Wait for a slot of the tenant and of this worker, and return the lease on it."""
    slot = ExportSlot(request.dataset, request.unit, request.piece)
    pause = FIRST_LOOK
    while (lease := tools.ledger.limits.take_slot(slot, tools.run_id, tools.at_once)) is None:
        tell(Progress(request.dataset, request.unit, "waiting for other exports"))
        _free_orphans(tools)
        tools.sleep(pause)
        pause = min(pause * LOOK_GROWTH, LONGEST_LOOK)
    return lease


def _free_orphans(tools: Tools) -> None:
    """Free the slots of killed processes whose exports have ended, according to the tenant."""
    for slot, holder in tools.ledger.limits.orphans():
        export = tools.ledger.journal.read(slot.dataset, slot.unit, slot.piece)
        if export is None:
            continue
        tools.calls.add()
        try:
            state = tools.client.nql.export_status(export.export_id).state
        except UnknownExportError:
            state = ExportState.ERROR
        if state in (ExportState.COMPLETED, ExportState.ERROR):
            tools.ledger.limits.free(slot, holder)
