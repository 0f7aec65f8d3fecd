"""Stopping a run: what is under way may end within a limit, and nothing more is begun.

A signal is an exception in the main thread: of the command, or of Prefect's engine. Whoever has
work under way catches it, lets the work end within NXP_STOP_SECONDS, and raises it again. A second
signal meanwhile ends the wait at once.
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
# Threads that wait notice at once that they are to end; one that reads from a silent tenant does
# not, and would keep the process for a minute.
NOTICE_SECONDS: Final = 2.0
# For the ledger and Prefect to learn of the end, where such a thread is left behind.
FAREWELL_SECONDS: Final = 8.0


class StoppedError(Exception):
    """Raised in the threads of a run that is being stopped, where they wait or tell progress."""


class Stop:
    """Stops the threads of a run; `sleep` is how they wait.

    `asked` is the signal of a run whose work has ended all the same; it is raised at its end.
    `is_stopping` once nothing more is to be begun, `is_stuck` once threads had to be left behind.
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
        """Let no thread go on."""
        self._event.set()

    def check(self) -> None:
        """Raise StoppedError once the run is being stopped."""
        if self._event.is_set():
            raise StoppedError

    def sleep(self, seconds: float) -> None:
        """Wait, but not for longer than the run goes on."""
        if self._sleep is time.sleep:
            self._event.wait(seconds)
        else:
            self._sleep(seconds)
        self.check()

    def end(self) -> None:
        """Raise the signal that has come while the last work ended."""
        if self.asked:
            raise self.asked

    def let_end(self, under_way: Collection[Future[Any]], signalled: BaseException) -> None:
        """Let what is under way in threads end within the limit; then no thread goes on.

        A thread that does not notice is left behind, and does not keep the process from ending.

        Args:
            under_way: in threads.
            signalled: why the run is stopped; an error of ours is no signal, and has no limit.
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
    """Give threads that are waited for at the end, unless they had to be left behind."""
    pool = ThreadPoolExecutor(threads, name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=not stop.is_stuck, cancel_futures=stop.is_stuck)


def exit_code_of(signalled: BaseException) -> int:
    """Give the exit code of a process that was ended by a signal's exception."""
    if isinstance(signalled, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return 128 + signal.SIGTERM


@contextmanager
def unbroken(seconds: float = STOP_SECONDS) -> Iterator[None]:
    """Let a signal wait until something is done, but no longer than so; a second one is at once.

    For what is short and would else be in doubt: a request that acts, and the record of an answer.
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
        # Sent to the thread that may be waiting for an answer: another would not wake it.
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
    """End this process although a thread of it does not: by then all that can be told is told."""

    def end() -> None:
        time.sleep(seconds)
        os._exit(code)

    threading.Thread(target=end, name="last resort", daemon=True).start()
