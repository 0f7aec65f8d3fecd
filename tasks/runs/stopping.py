"""Stopping a run: work under way may end within a limit, and nothing new is begun.

A signal is an exception in the main thread, of the command or of Prefect's engine. Code that has
work under way catches it, lets the work end within NXP_STOP_SECONDS, and raises it again. A second
signal during this wait ends it at once.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final

from connectors.settings.installation import STOP_SECONDS

logger = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
# Threads that wait notice at once that they must end. A thread that reads from a silent tenant does
# not, and would keep the process alive for a minute.
NOTICE_SECONDS: Final = 2.0
# Time for the ledger and Prefect to record the end if such a thread is left behind.
FAREWELL_SECONDS: Final = 8.0


class StoppedError(Exception):
    """Raised in the threads of a run that is being stopped, where they wait or report progress."""


class Stop:
    """Stops the threads of a run; they wait by its `sleep`.

    `asked` is the signal of a run whose work could still be ended; it is raised at the run's end.
    `is_stopping` means that nothing new may begin, `is_stuck` that threads had to be left behind.
    """

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, seconds: float = STOP_SECONDS
    ) -> None:
        self._event = threading.Event()
        self._sleep = sleep
        self.seconds = seconds
        self.asked: BaseException | None = None
        self.is_stopping = False
        self.is_stuck = False

    def set(self) -> None:
        """Stop all threads where they next check."""
        self._event.set()

    def check(self) -> None:
        """Raise StoppedError once the run is being stopped."""
        if self._event.is_set():
            raise StoppedError

    def sleep(self, seconds: float) -> None:
        """Wait, but raise StoppedError as soon as the run is being stopped."""
        if self._sleep is time.sleep:
            self._event.wait(seconds)
        else:
            self._sleep(seconds)
        self.check()

    def end(self) -> None:
        """Raise the signal that came while the last work was ending, if any."""
        if self.asked:
            raise self.asked

    def let_end(self, under_way: Collection[Future[Any]], signalled: BaseException) -> None:
        """Let work that is under way in threads end within the limit, then stop all threads.

        A thread that does not notice is left behind, and does not keep the process from ending.

        Args:
            under_way: the work in threads.
            signalled: why the run is stopped. An ordinary error is not a signal: it stops the
                threads at once, and they are waited for without a limit.
        """
        self.is_stopping = True
        if isinstance(signalled, Exception):
            self.set()
            wait(under_way)
            return
        logger.warning("stopping: %d under way may end within %g s", len(under_way), self.seconds)
        try:
            wait(under_way, self.seconds)
        finally:
            self.set()
            if wait(under_way, NOTICE_SECONDS).not_done:
                self.is_stuck = True
                _end_process_after(FAREWELL_SECONDS, exit_code_of(signalled))


# Threads of a run work in a copy of its context, so they find its Stop here.
_STOP: ContextVar[Stop | None] = ContextVar("stop", default=None)


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """Let `check_stop` know the Stop of the run that is open here."""
    before = _STOP.set(stop)
    try:
        yield
    finally:
        _STOP.reset(before)


def check_stop() -> None:
    """Raise StoppedError once the run that this thread works for is being stopped."""
    if stop := _STOP.get():
        stop.check()


@contextmanager
def pool_of(threads: int, name: str, stop: Stop) -> Iterator[ThreadPoolExecutor]:
    """Enter a pool of threads, which are waited for at the end unless they were left behind."""
    pool = ThreadPoolExecutor(threads, name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=not stop.is_stuck, cancel_futures=stop.is_stuck)


def exit_code_of(signalled: BaseException) -> int:
    """Return the exit code of a process that was ended by a signal's exception."""
    if isinstance(signalled, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return 128 + signal.SIGTERM


@contextmanager
def unbroken(seconds: float = STOP_SECONDS) -> Iterator[None]:
    """Delay a signal until the block is done, up to a limit; a second signal acts at once.

    For short work that would otherwise be in doubt: a request that acts, and recording its answer.
    """
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or None in handlers.values():
        yield
        return
    noted: list[int] = []
    timers: list[threading.Timer] = []

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        noted.append(number)
        if len(noted) > 1:
            restore()
            signal.raise_signal(number)
            return
        main = threading.main_thread().ident or 0
        # To the main thread, which may be waiting for an answer: in another it would not be woken.
        timer = threading.Timer(seconds, signal.pthread_kill, (main, number))
        timer.daemon = True
        timer.start()
        timers.append(timer)

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield
    finally:
        restore()
        for timer in timers:
            timer.cancel()
        if len(noted) == 1:
            signal.raise_signal(noted[0])


def _end_process_after(seconds: float, code: int) -> None:
    """End this process after a while even if a thread has not ended; the end is recorded then."""

    def end() -> None:
        time.sleep(seconds)
        os._exit(code)

    threading.Thread(target=end, name="last resort", daemon=True).start()
