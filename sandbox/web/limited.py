"""Refuses, on each route of the API, what is beyond the tenant's limits of 24 hours."""

from email.utils import format_datetime
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.tenant import Tenant
from sandbox.web.envelopes import Envelope
from sandbox.web.faulty import whole_second

# The login host and the results store have no part in these limits.
UNLIMITED = frozenset({"token", "download"})


class Limited:
    """Wraps one route: takes its requests from the tenant's quotas, or answers 429 and when."""

    def __init__(self, app: ASGIApp, tenant: Tenant, route: str, envelope: Envelope) -> None:
        """Wrap a route; the envelope makes its refusals."""
        self._app = app
        self._tenant = tenant
        self._route = route
        self._envelope = envelope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request within the limits; one that fails counts as a call only."""
        if self._route in UNLIMITED:
            await self._app(scope, receive, send)
            return
        free_at = self._tenant.quotas.take(self._route)
        if free_at is not None:
            answer = self._envelope(HTTPStatus.TOO_MANY_REQUESTS, "", "The daily limit is reached.")
            answer.headers["retry-after"] = format_datetime(whole_second(free_at), usegmt=True)
            await answer(scope, receive, send)
            return
        status = 0

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            if status >= HTTPStatus.BAD_REQUEST:
                self._tenant.quotas.give_back(self._route, call=status == HTTPStatus.UNAUTHORIZED)
