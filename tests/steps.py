"""What reaches the outside world, step by step: SQL statements, commits, requests that act.

A step of a request is before it leaves, and one more when its answer is there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
from sqlalchemy import Engine, event

_EVENTS = ("before_cursor_execute", "commit")


@contextmanager
def at_each_step(take: Callable[[bool], None]) -> Iterator[None]:
    """Have `take` called at each step of this process, which may raise or end it.

    It is told whether the step is one of a request.
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


def telling(of_requests: Sequence[int]) -> list[int]:
    """Choose the steps that tell most, of those at which requests leave and are answered.

    A request that has not left but may have; one that was done and nobody knows; and when what is
    known of it is being written.
    """
    answered, leaves = of_requests[1], of_requests[2]
    return [leaves, answered, answered + 2]
