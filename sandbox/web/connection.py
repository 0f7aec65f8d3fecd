"""The connection beneath a request: what a route needs to break it off."""

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any

from starlette.types import Message, Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_KEY = "transport"
# Closing with a linger of zero seconds sends RST instead of FIN.
_LINGER_NOT = struct.pack("ii", 1, 0)


class Breakable(H11Protocol):
    """HTTP as uvicorn speaks it; every request knows its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the connection where requests find it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _KEY: transport}


async def taken_in(receive: Receive) -> Receive:
    """Take a whole request in, and return what hands it on.

    A connection that ends while a request is still arriving is reset in any case, and at a moment
    that depends on chance: some clients then see a plain end, others a reset.
    """
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    handed_on = False

    async def hand_on() -> Message:
        nonlocal handed_on
        if handed_on:
            return await receive()
        handed_on = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return hand_on


async def reset(scope: Scope, receive: Receive) -> None:
    """Abort the connection so that the client sees it reset."""
    transport = _transport(scope)
    bound = transport.get_extra_info("socket")
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
    await _gone(receive)


async def close(scope: Scope, receive: Receive) -> None:
    """Close the connection once what was written has left."""
    end(scope)
    await _gone(receive)


def end(scope: Scope) -> None:
    """Close the connection without waiting until it is."""
    _transport(scope).close()


def _transport(scope: Scope) -> asyncio.Transport:
    state: MutableMapping[str, Any] = scope["state"]
    transport: asyncio.Transport = state[_KEY]
    return transport


async def _gone(receive: Receive) -> None:
    # Until the server knows, it would try to answer for the route that did not.
    while (await receive())["type"] != "http.disconnect":
        pass
