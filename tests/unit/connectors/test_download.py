"""Result files: whole or refused, resumed wherever they break, and never with a credential."""

import gzip
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from connectors.errors import (
    ExportFailedError,
    IncompleteResultError,
    LimitReachedError,
    PipelineError,
    ResultsExpiredError,
    StorageError,
    UnavailableError,
    UnknownExportError,
)
from connectors.nexthink import Compression, NexthinkClient
from connectors.nexthink.download import MAX_REDIRECTS, MAX_STALLS
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Seen,
    Server,
    Storage,
    json_reply,
    token_reply,
)

STATUS = "/api/v1/nql/status/e1"
FILE = "/bucket/e1.csv"
SIGNATURE = "X-Amz-Signature=MARK-signature"


def text_of(size: int) -> bytes:
    """Return CSV that does not pack well, quotes and newlines in fields included."""
    source = random.Random(size)
    row = b'"%s ""x""\n",%d\n'
    rows = (row % (source.randbytes(9).hex().encode(), number) for number in range(size // 30))
    return b"device.name,note\n" + b"".join(rows)


TEXT = text_of(150_000)
PACKED: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.NONE: bytes,
    Compression.GZIP: gzip.compress,
    Compression.ZSTD: zstandard.ZstdCompressor().compress,
}


def url_of(storage: Server, number: int = 1) -> str:
    return f"{storage.url}{FILE}?n={number}&{SIGNATURE}"


def completed(url: str, status: int = 200) -> Reply:
    return json_reply({"status": "COMPLETED", "resultsFileUrl": url}, status)


def fresh_urls(storage: Server) -> Callable[[Seen], Reply]:
    """Give a new URL for each status asked."""
    given = iter(range(1, 1000))
    return lambda _: completed(url_of(storage, next(given)))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "result.csv"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("asked", [None, *Compression])
@pytest.mark.parametrize("packed", list(Compression))
def test_a_file_lands_unpacked(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
    asked: Compression | None,
    framing: str,
) -> None:
    body = PACKED[packed](TEXT)
    other_server.on("GET", FILE, Storage(body, framing=framing))
    seen: list[int] = []
    url = url_of(other_server)
    done = client.nql.download("e1", target, asked, url=url, on_bytes=seen.append)
    assert target.read_bytes() == TEXT
    assert (done.path, done.wire_bytes, done.csv_bytes) == (target, len(body), len(TEXT))
    assert (done.compression, done.resumed, done.restarted) == (packed, 0, 0)
    assert done.truncated is None
    assert seen == sorted(seen)
    assert seen[-1] == len(body)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    (sent,) = other_server.seen
    assert sent.headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie", "range"} & set(sent.headers)


def test_without_a_url_the_status_gives_one(
    server: Server, other_server: Server, client: NexthinkClient, target: Path
) -> None:
    server.on("GET", STATUS, completed(url_of(other_server), 206))
    other_server.on("GET", FILE, Storage(TEXT))
    done = client.nql.download("e1", target)
    assert target.read_bytes() == TEXT
    assert done.truncated is True


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (json_reply({"status": "IN_PROGRESS"}), UnavailableError),
        (json_reply({"status": "ERROR", "errorDescription": "MARK"}), ExportFailedError),
        (json_reply({"status": "COMPLETED"}), ResultsExpiredError),
        (Reply(404), UnknownExportError),
        (completed("/no/host?MARK"), UnavailableError),
        (completed("ftp://host/x?MARK"), UnavailableError),
        (completed("http://host:port/x?MARK"), UnavailableError),
        (completed("http://[MARK"), UnavailableError),
    ],
)
def test_an_export_without_a_file_leaves_none(
    server: Server, client: NexthinkClient, target: Path, status: Reply, kind: type[PipelineError]
) -> None:
    server.on("GET", STATUS, status)
    with pytest.raises(kind) as caught:
        client.nql.download("e1", target)
    assert type(caught.value) is kind
    assert "MARK" not in str(caught.value)
    assert not target.exists()


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
    if not reset:  # a reset may take bytes with it that had arrived
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


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(200, b"a\n", framing="none"), IncompleteResultError, "without length"),
        (Reply(200, b"a\n", {"content-encoding": "br"}), UnavailableError, "proxy repacks"),
        (Reply(405), UnavailableError, "does not give"),
        (Reply(304), UnavailableError, "does not give"),
        (Reply(200, b'a,b\n"1,2\n'), IncompleteResultError, "inside a quoted field"),
        (Reply(200, gzip.compress(b"a\n")[:-1]), IncompleteResultError, "breaks off"),
        (Reply(200, gzip.compress(b"a\n") + b"zz"), IncompleteResultError, "trailing bytes"),
        (Reply(200, gzip.compress(b'"')), IncompleteResultError, "inside a quoted field"),
    ],
)
def test_a_file_that_cannot_be_proven_whole_is_refused(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    reply: Reply,
    kind: type[PipelineError],
    words: str,
) -> None:
    other_server.on("GET", FILE, reply)
    with pytest.raises(kind, match=words) as caught:
        client.nql.download("e1", target, url=url_of(other_server))
    assert type(caught.value) is kind
    assert not target.exists()


