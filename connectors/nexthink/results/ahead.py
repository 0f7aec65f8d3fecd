"""Reading an iterator ahead, in a thread of its own."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class _End:
    """The last item: the error that the iterator ended with, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterator[T], most: int) -> Generator[T]:
    """Yield the items of an iterator that runs in another thread, at most `most` items ahead.

    An exception of the iterator is raised here, after the items before it. Close the generator,
    or read it to its end: the thread has then ended too.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(most)
    stopped = threading.Event()

    def run() -> None:
        end = _End()
        try:
            for item in items:
                waiting.put(item)
                if stopped.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - raised by the thread that reads
            end = _End(error)
        waiting.put(end)

    name = f"{threading.current_thread().name} ahead"
    thread = threading.Thread(target=copy_context().run, args=(run,), name=name)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        while thread.is_alive():
            # Make room for the items it still has to put.
            _drain(waiting)
            thread.join(0.01)


def _drain(waiting: "queue.Queue[T]") -> None:
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
