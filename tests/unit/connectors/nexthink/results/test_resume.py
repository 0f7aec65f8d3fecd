"""Downloads that break, expire or change: resumed where safe, otherwise started over."""

import random
from pathlib import Path

import pytest

from connectors.errors import (
    LimitReachedError,
    ResultsExpiredError,
    UnavailableError,
    UnknownExportError,
)
from connectors.nexthink import Compression
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.results.download import MAX_STALLS
from tests.unit.connectors.results import (
    FILE,
    PACKED,
    STATUS,
    TEXT,
    completed,
    fresh_urls,
    text_of,
    url_of,
)
from tests.unit.connectors.servers import (
    Clock,
    Reply,
    Server,
    Storage,
)


@pytest.mark.parametrize("packed", list(Compression))
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_broken_download_goes_on_where_it_broke(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
    framing: str,
    reset: bool,
) -> None:
    body = PACKED[packed](TEXT)
    cuts = sorted(random.Random(f"{packed}{framing}").sample(range(1, len(body)), 12))
    storage = Storage(body, cuts=list(cuts), framing=framing, reset=reset)
    other_server.on("GET", FILE, storage)
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == TEXT
    assert (done.wire_bytes, done.csv_bytes) == (len(body), len(TEXT))
    ranges = [seen.headers.get("range") for seen in other_server.seen]
    assert len(ranges) == 13
    if not reset:  # a reset may also drop bytes that had arrived
        assert ranges == [None, *(f"bytes={cut}-" for cut in cuts)]
        assert (done.resumed, done.restarted) == (12, 0)
    assert {seen.headers.get("if-range") for seen in other_server.seen} <= {None, '"v1"'}


def test_a_break_before_the_first_byte_is_no_restart(
    other_server: Server, client: NexthinkClient, target: Path, clock: Clock
) -> None:
    other_server.on("GET", FILE, Reply(reset=True), Reply(503), Storage(TEXT, cuts=[0]))
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == TEXT
    assert (done.resumed, done.restarted) == (0, 0)
    assert len(clock.sleeps) == 3


