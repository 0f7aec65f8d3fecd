"""Getting one result from the tenant: start an export or resume a journalled one, poll, fetch.

The export id is journalled before polling, so that a run after a crash finds it again: no export is
left orphaned, and the tenant's daily limit is not spent twice.
"""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from connectors.catalogue import DatasetSpecification
from connectors.errors import (
    ExportFailedError,
    PipelineError,
    ResultsExpiredError,
    ResultTruncatedError,
    UnknownExportError,
    UnknownQueryError,
)
from connectors.ledger import JournalledExport
from connectors.nexthink import (
    Compression,
    Transferred,
)
from tasks.exports.polling import await_result
from tasks.exports.request import Request
from tasks.exports.slots import take_slot
from tasks.runs.progress import Progress, tell
from tasks.runs.recorded import recorded
from tasks.runs.stopping import check_stop
from tasks.runs.tools import Tools

logger = logging.getLogger(__name__)

# A journalled export older than this is not resumed: how long a tenant keeps one is not documented,
# and its data would be older than the run by as much.
ATTACH_WITHIN = timedelta(minutes=60)
# So many exports are tried in all if a result can no longer be fetched.
EXPORTS = 3
LOST = (UnknownExportError, ResultsExpiredError, ExportFailedError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A complete result, and when its export was started (the time of its data)."""

    export: JournalledExport
    attached: bool
    wire_bytes: int
    csv_bytes: int
    resumed: int
    wait_seconds: float
    download_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFile(Fetched):
    """A complete result, as a file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Started:
    """An export that the tenant works on, in a slot that is free at the end of the `with` block.

    `attempt` counts the exports that this request has taken.
    """

    export: JournalledExport
    attached: bool
    attempt: int
    _slot: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._slot.close()

    def __str__(self) -> str:
        """Sum up for an operator."""
        if self.attached:
            return (
                f"re-attached to export {self.export.export_id} of "
                f"{self.export.started_at:%Y-%m-%d %H:%M:%SZ}"
            )
        return f"export {self.export.export_id}"


@dataclass(frozen=True, slots=True)
class Ready:
    """An export whose result can be fetched, and how long that took.

    It is `truncated` if the tenant cut the result at its row limit, and then of no use.
    """

    export: JournalledExport
    attached: bool
    url: str | None
    wait_seconds: float
    truncated: bool = False
    attempt: int = 1

    def __str__(self) -> str:
        """Sum up for an operator."""
        state = "cut at the row limit (HTTP 206)" if self.truncated else "completed"
        again = f", export {self.attempt} of {EXPORTS}" if self.attempt > 1 else ""
        return f"{state} after {self.wait_seconds:.1f} s{again}"


def fetch_result(
    tools: Tools, specification: DatasetSpecification, request: Request, folder: Path
) -> FetchedFile:
    """Return one result as a file in `folder`, with as few exports as possible.

    Raises:
        PipelineError: as `with_export`, or the result cannot be fetched.
    """
    return with_export(
        tools, specification, request, lambda ready: _fetch(tools, request, ready, folder)
    )


def with_export(
    tools: Tools, specification: DatasetSpecification, request: Request, use: Callable[[Ready], T]
) -> T:
    """Call `use` with a finished export; if its result has been lost, with a new export.

    Raises:
        ResultTruncatedError: the tenant cut the result at its row limit.
        PipelineError: as `await_export`.
    """
    attempt = 1
    while True:
        with start_export(tools, specification, request, attempt) as started:
            ready = await_export(tools, specification, request, started)
        raise_if_truncated(request, ready)
        try:
            return use(ready)
        except LOST as error:
            _forget(tools, request, error, ready.attempt, attached=ready.attached)
            attempt = ready.attempt + 1


def raise_if_truncated(request: Request, ready: Ready) -> None:
    """Raise if the tenant cut a result.

    Raises:
        ResultTruncatedError: it did.
    """
    if ready.truncated:
        # Its id stays in the journal, so that a run after a crash learns this without a new export.
        raise ResultTruncatedError(
            f"{request.dataset} {request.unit}: the tenant cut the result at its row limit "
            "(HTTP 206)"
        )


@recorded("start export", "{request.subject}", says=str)
def start_export(
    tools: Tools, specification: DatasetSpecification, request: Request, attempt: int = 1
) -> Started:
    """Start an export, or resume a journalled one, once the tenant has a slot for it.

    Args:
        tools: client, ledger, clock, sleep.
        specification: the dataset.
        request: what is asked for.
        attempt: counts the exports for this request.

    Raises:
        PipelineError: as `begin_or_attach`.
    """
    with ExitStack() as slot:
        slot.enter_context(take_slot(tools, request))
        export, attached = begin_or_attach(tools, specification, request)
        return Started(export, attached, attempt, slot.pop_all())


@recorded("await export", "{request.subject}", says=str)
def await_export(
    tools: Tools, specification: DatasetSpecification, request: Request, started: Started
) -> Ready:
    """Poll until an export has ended; if the tenant has lost it, export again.

    Raises:
        ExportFailedError: the tenant reports an error for the query.
        UnavailableError: it did not finish within the dataset's timeout, or the tenant is out of
            reach; the export stays in the journal and the next run resumes it.
    """
    export, attached, attempt = started.export, started.attached, started.attempt
    while True:
        began = time.monotonic()
        try:
            status = await_result(tools, specification, request, export)
        except LOST as error:
            _forget(tools, request, error, attempt, attached=attached)
            attempt += 1
            export, attached = begin_or_attach(tools, specification, request)
        else:
            waited = time.monotonic() - began
            return Ready(export, attached, status.results_url, waited, status.truncated, attempt)


def _forget(
    tools: Tools, request: Request, error: PipelineError, attempt: int, *, attached: bool
) -> None:
    """Forget an export whose result is lost; raise the error if there must not be another one."""
    tools.ledger.journal.forget(request.dataset, request.unit, piece=request.piece)
    # Export again after a failure of an earlier run's export, but not after one of our own.
    lost = not isinstance(error, ExportFailedError)
    if attempt == EXPORTS or not (lost or attached):
        raise error
    logger.warning("%s %s: exporting again (%s)", request.dataset, request.unit, error)


def begin_or_attach(
    tools: Tools, specification: DatasetSpecification, request: Request
) -> tuple[JournalledExport, bool]:
    """Return an export, started and journalled or resumed, and whether it was resumed.

    Raises:
        UnknownQueryError: the tenant has no such saved query; the message says what to paste.
        PipelineError: as `start_export`.
    """
    known = tools.ledger.journal.read(request.dataset, request.unit, request.piece)
    now = tools.clock()
    if known and known.query == request.fingerprint() and now - known.started_at < ATTACH_WITHIN:
        logger.info("%s %s: resuming a journalled export", request.dataset, request.unit)
        return known, True
    tools.calls.add()
    try:
        started = tools.client.nql.start_export(
            request.query_id, request.parameters, specification.compression
        )
    except UnknownQueryError as error:
        raise UnknownQueryError(
            f"{request.dataset}: the tenant has no saved query {request.query_id}, or refuses its "
            f"parameters: paste what nxp datasets {request.dataset} --nql prints into Nexthink as "
            "an NQL API query of that id",
            exchange=error.exchange,
        ) from None
    export = JournalledExport(started.export_id, request.fingerprint(), now)
    tools.ledger.journal.write(request.dataset, request.unit, export, request.piece)
    return export, False


def fetched(ready: Ready, done: Transferred, seconds: float) -> Fetched:
    """Return a result, with the seconds that fetching it took."""
    return Fetched(**_described(ready, done, seconds))


def _described(ready: Ready, done: Transferred, seconds: float) -> dict[str, Any]:
    return {
        "export": ready.export,
        "attached": ready.attached,
        "wire_bytes": done.wire_bytes,
        "csv_bytes": done.csv_bytes,
        "resumed": done.resumed,
        "wait_seconds": ready.wait_seconds,
        "download_seconds": seconds,
    }


def tell_bytes(request: Request) -> Callable[[int], None]:
    """Return a function that reports how far a request's download is."""

    def count(received: int) -> None:
        check_stop()
        tell(Progress(request.dataset, request.unit, "downloading", received))

    return count


def _fetch(tools: Tools, request: Request, ready: Ready, folder: Path) -> FetchedFile:
    began = time.monotonic()
    path = folder / f"{request.unit}{request.piece.replace('/', '-')}.csv"
    done = tools.client.nql.download(
        ready.export.export_id,
        path,
        Compression(request.compression),
        url=ready.url,
        on_bytes=tell_bytes(request),
        # Its reader counts them.
        counted=False,
    )
    return FetchedFile(path=path, **_described(ready, done, time.monotonic() - began))
