"""A result that is read while it arrives: the download in a thread of its own, a few blocks ahead.

What has been read of a result cannot be taken back. So where a download has to begin anew, or the
export is lost on the way, the caller stages the unit again from whole files, as `spooled`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

from connectors.catalogue import DatasetSpecification
from connectors.nexthink import Compression, CsvStream, StartedOverError, StreamClosedError
from connectors.nexthink.results.result_file import RecordTooLongError, Source
from tasks.exports.export import (
    LOST,
    Fetched,
    Ready,
    Request,
    Result,
    fetch_result,
    fetched,
    tell_bytes,
    with_export,
)
from tasks.runs.tools import Tools


class ReadAgainError(Exception):
    """What was read of a result counts no more: read it again, from a file that has come whole."""


class Spooled:
    """A result that has come whole, as a file."""

    def __init__(self, result: Result) -> None:
        self.source: Path | Source = result.path
        self.fetched: Fetched = result
        self.started_at = result.export.started_at

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read the file within this."""
        yield


class Arrival:
    """A result that is on its way; read `source` within `reading`, then it is `fetched`."""

    def __init__(self, tools: Tools, request: Request, ready: Ready) -> None:
        self.started_at = ready.export.started_at
        self._tools = tools
        self._request = request
        self._ready = ready
        self._stream = CsvStream()
        self.source: Path | Source = self._stream
        self._fetched: Fetched | None = None
        self._failure: BaseException | None = None
        # Whoever stops a run's threads knows them by their names.
        name = f"{threading.current_thread().name} download"
        self._thread = threading.Thread(target=copy_context().run, args=(self._fetch,), name=name)

    @property
    def fetched(self) -> Fetched:
        """The result, once it was read to its end."""
        if self._fetched is None:
            raise AssertionError("a result is read before it is described")
        return self._fetched

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Download while the source is read within this.

        Raises:
            ReadAgainError: what was read counts no more.
            PipelineError: why the download failed, before what that led to.
        """
        self._thread.start()
        try:
            yield
        except RecordTooLongError:
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
        if isinstance(failure, (StartedOverError, *LOST)):
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
    spooled: bool = False,
) -> Arrival | Spooled:
    """Have a result on its way; whole in a file in `folder` where it is to be spooled.

    Raises:
        PipelineError: as `with_export`, and as `fetch_result` where it is to be spooled.
    """
    if spooled:
        return Spooled(fetch_result(tools, specification, request, folder))
    return with_export(tools, specification, request, lambda ready: Arrival(tools, request, ready))
