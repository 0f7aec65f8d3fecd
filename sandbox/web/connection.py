"""The connection below a request, which lets a route break it off."""

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
    """uvicorn's HTTP, with the connection available to every request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a TCP transport
        """Store the connection where requests find it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, _KEY: transport}


async def taken_in(receive: Receive) -> Receive:
    """Read a whole request, and return a `receive` that replays it.

    A connection that is closed while its request still arrives is always reset, at a random moment:
    some clients would see a plain end, others a reset.
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
    """Abort the connection so that the client sees a reset."""
    transport = _transport(scope)
    bound = transport.get_extra_info("socket")
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
    await _gone(receive)


async def close(scope: Scope, receive: Receive) -> None:
    """Close the connection once everything written has been sent."""
    end(scope)
    await _gone(receive)


def end(scope: Scope) -> None:
    """Close the connection without waiting for it."""
    _transport(scope).close()


def _transport(scope: Scope) -> asyncio.Transport:
    state: MutableMapping[str, Any] = scope["state"]
    transport: asyncio.Transport = state[_KEY]
    return transport


async def _gone(receive: Receive) -> None:
    # Until the server notices, it would try to answer in place of the route.
    while (await receive())["type"] != "http.disconnect":
        pass
