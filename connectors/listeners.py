"""Passing events to listeners in this process: the command that started a run, or nobody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Event = TypeVar("Event")


class Listeners(Generic[Event]):
    """The listeners for one kind of event."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []

    def tell(self, event: Event) -> None:
        """Pass an event to all listeners."""
        for listener in tuple(self._listeners):
            listener(event)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Add a listener for the rest of the process."""
        self._listeners.append(listener)

    @contextmanager
    def listening(self, listener: Callable[[Event], None]) -> Iterator[None]:
        """Add a listener for the duration of the `with` block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)
