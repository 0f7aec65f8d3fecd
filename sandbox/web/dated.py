"""The `Date` header of every answer: the time of the tenant's own clock."""

from email.utils import format_datetime

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.clock import TenantClock


class Dated:
    """Wraps an application and dates its answers."""

    def __init__(self, app: ASGIApp, clock: TenantClock) -> None:
        """Wrap an application; the clock is read for each answer."""
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                moment = format_datetime(self._clock.now(), usegmt=True)
                MutableHeaders(scope=message)["date"] = moment
            await send(message)

        await self._app(scope, receive, dated)
