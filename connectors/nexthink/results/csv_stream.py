"""A result on its way from the download to its reader: a few blocks of memory between two threads.

The end of the text is only given once the file is proven to be whole.
"""

import threading
from collections import deque
from typing import Final

import numpy as np

from connectors.errors import IncompleteResultError

QUOTE: Final = ord('"')
BLOCK_BYTES: Final = 512 * 1024
# How far a download may be ahead of its reader: enough to bridge a row group being written.
BLOCKS_AHEAD: Final = 16


class StartedOverError(Exception):
    """What a reader has seen counts no more: another file is sent, so read from the beginning."""


class StreamClosedError(Exception):
    """Nobody reads any more."""


class CsvStream:
    """One result: a download writes and waits while it is full, its reader waits for bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._quotes = 0
        self._parts: list[bytes | memoryview] = []
        self._filled = 0
        self._ready: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ended = self._closed = False
        self._failure: BaseException | None = None

    def write(self, piece: bytes) -> None:
        """Append text; waits while the reader is far behind.

        Raises:
            StreamClosedError: the reader has left.
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
        """Give up: what has been read cannot be taken back.

        Raises:
            StartedOverError: always, for the reader to begin anew with a file of its own.
        """
        raise StartedOverError

    def finish(self) -> None:
        """Check the end, and let the reader come to it."""
        self._pass_on()
        if self._quotes % 2:
            raise IncompleteResultError("the result file breaks off inside a quoted field")
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fail(self, fault: BaseException) -> None:
        """Let the reader's next call raise why the download has ended."""
        with self._changed:
            self._failure = fault
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """Wait for the next bytes; nothing at the end of a whole result.

        Raises:
            BaseException: what the download failed by.
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
        """Read no more: whoever writes next learns of it."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def _pass_on(self) -> None:
        block = b"".join(self._parts)
        self._parts, self._filled = [], 0
        # A third of the time that bytes.count takes.
        self._quotes += int(np.count_nonzero(np.frombuffer(block, np.uint8) == QUOTE))
        with self._changed:
            while len(self._ready) >= BLOCKS_AHEAD and not self._closed:
                self._changed.wait()
            if self._closed:
                raise StreamClosedError
            if block:
                self._ready.append(block)
            self._changed.notify_all()
