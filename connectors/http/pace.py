"""Connections that end if an answer, once begun, arrives too slowly.

The timeout of a read counts from byte to byte, so one byte a minute would keep a request alive for
ever, also inside the head of an answer, where only the connection sees what arrives.
"""

import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import httpcore
import httpx

# After the first byte of an answer, over this many seconds of waiting. The head of an answer has at
# most 100 KiB, so it arrives within a quarter of an hour.
PACE_SECONDS: Final = 60.0
LEAST_BYTES_PER_SECOND: Final = 100


class PacedStream(httpcore.NetworkStream):
    """A connection that measures how fast each answer arrives; waiting for its begin is free."""

    def __init__(
        self, inner: httpcore.NetworkStream, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._monotonic = monotonic
        self._has_begun = False
        self._waited = 0.0
        self._came = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next bytes.

        Raises:
            httpcore.ReadTimeout: nothing came, or too little.
        """
        asked = self._monotonic()
        data = self._inner.read(max_bytes, timeout)
        if self._has_begun:
            self._waited += self._monotonic() - asked
        self._has_begun = True
        self._came += len(data)
        if self._waited >= PACE_SECONDS:
            if self._came < self._waited * LEAST_BYTES_PER_SECOND:
                raise httpcore.ReadTimeout("too slow")
            self._waited, self._came = 0.0, 0
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes: what is read next is another answer."""
        self._has_begun, self._waited, self._came = False, 0.0, 0
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return the connection encrypted."""
        return PacedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows about itself."""
        return self._inner.get_extra_info(info)


class PacedBackend(httpcore.NetworkBackend):
    """Opens connections as usual, and measures them."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to a host."""
        return PacedStream(
            self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to a local socket."""
        return PacedStream(self._inner.connect_unix_socket(path, timeout, socket_options))

    def sleep(self, seconds: float) -> None:
        """Wait, before a connection is tried again."""
        self._inner.sleep(seconds)


def paced(transport: httpx.HTTPTransport) -> httpx.HTTPTransport:
    """Return a new transport whose connections are measured."""
    # httpx has no argument for it, httpcore has: it is used for each new connection.
    transport._pool._network_backend = PacedBackend()  # noqa: SLF001 - see above
    return transport
