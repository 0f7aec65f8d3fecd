"""Serves a tenant: in a thread for tests, or until stopped for the command line."""

import asyncio
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn

from sandbox.options import SandboxOptions
from sandbox.servicenow.app import servicenow_app
from sandbox.tenant import Tenant
from sandbox.web.apps import api_app, login_app, results_app
from sandbox.web.connection import Breakable
from sandbox.web.dated import Dated

logger = logging.getLogger(__name__)

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_TICK_SECONDS = 1.0
# API, login, results, ServiceNow.
_ORIGINS = 4


@contextmanager
def running(options: SandboxOptions) -> Iterator[Tenant]:
    """Serve a tenant from a thread while the context lasts."""
    tenant = Tenant(options)
    try:
        sockets = _sockets(options)
        try:
            listeners = _listeners(tenant, sockets)
            with _serving(listeners):
                yield tenant
        finally:
            for open_socket in sockets:
                open_socket.close()
    finally:
        tenant.close()


def serve(options: SandboxOptions, on_ready: Callable[[Tenant], None]) -> None:
    """Serve a tenant until SIGTERM or SIGINT, then return; logs go to stderr."""
    _log_to_stderr()
    stop = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        with running(options) as tenant:
            logger.info("serving %d devices on %s", options.devices, tenant.api_url)
            on_ready(tenant)
            stop.wait()
            logger.info("stopping")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """A server that stops at once; uvicorn's own takes up to a quarter of a second.

    Tests start and stop hundreds of tenants.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # Idle connections are closed after one turn of the loop; the rest get their answers.
        await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)

    def stop(self) -> None:
        """Stop; this is called from another thread."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)


@dataclass(frozen=True, slots=True)
class _Listener:
    """One origin: a server and the socket it listens on."""

    server: "_Server"
    socket: socket.socket


def _sockets(options: SandboxOptions) -> list[socket.socket]:
    """Bind a port for each origin: any free one, or the given port and those after it."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    bound: list[socket.socket] = []
    try:
        for offset in range(_ORIGINS):
            # Without the protocol, asyncio leaves Nagle's delay on: 40 ms per small answer.
            each = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            bound.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((options.host, options.port + offset if options.port else 0))
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def _listeners(tenant: Tenant, sockets: list[socket.socket]) -> list[_Listener]:
    origins = [_origin(tenant.options.host, each) for each in sockets]
    tenant.api_url, tenant.login_url, tenant.results_url, tenant.servicenow.url = origins
    apps = (api_app(tenant), login_app(tenant), results_app(tenant), servicenow_app(tenant))
    return [
        _Listener(_Server(_config(Dated(app, tenant.clock))), each)
        for app, each in zip(apps, sockets, strict=True)
    ]


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Breakable,
        # WebSockets are not served, so that the library is not imported at every start.
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="asyncio",
        server_header=False,
        # Real time, renewed every second: the tenant has a clock of its own.
        date_header=False,
        timeout_graceful_shutdown=1,
    )


def _origin(host: str, bound: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{bound.getsockname()[1]}"


@contextmanager
def _serving(listeners: list[_Listener]) -> Iterator[None]:
    async def serve_all() -> None:
        await asyncio.gather(*(each.server.serve(sockets=[each.socket]) for each in listeners))

    thread = threading.Thread(target=lambda: asyncio.run(serve_all()), name="sandbox", daemon=True)
    thread.start()
    try:
        _wait_until_started(listeners, thread)
        yield
    finally:
        for each in listeners:
            each.server.stop()
        thread.join(_STOP_SECONDS)


def _wait_until_started(listeners: list[_Listener], thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not all(each.server.started for each in listeners):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not start")
        time.sleep(0.005)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger("sandbox")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