@pytest.mark.parametrize("text", [b"", b"a,b\n", b"a,b\n1,2", b'a,b\n1,"2"', b'a\n"x\ny"\n'])
@pytest.mark.parametrize("packed", list(Compression))
def test_empty_files_and_last_records_without_newline_are_whole(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    packed: Compression,
    text: bytes,
) -> None:
    other_server.on("GET", FILE, Storage(PACKED[packed](text)))
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == text
    assert done.csv_bytes == len(text)


def test_a_zero_byte_file_is_whole_whatever_was_asked_for(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", FILE, Storage(b""))
    for asked in Compression:
        done = client.nql.download("e1", target, asked, url=url_of(other_server))
        assert (done.wire_bytes, done.csv_bytes) == (0, 0)


def test_an_older_file_is_replaced_and_closed_to_others(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    target.write_bytes(b"x" * 999_999)
    target.chmod(0o644)
    other_server.on("GET", FILE, Storage(TEXT))
    client.nql.download("e1", target, url=url_of(other_server))
    assert target.read_bytes() == TEXT
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("place", ["missing/result.csv", ".", "file/result.csv"])
def test_an_unwritable_place_is_one_line(
    other_server: Server, client: NexthinkClient, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    other_server.on("GET", FILE, Storage(TEXT))
    with pytest.raises(StorageError, match="cannot write") as caught:
        client.nql.download("e1", tmp_path / place, url=url_of(other_server))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's always full device")
@pytest.mark.parametrize("text", [TEXT, b"a\n"])
def test_a_full_disk_is_one_line(other_server: Server, client: NexthinkClient, text: bytes) -> None:
    other_server.on("GET", FILE, Storage(text))
    with pytest.raises(StorageError, match="No space left"):
        client.nql.download("e1", Path("/dev/full"), url=url_of(other_server))
    assert Path("/dev/full").exists()


def test_a_stopped_download_leaves_nothing(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    other_server.on("GET", FILE, Storage(TEXT))
    with pytest.raises(KeyboardInterrupt):
        client.nql.download("e1", target, url=url_of(other_server), on_bytes=stop)
    assert not target.exists()


def test_a_redirect_is_followed_without_credentials_and_cookies(
    server: Server, other_server: Server, client: NexthinkClient, target: Path
) -> None:
    location = {"location": url_of(other_server), "set-cookie": "a=b"}
    server.on("GET", "/global", Reply(307, headers=location))
    other_server.on("GET", FILE, Storage(TEXT, cuts=[500]))
    client.authenticate()
    with_password = server.url.replace("://", "://me:MARK@") + "/global"
    done = client.nql.download("e1", target, url=with_password)
    assert target.read_bytes() == TEXT
    assert done.resumed == 1
    for seen in [*server.requests("/global"), *other_server.seen]:
        assert not {"authorization", "cookie"} & set(seen.headers)


def test_a_file_on_the_api_s_own_origin_gets_no_token_either(
    server: Server, client: NexthinkClient, target: Path
) -> None:
    server.on("GET", STATUS, completed(url_of(server)))
    server.on("GET", FILE, Storage(TEXT))
    client.nql.download("e1", target)
    assert "authorization" not in server.requests(FILE)[0].headers


def test_redirects_in_a_circle_end(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", FILE, Reply(302, headers={"location": FILE + "?MARK"}))
    with pytest.raises(UnavailableError, match="too many redirects") as caught:
        client.nql.download("e1", target, url=url_of(other_server))
    assert "MARK" not in str(caught.value)
    assert len(other_server.seen) == MAX_REDIRECTS + 1


def test_an_encrypted_api_s_files_are_not_fetched_in_clear_text(
    other_server: Server, clock: Clock, target: Path
) -> None:
    other_server.on("POST", TOKEN_PATH, token_reply())
    tenant = FakeTenant("https://acme.api.eu.example.test", other_server.url)
    with (
        NexthinkClient(tenant, clock=clock, sleep=clock.sleep) as client,
        pytest.raises(UnavailableError, match="without encryption"),
    ):
        client.nql.download("e1", target, url=url_of(other_server))
    assert other_server.seen == []
