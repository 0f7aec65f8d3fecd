"""A result that stops early is never whole: each proof alone notices it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.errors import IncompleteResultError, UnavailableError
from connectors.nexthink import Compression
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.results.completeness import ByteRange, ReceivedBytes
from tests.unit.connectors.results import FILE, PACKED, TEXT, url_of
from tests.unit.connectors.servers import Reply, Seen, Server, Storage

# Two thousand rows, as two frames that end exactly in the middle.
HALVES = (b"name,number\n" + b"a,1\n" * 1000, b"b,2\n" * 1000)


def packed_halves(packed: Compression) -> tuple[bytes, bytes]:
    return PACKED[packed](HALVES[0]), PACKED[packed](HALVES[1])


def arrived(received: int, *spans: ByteRange) -> ReceivedBytes:
    found = ReceivedBytes()
    for span in spans:
        found.begin(span)
    found.received = received
    return found


def test_the_count_alone_notices_a_part_that_says_it_is_the_end() -> None:
    short = arrived(7, ByteRange(0, 10, 10), ByteRange(4, 7, 7))
    assert short.is_reached
    assert not short.is_counted


def test_the_part_alone_notices_that_it_is_not_the_end() -> None:
    short = arrived(10, ByteRange(0, 10, 10), ByteRange(4, 10, 12))
    assert short.is_counted
    assert not short.is_reached


def test_the_part_alone_notices_that_it_did_not_arrive() -> None:
    assert not arrived(7, ByteRange(0, None, None), ByteRange(4, 10, 10)).is_reached
    assert arrived(10, ByteRange(0, None, None), ByteRange(4, 10, 10)).is_reached


@pytest.mark.parametrize(
    ("span", "fits"),
    [
        (ByteRange(4, 10, 10), True),
        (ByteRange(4, 7, 10), True),
        (ByteRange(3, 10, 10), False),
        (ByteRange(4, 7, 7), False),
        (ByteRange(10, 10, 10), False),
        (None, False),
    ],
)
def test_a_part_continues_only_the_same_file(span: ByteRange | None, fits: bool) -> None:
    assert arrived(4, ByteRange(0, 10, 10)).continues(span) is fits


@pytest.mark.parametrize(
    "text",
    [
        "bytes 4-9/*",
        "bytes 4-/10",
        "4-9/10",
        "bytes \u0664-\u0669/\u0661",
        f"bytes 4-9/{'9' * 5000}",
    ],
)
def test_a_content_range_without_numbers_is_none(text: str) -> None:
    assert ByteRange.of_range(text) is None


def in_parts(body: bytes, cut: int, part: int) -> Callable[[Seen], Reply]:
    """Break off at `cut`; answer with `part` bytes then, and with a thousand from there on."""

    def answer(seen: Seen) -> Reply:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        if start == 0:
            return Reply(200, body, {"etag": '"v1"'}, cut=cut)
        end = min(start + (part if start == cut else 1_000), len(body))
        span = {"content-range": f"bytes {start}-{end - 1}/{len(body)}", "etag": '"v1"'}
        return Reply(206, body[start:end], span)

    return answer


@pytest.mark.parametrize("packed", list(Compression))
def test_a_shorter_range_is_not_the_end(
    other_server: Server, client: NexthinkClient, target: Path, packed: Compression
) -> None:
    first, second = packed_halves(packed)
    body = first + second
    # The second answer ends where the first frame and a record end.
    other_server.on("GET", FILE, in_parts(body, len(first) - 9, 9))
    client.nql.download("e1", target, packed, url=url_of(other_server))
    assert target.read_bytes() == b"".join(HALVES)


@pytest.mark.parametrize("packed", list(Compression))
@pytest.mark.parametrize("claims_all", [True, False])
def test_a_range_that_always_ends_early_is_an_error(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
    claims_all: bool,
) -> None:
    first, second = packed_halves(packed)
    body = first + second

    def lie(seen: Seen) -> Reply:
        start = int(seen.headers["range"][6:-1])
        end = len(body) if claims_all else max(len(first), start)
        span = {"content-range": f"bytes {start}-{end - 1}/{len(body)}", "etag": '"v1"'}
        return Reply(206, body[start : len(first)], span)

    whole = Reply(200, body, {"etag": '"v1"'}, cut=len(first) - 9)
    other_server.on("GET", FILE, whole, lie)
    with pytest.raises(UnavailableError, match="only part of the result file"):
        client.nql.download("e1", target, packed, url=url_of(other_server))
    assert not target.exists()


@pytest.mark.parametrize("status", [206, 416])
def test_a_shorter_total_in_a_later_answer_is_another_file(
    other_server: Server, client: NexthinkClient, target: Path, status: int
) -> None:
    first, second = HALVES
    length = len(first)
    span = f"bytes {length - 4}-{length - 1}/{length}" if status == 206 else f"bytes */{length}"
    cut = length - 4 if status == 206 else length
    broken = Reply(200, first + second, {"etag": '"v1"'}, cut=cut)
    part = Reply(status, first[cut:], {"content-range": span, "etag": '"v1"'})
    other_server.on("GET", FILE, broken, part, Storage(first + second))
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == first + second
    assert done.restarted == 1


def test_text_without_length_has_to_end_a_record(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", FILE, Reply(200, TEXT[:-9], framing="chunked"))
    with pytest.raises(IncompleteResultError, match=r"last record does not end|quoted field"):
        client.nql.download("e1", target, url=url_of(other_server))
    for text in (b"a,b\n1,2", b"a,b\r\n1,2\r", b"a,b\r1,2", b"a\n1\r", b'a\r"1\n"\r2'):
        other_server.on("GET", FILE, Reply(200, text, framing="chunked"))
        with pytest.raises(IncompleteResultError, match=r"does not end.* request compression"):
            client.nql.download("e1", target, url=url_of(other_server))
    # Lines that end in a carriage return alone are as whole as others.
    for text in (b"a,b\r1,2\r", b"a,b\r\r", b'a\r"1\n"\r', b"a,b\r\n1,2\r\n", b"a\r"):
        other_server.on("GET", FILE, Reply(200, text, framing="chunked"))
        client.nql.download("e1", target, url=url_of(other_server))
        assert target.read_bytes() == text


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("asked", [None, *Compression])
def test_an_empty_file_is_no_compressed_result(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    asked: Compression | None,
    framing: str,
) -> None:
    other_server.on("GET", FILE, Reply(200, b"", framing=framing))
    if asked in (Compression.GZIP, Compression.ZSTD):
        with pytest.raises(IncompleteResultError, match=f"empty, although {asked} was requested"):
            client.nql.download("e1", target, asked, url=url_of(other_server))
        return
    done = client.nql.download("e1", target, asked, url=url_of(other_server))
    assert (done.wire_bytes, done.csv_bytes) == (0, 0)


@pytest.mark.parametrize("packed", list(Compression))
@pytest.mark.parametrize("text", [b"a,b\n", b"a,b"])
def test_a_header_alone_is_a_whole_result(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
    text: bytes,
) -> None:
    other_server.on("GET", FILE, Storage(PACKED[packed](text)))
    done = client.nql.download("e1", target, packed, url=url_of(other_server))
    assert done.csv_bytes == len(text)
