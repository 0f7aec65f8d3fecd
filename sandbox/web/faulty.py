"""Faults as they look on the wire: refusals, lost connections, bodies that end early."""

import asyncio
import logging
import math
from datetime import datetime, timedelta
from email.utils import format_datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.faults import PAGE, REFUSALS, Fault
from sandbox.tenant import Tenant
from sandbox.web import connection
from sandbox.web.envelopes import Envelope, page, store

logger = logging.getLogger("sandbox.requests")

# In a request's scope: the refusal that was ordered for its content.
ORDERED = "sandbox.refusal"


class Faulty:
    """Wraps one route: passes requests through, or makes a fault happen to them."""

    def __init__(self, app: ASGIApp, tenant: Tenant, route: str, envelope: Envelope) -> None:
        """Wrap a route; the envelope makes its refusals."""
        self._app = app
        self._tenant = tenant
        self._route = route
        self._envelope = envelope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or fail as the tenant's faults require."""
        fault = self._tenant.faults.strike(self._route)
        if fault is None:
            await self._app(scope, receive, send)
            return
        logger.info("%s %s fault %s", scope["method"], self._route, fault)
        receive = await connection.taken_in(receive)
        if fault.kind in REFUSALS:
            # The answer depends on the objects of the request.
            scope[ORDERED] = fault.kind
            await self._app(scope, receive, send)
        elif fault.kind == "reset":
            await connection.reset(scope, receive)
        elif fault.kind == "cut":
            await self._app(scope, receive, _Cut(scope, send))
            await connection.close(scope, receive)
        elif fault.kind == "timeout-after":
            await self._app(scope, receive, _swallow)
            await asyncio.sleep(self._tenant.faults.delay)
            await connection.close(scope, receive)
        else:
            await self._refusal(fault)(scope, receive, send)

    def _refusal(self, fault: Fault) -> Response:
        if fault.kind == PAGE:
            return page(is_of_store=self._envelope is store)
        number, _, form = fault.kind.partition("-")
        answer = self._envelope(int(number), "", f"This is the fault {fault}, as ordered.")
        if form:
            answer.headers["retry-after"] = self._retry_after(form)
        return answer

    def _retry_after(self, form: str) -> str:
        seconds = self._tenant.faults.retry_after
        if form == "seconds":
            return str(math.ceil(seconds))
        moment = self._tenant.clock.now() + timedelta(seconds=seconds)
        # Both forms have whole seconds; rounded down they would name a moment already past.
        moment = whole_second(moment)
        if form == "date":
            return format_datetime(moment, usegmt=True)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def whole_second(moment: datetime) -> datetime:
    """Return a moment in whole seconds, rounded up."""
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment


async def _swallow(_message: Message) -> None:
    """Send no answer."""


class _Cut:
    """Sends the head of an answer and half of the announced body, then hangs up."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._left = 0
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if self._ended:
            return
        if message["type"] == "http.response.start":
            length = int(Headers(raw=message["headers"]).get("content-length", "0"))
            # An answer without a body announces one byte: there is nothing else to cut.
            MutableHeaders(scope=message)["content-length"] = str(length or 1)
            self._left = length // 2
            await self._send(message)
            return
        body = message.get("body", b"")[: self._left]
        self._left -= len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        if not self._left:
            self._ended = True
            connection.end(self._scope)
