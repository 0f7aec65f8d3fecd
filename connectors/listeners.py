"""Telling whoever listens in this process: the command that started a run, or nobody."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Told = TypeVar("Told")


class Listeners(Generic[Told]):
    """Those who are told one kind of thing."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Told], None]] = []

    def tell(self, told: Told) -> None:
        """Tell all of them."""
        for listener in tuple(self._listeners):
            listener(told)

    def listen(self, listener: Callable[[Told], None]) -> None:
        """Let somebody listen for as long as the process lives."""
        self._listeners.append(listener)

    @contextmanager
    def listening(self, listener: Callable[[Told], None]) -> Iterator[None]:
        """Let somebody listen meanwhile."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)
