"""Result files: whole or refused, and never with a credential."""

import gzip
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from connectors.errors import (
    DataRefusedError,
    ExportFailedError,
    IncompleteResultError,
    PipelineError,
    ResultsExpiredError,
    StorageError,
    UnavailableError,
    UnknownExportError,
    UsageError,
)
from connectors.nexthink import Compression
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.results.download import MAX_REDIRECTS
from tests.unit.connectors.results import (
    FILE,
    PACKED,
    ROWS,
    STATUS,
    TEXT,
    completed,
    url_of,
)
from tests.unit.connectors.servers import (
    TOKEN_PATH,
    Clock,
    FakeTenant,
    Reply,
    Server,
    Storage,
    json_reply,
    token_reply,
)


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
    assert (done.truncated, done.rows) == (None, ROWS)
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


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("/no/host?MARK", "a relative URL, without https:// and a host, for the result file"),
        ("host.example/x?MARK", "a relative URL"),
        ("ftp://host/x?MARK", "a URL that begins with ftp:, not https:, for"),
        ("S3://bucket/x?MARK", "a URL that begins with s3:, not https:"),
        ("file:///etc/passwd?MARK", "a URL that begins with file:"),
        ("https:///x?MARK", "a URL without a host"),
        ("https:?MARK", "a URL without a host"),
        ("http://host:port/x?MARK", "a malformed URL"),
    ],
)
def test_a_url_that_is_not_one_of_http_is_described_without_it(
    server: Server, client: NexthinkClient, target: Path, url: str, words: str
) -> None:
    server.on("GET", STATUS, completed(url))
    for given in (None, url):
        with pytest.raises(UnavailableError, match="the tenant sent " + words) as caught:
            client.nql.download("e1", target, url=given)
        assert "MARK" not in str(caught.value)
        assert "export again" in str(caught.value)
    assert not target.exists()
    if "://" in url:
        with pytest.raises(UsageError, match=words.partition(", ")[0]) as usage:
            client.nql.download(url, target)
        assert "MARK" not in str(usage.value)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(200, b"a\n", framing="none"), IncompleteResultError, "without a length"),
        (Reply(200, b"a\n", {"content-encoding": "br"}), UnavailableError, "proxy re-encodes"),
        (Reply(405), UnavailableError, "does not deliver"),
        (Reply(304), UnavailableError, "does not deliver"),
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


@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf", b"\r\n ", b"\n \xef\xbb\xbf\n", b" " * 9])
@pytest.mark.parametrize(
    "page", [b"<?xml version='1.0'?>\n<Error/>", b"<html>", b"<Error>a,b</Error>", b'{"code": 1}']
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_page_instead_of_the_file_is_refused(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    page: bytes,
    begin: bytes,
    pack: Callable[[bytes], bytes],
) -> None:
    other_server.on("GET", FILE, Storage(pack(begin + page)))
    with pytest.raises(UnavailableError, match="XML or HTML"):
        client.nql.download("e1", target, url=url_of(other_server))
    assert not target.exists()


def test_a_page_is_known_by_its_type_too(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", FILE, Reply(200, b"Busy", {"content-type": "text/html; charset=UTF-8"}))
    with pytest.raises(UnavailableError, match="XML or HTML"):
        client.nql.download("e1", target, url=url_of(other_server))
    assert not target.exists()


@pytest.mark.parametrize(
    ("text", "rows", "ragged"),
    [
        (b"", 0, 0),
        (b"a,b\n", 0, 0),
        (b"a,b", 0, 0),
        (b'a,b\n1,"x\ny"\n2,', 2, 0),
        (b"a,b\r\n1,2\r\n\r\n3,4,5\r\n", 2, 1),
        (b"a\n\n1\n", 2, 0),
    ],
)
def test_a_download_counts_records_not_lines(
    other_server: Server,
    client: NexthinkClient,
    target: Path,
    text: bytes,
    rows: int,
    ragged: int,
) -> None:
    other_server.on("GET", FILE, Storage(text))
    done = client.nql.download("e1", target, url=url_of(other_server))
    assert (done.rows, done.ragged) == (rows, ragged)
    assert target.read_bytes() == text


def test_text_that_is_not_csv_is_refused_where_rows_are_counted(
    other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", FILE, Storage(b'a,b\n1,x"y"\n'))
    with pytest.raises(DataRefusedError, match="row 2"):
        client.nql.download("e1", target, url=url_of(other_server))
    assert not target.exists()
    done = client.nql.download("e1", target, url=url_of(other_server), counted=False)
    assert (done.rows, target.exists()) == (None, True)


def test_a_url_downloads_without_an_export_id(
    server: Server, other_server: Server, client: NexthinkClient, target: Path
) -> None:
    other_server.on("GET", FILE, Storage(TEXT))
    done = client.nql.download(url_of(other_server), target)
    assert (done.rows, done.truncated, server.seen) == (ROWS, None, [])
    other_server.on("GET", FILE, Reply(403))
    with pytest.raises(ResultsExpiredError, match="nxp nql status EXPORT_ID --url"):
        client.nql.download(url_of(other_server), target)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("ftp://host/x?MARK", "redirects to a URL that is not http"),
        ("http://a:b/?MARK", "redirects to a malformed URL"),
    ],
)
def test_a_redirect_to_what_is_no_url_of_http_is_one_line_without_it(
    other_server: Server, client: NexthinkClient, target: Path, location: str, words: str
) -> None:
    other_server.on("GET", FILE, Reply(302, headers={"location": location}))
    with pytest.raises(UnavailableError, match=words) as caught:
        client.nql.download("e1", target, url=url_of(other_server))
    assert "MARK" not in str(caught.value)
