"""What happens around every route: counting, request ids, latency and leaks."""

import asyncio
import logging
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.tenant import Leak, Tenant

logger = logging.getLogger("sandbox.requests")


class Observed:
    """Wraps one route under its name, which is that of faults, or `unknown`."""

    def __init__(self, app: ASGIApp, tenant: Tenant, route: str, origin: str) -> None:
        """Wrap a route of one of the three origins."""
        self._app = app
        self._tenant = tenant
        self._route = route
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request, look for leaks, wait for the latency, answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id") or str(uuid.uuid4())
        self._tenant.requests[self._route] += 1
        self._look_for_leaks(scope, headers)
        if self._tenant.options.latency:
            await asyncio.sleep(self._tenant.options.latency)
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self._app(scope, receive, answer)
        spent = (time.perf_counter() - started) * 1000
        logger.info("%s %s %d %.0f ms", scope["method"], self._route, status, spent)

    def _look_for_leaks(self, scope: Scope, headers: Headers) -> None:
        scheme = headers.get("authorization", "").partition(" ")[0].lower()
        found = []
        if self._origin == "results" and scheme:
            found.append(f"{scheme} authorization")
        if self._origin == "login" and scheme == "bearer":
            found.append("bearer token")
        if self._origin == "api" and scheme == "basic" and self._route != "token":
            found.append("client secret")
        query = scope["query_string"].decode("latin-1")
        if "access_token=" in query or "client_secret=" in query:
            found.append("secret in the address")
        for what in found:
            self._tenant.leaks.append(Leak(self._origin, scope["path"], what))
