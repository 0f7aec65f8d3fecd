"""One scripted server per test, and a client of the tenant that it simulates."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from connectors.http.client import RetryTransport
from connectors.http.proxies import SystemProxies
from connectors.nexthink.client import NexthinkClient
from tests.unit.connectors.servers import TOKEN_PATH, Clock, FakeTenant, Server, token_reply


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """Load the trusted certificates once: it takes every client 30 ms."""
    return httpx.create_ssl_context()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.on("POST", TOKEN_PATH, token_reply())
        yield running


@pytest.fixture
def other_server() -> Iterator[Server]:
    """Provide a second origin: object storage, or the target of a redirect."""
    with Server() as running:
        yield running


@pytest.fixture
def client(server: Server, clock: Clock, tls: ssl.SSLContext) -> Iterator[NexthinkClient]:
    tenant = FakeTenant(server.url, server.url)
    network = SystemProxies(tls)
    with NexthinkClient(tenant, network, clock, clock.sleep) as open_client:
        yield open_client


@pytest.fixture
def make_client(server: Server, clock: Clock, tls: ssl.SSLContext) -> Callable[[], NexthinkClient]:
    """Return what opens a client under the settings of that moment."""
    tenant = FakeTenant(server.url, server.url)
    return lambda: NexthinkClient(tenant, SystemProxies(tls), clock, clock.sleep)


@pytest.fixture
def retrying(clock: Clock, tls: ssl.SSLContext) -> Iterator[httpx.Client]:
    transport = RetryTransport(httpx.HTTPTransport(verify=tls), clock=clock, sleep=clock.sleep)
    with httpx.Client(transport=transport) as open_client:
        yield open_client


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return the path of the file that a download writes."""
    return tmp_path / "result.csv"
