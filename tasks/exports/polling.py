"""Waiting for an export: the first poll comes when it is probably ready, the others ever later."""

from collections.abc import Callable
from datetime import datetime

from connectors.catalogue import DatasetSpecification
from connectors.catalogue.specification import describe
from connectors.errors import ExportFailedError, UnavailableError
from connectors.ledger import JournalledExport
from connectors.nexthink import ExportState, ExportStatus
from tasks.exports.request import Request
from tasks.runs.progress import Progress, tell
from tasks.runs.tools import Tools

# Small exports are ready in a second; large ones take minutes, and polling those often would only
# spend the tenant's limit.
FIRST_POLL = 0.2
LONGEST_POLL = 15.0
POLL_GROWTH = 1.5
# Pauses after the first poll, as a share of the time before it.
AFTER_FIRST = 0.1
# One that is ready at the first poll may have been ready before: the next one is asked for earlier.
EARLIER = 0.75
# One slow export must not make the next ones wait for long.
LATEST_FIRST = 300.0


def await_result(
    tools: Tools, specification: DatasetSpecification, request: Request, export: JournalledExport
) -> ExportStatus:
    """Poll until the export has ended, less often the longer it takes.

    Raises:
        ExportFailedError: the tenant reports an error for the query.
        UnavailableError: it did not finish within the dataset's timeout.
    """
    polls = 0

    def ask() -> ExportStatus:
        nonlocal polls
        polls += 1
        tools.calls.add()
        return tools.client.nql.export_status(export.export_id)

    def wait(seconds: float) -> None:
        tell(Progress(request.dataset, request.unit, "waiting for the tenant"))
        tools.sleep(seconds)

    first = first_poll(tools, request, export)
    status = poll(ask, tools.clock() + specification.timeout, tools.clock, wait, first)
    if status.state is ExportState.ERROR:
        raise ExportFailedError(
            f"{request.dataset} {request.unit}: the tenant ended the export of "
            f"{request.query_id} with an error: nxp nql status {export.export_id} shows why"
        )
    if status.state is not ExportState.COMPLETED:
        raise UnavailableError(
            f"{request.dataset} {request.unit}: the export is not finished after "
            f"{describe(specification.timeout)} and continues at the tenant: run again to wait "
            "longer, or raise the dataset's timeout"
        )
    if first or polls > 1:
        took = (tools.clock() - export.started_at).total_seconds()
        tools.ledger.journal.took(request.dataset, took * (EARLIER if polls == 1 else 1))
    return status


def poll(
    ask: Callable[[], ExportStatus],
    deadline: datetime,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
    first: float = FIRST_POLL,
) -> ExportStatus:
    """Ask until an export has ended or the deadline is over, less often the longer it takes.

    Args:
        ask: asks the tenant.
        deadline: when it has taken too long.
        clock: the present moment.
        sleep: waits for some seconds.
        first: seconds before the first question, which is not asked after the deadline.

    Returns:
        The last status: completed, an error, or still under way at the deadline.
    """
    pause = min(first, max(0.0, (deadline - clock()).total_seconds()))
    # The later the first question, the longer the pauses after it.
    growing = max(FIRST_POLL, first * AFTER_FIRST)
    while True:
        if pause > 0:
            sleep(pause)
        status = ask()
        is_over = status.state in (ExportState.COMPLETED, ExportState.ERROR)
        if is_over or clock() >= deadline:
            return status
        growing = pause = min(growing * POLL_GROWTH, LONGEST_POLL)


def first_poll(tools: Tools, request: Request, export: JournalledExport) -> float:
    """Return the seconds until an export is probably ready, as the last ones of its dataset took.

    One that is older than that, or was begun by another run, may be ready now.
    """
    usual = tools.ledger.journal.usual_seconds(request.dataset)
    age = (tools.clock() - export.started_at).total_seconds()
    first = FIRST_POLL if usual is None else min(usual, LATEST_FIRST)
    return max(0.0, first - max(0.0, age))
