"""What reaches the outside world, step by step: SQL statements, commits, requests that act.

A request has two steps: before it is sent, and when its answer has arrived.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
from sqlalchemy import Engine, event

_EVENTS = ("before_cursor_execute", "commit")


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


def telling(of_requests: Sequence[int]) -> list[int]:
    """Return the most telling of the steps at which requests are sent and answered.

    At the first, a request was not sent but may have been; at the second, it was done and nothing
    records that; at the third, its result is being written.
    """
    answered, leaves = of_requests[1], of_requests[2]
    return [leaves, answered, answered + 2]
