"""Connections whose answers trickle end, in the head of an answer too; slow begins do not."""

import httpcore
import pytest

from connectors.http.client import build_client
from connectors.http.pace import PacedStream
from connectors.http.proxies import SystemProxies
from tests.unit.connectors.servers import Reply, Server


class Trickle(httpcore.NetworkStream):
    """A connection on which each piece takes some seconds."""

    def __init__(self, seconds: float, size: int) -> None:
        self.now = 0.0
        self.seconds, self.size = seconds, size

    def clock(self) -> float:
        return self.now

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del max_bytes, timeout
        self.now += self.seconds
        return b"x" * self.size

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        pass


def read_all(stream: PacedStream, count: int) -> int:
    return sum(len(stream.read(65_536)) for _ in range(count))


@pytest.mark.parametrize(("seconds", "size"), [(59, 1), (1, 1), (1, 99), (0.1, 5)])
def test_an_answer_that_trickles_ends(seconds: float, size: int) -> None:
    inner = Trickle(seconds, size)
    with pytest.raises(httpcore.ReadTimeout):
        read_all(PacedStream(inner, inner.clock), 2_000)
    assert inner.now < 200


@pytest.mark.parametrize(("seconds", "size"), [(59, 60_000), (1, 200), (0.001, 1)])
def test_an_answer_that_flows_does_not(seconds: float, size: int) -> None:
    inner = Trickle(seconds, size)
    assert read_all(PacedStream(inner, inner.clock), 1_000) == 1_000 * size


def test_the_wait_for_each_answer_is_free() -> None:
    inner = Trickle(59, 100)
    stream = PacedStream(inner, inner.clock)
    for _ in range(100):
        stream.write(b"GET")
        assert stream.read(65_536)


def test_every_connection_is_measured(server: Server) -> None:
    server.on("GET", "/x", Reply(200, b"good"))
    with (
        build_client(SystemProxies()) as client,
        client.stream("GET", server.url + "/x") as response,
    ):
        assert isinstance(response.extensions["network_stream"], PacedStream)
        assert response.read() == b"good"
