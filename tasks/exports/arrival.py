"""A result that is read while it arrives: the download runs in its own thread, a few blocks ahead.

Rows that have been read cannot be taken back. So if a download has to start over, or the export is
lost on the way, the caller stages the unit again from whole files (`spooled`).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

from connectors.catalogue import DatasetSpecification
from connectors.csv_syntax import CsvSyntax, CsvSyntaxError
from connectors.nexthink import Compression
from connectors.nexthink.results.destination import CsvStream, StartedOverError, StreamClosedError
from connectors.nexthink.results.result_file import (
    BrokenCsvError,
    ByteSource,
    RecordTooLongError,
)
from tasks.exports.export import (
    LOST,
    Fetched,
    FetchedFile,
    Ready,
    await_export,
    fetch_result,
    fetched,
    raise_if_truncated,
    start_export,
    tell_bytes,
)
from tasks.exports.request import Request
from tasks.runs.tools import Tools


class ReadAgainError(Exception):
    """What was read of a result is no longer valid: read it again, from a complete file."""


class Spooled:
    """A result that has arrived completely, as a file."""

    def __init__(self, result: FetchedFile) -> None:
        self.source: Path | ByteSource = result.path
        self.fetched: Fetched = result
        self.started_at = result.export.started_at

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Enter the context in which the file is read."""
        yield


class Arrival:
    """A result that is arriving: read `source` within `reading`; `fetched` describes it after."""

    def __init__(self, tools: Tools, request: Request, ready: Ready) -> None:
        self.started_at = ready.export.started_at
        self._tools = tools
        self._request = request
        self._ready = ready
        # Without positions: where a row is wrong, the result is read again from a file.
        self._stream = CsvStream(CsvSyntax(counted=False, nul=True))
        self.source: Path | ByteSource = self._stream
        self._fetched: Fetched | None = None
        self._failure: BaseException | None = None
        # In a copy of the context, in which the thread finds the run's Stop and its bound names.
        name = f"{threading.current_thread().name} download"
        self._thread = threading.Thread(target=copy_context().run, args=(self._fetch,), name=name)

    @property
    def fetched(self) -> Fetched:
        """The description of the result, once it has been read to its end."""
        if self._fetched is None:
            raise AssertionError("a result is read before it is described")
        return self._fetched

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Enter the context in which the source is read while it is downloaded.

        Raises:
            ReadAgainError: what was read is no longer valid.
            PipelineError: the download failed; raised instead of the errors that it caused.
        """
        self._thread.start()
        try:
            yield
        except (RecordTooLongError, BrokenCsvError, CsvSyntaxError):
            raise ReadAgainError from None
        except BaseException:
            self._stream.close()
            self._thread.join()
            self._raise_failure()
            raise
        finally:
            self._stream.close()
            self._thread.join()
        self._raise_failure()

    def _raise_failure(self) -> None:
        failure = self._failure
        if isinstance(failure, (StartedOverError, CsvSyntaxError, *LOST)):
            raise ReadAgainError from failure
        if failure is not None and not isinstance(failure, StreamClosedError):
            raise failure

    def _fetch(self) -> None:
        began = time.monotonic()
        try:
            done = self._tools.client.nql.stream(
                self._ready.export.export_id,
                self._stream,
                Compression(self._request.compression),
                url=self._ready.url,
                on_bytes=tell_bytes(self._request),
            )
        except BaseException as failure:  # noqa: BLE001 - raised by the thread that reads
            self._failure = failure
            self._stream.fail(failure)
        else:
            self._fetched = fetched(self._ready, done, time.monotonic() - began)


def arrive(
    tools: Tools,
    specification: DatasetSpecification,
    request: Request,
    folder: Path,
    *,
    ready: Ready | None = None,
    spooled: bool = False,
) -> Arrival | Spooled:
    """Start a result's arrival; if `spooled`, wait until it is complete in a file in `folder`.

    `ready` is its finished export, if there is one already.

    Raises:
        ResultTruncatedError: the tenant cut the result at its row limit.
        PipelineError: as `await_export`, or as `fetch_result` if `spooled`.
    """
    if spooled:
        return Spooled(fetch_result(tools, specification, request, folder))
    if ready is None:
        with start_export(tools, specification, request) as started:
            ready = await_export(tools, specification, request, started)
    raise_if_truncated(request, ready)
    return Arrival(tools, request, ready)
