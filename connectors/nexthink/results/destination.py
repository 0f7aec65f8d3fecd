"""Where the text of a result goes while it is downloaded: a CSV file, or a stream to a reader.

Both end only once the text is proven to be whole. Only its shape is checked: an odd number of
quotes means that it breaks off inside a quoted field. A last record without a newline counts as
whole if the quotes are even.
"""

import os
import stat
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

import numpy as np

from connectors.csv_syntax import CsvSyntax, CsvSyntaxError
from connectors.errors import IncompleteResultError, StorageError

# Exports name devices and people.
OWNER_ONLY: Final = 0o600
QUOTE: Final = ord('"')
BLOCK_BYTES: Final = 512 * 1024
# How far a download may be ahead of its reader: enough to bridge a row group being written.
BLOCKS_AHEAD: Final = 16


class Destination(Protocol):
    """What a download writes to: a file, or a stream to a reader that runs at the same time."""

    size: int

    def write(self, piece: bytes) -> None:
        """Append text."""

    def start_over(self) -> None:
        """Drop what was written."""

    def finish(self) -> None:
        """Check that the text ends properly."""


class CsvFile:
    """A plain CSV file, readable by its owner only; an exception in its `with` block removes it.

    `is_regular` says whether it can be read again, unlike a pipe or a device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._syntax: CsvSyntax | None = _lenient()
        try:
            self._file: BinaryIO = open(path, "wb", opener=_open_for_owner)  # noqa: SIM115 - closed at the end of the `with`
            self.is_regular = stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        except OSError as fault:
            raise self._unwritable(fault) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._close()
            return
        try:
            # Closing writes the buffer, and that may be what failed.
            self._file.close()
        except OSError:
            pass
        finally:
            if self.is_regular:
                self.path.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Append text."""
        try:
            self._file.write(piece)
        except OSError as fault:
            raise self._unwritable(fault) from None
        self.size += len(piece)
        if self._syntax is not None:
            try:
                self._syntax.feed(piece)
            except CsvSyntaxError:
                # Where its end is cannot be known from its quotes. Its reader says what is wrong.
                self._syntax = None

    def start_over(self) -> None:
        """Empty the file."""
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as fault:
            raise self._unwritable(fault) from None
        self.size, self._syntax = 0, _lenient()

    def finish(self) -> None:
        """Check the end, and flush everything to the operating system."""
        if self._syntax is not None and self._syntax.is_open:
            raise IncompleteResultError("the result file breaks off inside a quoted field")
        try:
            self._file.flush()
        except OSError as fault:
            raise self._unwritable(fault) from None

    def _close(self) -> None:
        try:
            self._file.close()
        except OSError as fault:
            raise self._unwritable(fault) from None

    def _unwritable(self, fault: OSError) -> StorageError:
        return StorageError(f"cannot write {self.path}: {fault.strerror or type(fault).__name__}")


def _lenient() -> CsvSyntax:
    return CsvSyntax(counted=False, nul=True)


def _open_for_owner(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, OWNER_ONLY)
    # The mode above applies to new files only.
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, OWNER_ONLY)
    return descriptor


class StartedOverError(Exception):
    """What was read is no longer valid: a different file is sent, so read from the beginning."""


class StreamClosedError(Exception):
    """The reader has stopped reading."""


class CsvStream:
    """A result in a few blocks of memory: the download waits while it is full, the reader for text.

    The end of the text is passed on only once the file is proven to be whole.

    Args:
        syntax: checks the text in the thread that downloads; without it only quotes are counted.
    """

    def __init__(self, syntax: CsvSyntax | None = None) -> None:
        self.size = 0
        self.syntax = syntax
        self._quotes = 0
        self._parts: list[bytes | memoryview] = []
        self._filled = 0
        self._ready: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._failure: BaseException | None = None

    def write(self, piece: bytes) -> None:
        """Append text; wait while the reader is too far behind.

        Raises:
            StreamClosedError: the reader has stopped reading.
            CsvSyntaxError: the text is not strict CSV.
        """
        self.size += len(piece)
        rest = memoryview(piece)
        while self._filled + len(rest) >= BLOCK_BYTES:
            part = rest[: BLOCK_BYTES - self._filled]
            rest = rest[len(part) :]
            self._parts.append(part)
            self._pass_on()
        self._parts.append(rest)
        self._filled += len(rest)

    def start_over(self) -> None:
        """Fail, since what has been read cannot be taken back.

        Raises:
            StartedOverError: always, so that the reader starts again with a file of its own.
        """
        raise StartedOverError

    def finish(self) -> None:
        """Check the end, and let the reader reach it."""
        self._pass_on()
        if self._quotes % 2 or (self.syntax is not None and self.syntax.is_open):
            raise IncompleteResultError("the result file breaks off inside a quoted field")
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fail(self, fault: BaseException) -> None:
        """Let the reader's next call raise the fault that ended the download."""
        with self._changed:
            self._failure = fault
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """Return the next bytes, waiting for them; empty at the end of a whole result.

        Raises:
            BaseException: the fault that ended the download.
        """
        with self._changed:
            while not (self._ready or self._ended or self._failure):
                self._changed.wait()
            if self._failure:
                raise self._failure
            if not self._ready:
                return b""
            block = self._ready.popleft()
            if len(block) > size:
                self._ready.appendleft(block[size:])
            self._changed.notify_all()
            return block[:size]

    def close(self) -> None:
        """Stop reading: the next write raises StreamClosedError."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def _pass_on(self) -> None:
        block = b"".join(self._parts)
        self._parts, self._filled = [], 0
        if self.syntax is None:
            # Takes a third of the time of bytes.count.
            self._quotes += int(np.count_nonzero(np.frombuffer(block, np.uint8) == QUOTE))
        else:
            self.syntax.feed(block)
        with self._changed:
            while len(self._ready) >= BLOCKS_AHEAD and not self._closed:
                self._changed.wait()
            if self._closed:
                raise StreamClosedError
            if block:
                self._ready.append(block)
            self._changed.notify_all()