@pytest.mark.parametrize("packed", list(Compression))
@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_it_starts_over(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
    etag: str | None,
) -> None:
    body = PACKED[packed](TEXT)
    other_server.on("GET", FILE, Storage(body, etag=etag, cuts=[len(body) // 2]))
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == TEXT
    assert (done.wire_bytes, done.resumed, done.restarted) == (len(body), 0, 1)
    assert all("range" not in request.headers for request in other_server.seen)


@pytest.mark.parametrize("packed", list(Compression))
@pytest.mark.parametrize("old_size", [1_000, 500_000])
def test_a_file_that_changes_midway_starts_over(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
    old_size: int,
) -> None:
    old = PACKED[packed](text_of(old_size))
    other_server.on(
        "GET",
        FILE,
        Storage(old, cuts=[len(old) * 2 // 3]),
        Storage(PACKED[packed](TEXT), etag='"v2"'),
    )
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == TEXT
    assert (done.resumed, done.restarted) == (0, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-range": "bytes 4-9/10", "etag": '"v2"'},
        {"content-range": "bytes 4-9/10"},
        {"content-range": "bytes 3-9/10", "etag": '"v1"'},
        {"content-range": "bytes 4-9/11", "etag": '"v1"'},
        {"content-range": "bytes 4-9/*", "etag": '"v1"'},
        {"content-range": "bytes */10", "etag": '"v1"'},
    ],
)
def test_a_part_that_does_not_fit_is_not_taken(
    other_server: Server, client: NexthinkClient, target: Path, headers: dict[str, str]
) -> None:
    whole = Storage(b"a,b\n12345\n", cuts=[4])
    other_server.on("GET", FILE, whole, Reply(206, b"zzzzz\n", headers), whole)
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == b"a,b\n12345\n"
    assert done.restarted == 1


@pytest.mark.parametrize("tag", [{}, {"etag": '"v1"'}])
def test_a_part_that_nobody_asked_for_is_not_taken(
    other_server: Server, client: NexthinkClient, target: Path, tag: dict[str, str]
) -> None:
    part = Reply(206, b"a\n", {"content-range": "bytes 0-1/2", **tag})
    other_server.on("GET", FILE, part, Storage(TEXT))
    assert client.nql.download("e1", target, url=url_of(other_server)).csv_bytes == len(TEXT)


def test_a_shorter_part_than_asked_for_is_followed_by_the_next(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    whole = Storage(b"a,b\n12345\n", cuts=[4])
    part = Reply(206, b"123", {"content-range": "bytes 4-6/10", "etag": '"v1"'})
    other_server.on("GET", FILE, whole, part, whole)
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == b"a,b\n12345\n"
    assert (done.wire_bytes, done.resumed, done.restarted) == (10, 2, 0)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_file_that_lost_its_end_mark_only_is_whole(
    other_server: Server, client: NexthinkClient, target: Path, framing: str
) -> None:
    other_server.on("GET", FILE, Storage(TEXT, cuts=[len(TEXT)], framing=framing))
    client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == TEXT


def test_a_range_beyond_the_end_of_a_shorter_file_starts_over(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    beyond = Reply(416, b"", {"content-range": "bytes */3"})
    other_server.on("GET", FILE, Storage(b"a,b\n1,2\n", cuts=[6]), beyond, Storage(b"a\n", '"v2"'))
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == b"a\n"
    assert done.restarted == 1


@pytest.mark.parametrize("packed", list(Compression))
def test_a_url_that_expires_each_time_is_renewed_each_time(
    server: Server,
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
) -> None:
    body = PACKED[packed](TEXT)
    cuts = [len(body) * part // 10 for part in range(1, 10)]
    server.on("GET", STATUS, fresh_urls(other_server))
    other_server.on("GET", FILE, Storage(body, cuts=cuts, uses_per_url=1))
    done = client.nql.download("e1", target)
    assert target.read_bytes() == TEXT
    assert (done.resumed, done.restarted) == (9, 0)
    assert len(server.requests(STATUS)) == 10


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refused_url_is_renewed_at_once(
    server: Server,
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    clock: Clock,
    status: int,
) -> None:
    server.on("GET", STATUS, fresh_urls(other_server))
    other_server.on("GET", FILE, Reply(status), Storage(TEXT))
    done = client.nql.download("e1", target, url=url_of(other_server, 0))
    assert done.csv_bytes == len(TEXT)
    assert [seen.query[:3] for seen in other_server.seen] == ["n=0", "n=1"]
    assert clock.sleeps == []


def test_a_url_that_stays_refused_asks_for_a_new_export(
    server: Server, other_server: Server, client: NexthinkClient, target: Path, clock: Clock
) -> None:
    server.on("GET", STATUS, fresh_urls(other_server))
    other_server.on("GET", FILE, Reply(403, b"MARK-body", {"x-amz-request-id": "AMZ1"}))
    with pytest.raises(ResultsExpiredError, match=r"export again.*AMZ1") as caught:
        client.nql.download("e1", target)
    assert "MARK" not in str(caught.value)
    assert len(other_server.seen) == MAX_STALLS + 1
    assert len(clock.sleeps) == MAX_STALLS - 1
    assert not target.exists()


def test_an_export_forgotten_midway_is_told(
    server: Server, other_server: Server, client: NexthinkClient, target: Path
) -> None:
    server.on("GET", STATUS, completed(url_of(other_server)), Reply(404))
    other_server.on("GET", FILE, Storage(TEXT, cuts=[99], uses_per_url=1))
    with pytest.raises(UnknownExportError):
        client.nql.download("e1", target)
    assert not target.exists()


@pytest.mark.parametrize(
    "fault", [Reply(reset=True), Reply(500), Reply(503), Reply(408), Reply(200, b"a\n1\n", cut=2)]
)
def test_tries_without_progress_come_to_an_end(
    other_server: Server, client: NexthinkClient, target: Path, fault: Reply
) -> None:
    other_server.on("GET", FILE, fault)
    with pytest.raises(UnavailableError) as caught:
        client.nql.download("e1", target, url=url_of(other_server))
    assert type(caught.value) is UnavailableError
    assert MAX_STALLS < len(other_server.seen) <= MAX_STALLS + 2
    assert not target.exists()


def test_progress_starts_the_count_again(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    cuts = [cut for cut in range(1000, 20_000, 1000) for _ in range(MAX_STALLS)]
    other_server.on("GET", FILE, Storage(TEXT, cuts=cuts))
    assert client.nql.download("e1", target, url=url_of(other_server)).csv_bytes == len(TEXT)


def test_starting_over_for_ever_is_no_progress(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", FILE, Storage(TEXT, etag=None, cuts=[70_000] * 1000))
    with pytest.raises(UnavailableError):
        client.nql.download("e1", target, url=url_of(other_server))
    assert len(other_server.seen) == MAX_STALLS + 1


def test_a_busy_storage_is_waited_for(
    other_server: Server, client: NexthinkClient, target: Path, clock: Clock
) -> None:
    other_server.on("GET", FILE, Reply(503, headers={"retry-after": "30"}), Storage(TEXT))
    client.nql.download("e1", target, url=url_of(other_server))
    assert clock.sleeps == [30]


@pytest.mark.parametrize("status", [429, 503])
def test_a_storage_busy_for_long_is_the_caller_s(
    other_server: Server, client: NexthinkClient, target: Path, clock: Clock, status: int
) -> None:
    other_server.on("GET", FILE, Reply(status, headers={"retry-after": "3600"}))
    with pytest.raises(LimitReachedError):
        client.nql.download("e1", target, url=url_of(other_server))
    assert clock.sleeps == []
