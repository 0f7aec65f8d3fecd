"""Results read while they arrive: complete, or an error, or a reason to read them again."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from connectors.errors import DataRefusedError, IncompleteResultError, UnavailableError
from connectors.http.proxies import SystemProxies
from connectors.ledger import JournalledExport, open_ledger
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.results.destination import CsvFile
from connectors.nexthink.results.result_file import BLOCK_BYTES, BrokenCsvError, ResultFile
from tasks.exports.arrival import Arrival, ReadAgainError
from tasks.exports.export import Ready
from tasks.exports.request import Request
from tasks.runs.tools import Tools
from tests.unit.connectors.results import FILE, STATUS, text_of, url_of
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Server,
    Storage,
    token_reply,
)

TEXT = text_of(3_000_000)
REQUEST = Request("things", "unit", "#things", {}, "NONE")


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.on("POST", TOKEN_PATH, token_reply())
        yield running


@pytest.fixture
def arrival(server: Server, tls: ssl.SSLContext, tmp_path: Path) -> Iterator[Arrival]:
    clock = Clock()
    tenant = FakeTenant(server.url, server.url)
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "acme.eu", clock)
    with NexthinkClient(tenant, SystemProxies(tls), clock, clock.sleep) as client:
        tools = Tools(client, ledger, clock, clock.sleep)
        export = JournalledExport("e1", "query", datetime(2026, 11, 19, tzinfo=UTC))
        yield Arrival(tools, REQUEST, Ready(export, False, url_of(server), 0.0))
    ledger.close()


def read(arrival: Arrival) -> int:
    with arrival.reading():
        return sum(len(frame) for frame in ResultFile(arrival.source).frames())


def test_a_result_is_read_and_described_though_its_download_breaks(
    server: Server, arrival: Arrival
) -> None:
    server.on("GET", FILE, Storage(TEXT, cuts=[700_000, 2_100_000]))
    assert read(arrival) == TEXT.count(b"\n") // 2
    assert arrival.fetched.csv_bytes == arrival.fetched.wire_bytes == len(TEXT)
    assert arrival.fetched.resumed == 2


def test_a_download_that_starts_over_is_to_be_read_again(server: Server, arrival: Arrival) -> None:
    server.on("GET", FILE, Storage(TEXT, etag=None, cuts=[2_000_000]))
    with pytest.raises(ReadAgainError):
        read(arrival)


def test_an_export_lost_midway_is_to_be_read_again(server: Server, arrival: Arrival) -> None:
    server.on("GET", FILE, Storage(TEXT, cuts=[2_000_000], uses_per_url=1))
    server.on("GET", STATUS, Reply(404))
    with pytest.raises(ReadAgainError):
        read(arrival)


def test_a_record_longer_than_a_block_is_to_be_read_again(server: Server, arrival: Arrival) -> None:
    server.on("GET", FILE, Storage(b"a,b\n1,2\n" * 10 + b"x," + b"y" * 2 * BLOCK_BYTES + b"\n"))
    with pytest.raises(ReadAgainError):
        read(arrival)


def test_a_result_cut_inside_quotes_is_incomplete_and_no_bad_csv(
    server: Server, arrival: Arrival
) -> None:
    server.on("GET", FILE, Storage(TEXT + b'"half'))
    with pytest.raises(IncompleteResultError):
        read(arrival)


def test_storage_that_gives_no_more_is_told_as_such(server: Server, arrival: Arrival) -> None:
    server.on("GET", FILE, Storage(TEXT, cuts=[2_000_000] * 100))
    with pytest.raises(UnavailableError, match="connection was lost"):
        read(arrival)


def test_text_that_is_refused_ends_the_download(server: Server, arrival: Arrival) -> None:
    server.on("GET", FILE, Storage(TEXT + b"x,\xff\n" + TEXT * 5))
    with pytest.raises(DataRefusedError, match="not UTF-8"):
        read(arrival)


@pytest.mark.parametrize("broken", [b'1,"x" y\n', b'1,24" x\n', b'1,"x\n2,"y\n', b"1,x\ry\n"])
def test_text_that_is_not_strict_csv_is_read_again_to_name_its_row(
    server: Server, arrival: Arrival, tmp_path: Path, broken: bytes
) -> None:
    server.on("GET", FILE, Storage(b"a,b\n" + broken))
    with pytest.raises(ReadAgainError):
        read(arrival)
    with CsvFile(tmp_path / "result.csv") as file:
        file.write(b"a,b\n" + broken)
        file.finish()
    with pytest.raises(BrokenCsvError, match="row 2 "):
        list(ResultFile(file.path).frames())
