"""What reaches the outside world, step by step: SQL statements, commits, requests that act.

A request has two steps: before it is sent, and when its answer has arrived. Runs differ in a few
of their statements, so a step is named by its distance from a step of a request, or from the start.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from sqlalchemy import Engine, event

_EVENTS = ("before_cursor_execute", "commit")

# A step: so many steps of requests, and then so many of any kind.
Step = tuple[int, int]

# At the first, a request was not sent but may have been; at the second, it was done and nothing
# records that; at the third, its result is being written.
TELLING: Final[tuple[Step, ...]] = ((3, 0), (2, 0), (2, 2))


class Reached:
    """Tells, called at each step, when a step is reached: once."""

    def __init__(self, step: Step) -> None:
        self._requests, self._further = step

    def __call__(self, is_request: bool) -> bool:
        """Count a step; return whether it is the one."""
        if self._requests:
            self._requests -= is_request
            return is_request and self._requests == self._further == 0
        self._further -= 1
        return self._further == 0


@contextmanager
def at_each_step(take: Callable[[bool], None]) -> Iterator[None]:
    """Call `take` at each step of this process; it may raise, or end the process.

    Its argument is whether the step belongs to a request.
    """

    def step(*_: object) -> None:
        take(False)

    plain = httpx.HTTPTransport.handle_request

    def counted(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        acts = request.method == "POST" and "/nql/" not in request.url.path
        if not acts or request.url.path.endswith("/token"):
            return plain(self, request)
        take(True)
        response = plain(self, request)
        response.read()
        take(True)
        return response

    for name in _EVENTS:
        event.listen(Engine, name, step)
    httpx.HTTPTransport.handle_request = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        httpx.HTTPTransport.handle_request = plain  # type: ignore[method-assign]
        for name in _EVENTS:
            event.remove(Engine, name, step)
