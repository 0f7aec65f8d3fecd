"""Results beyond a ceiling: an error that names the setting; what real tenants send passes."""

import gzip
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from connectors.errors import DataRefusedError, UnavailableError
from connectors.limits import GB, MB, Limits
from connectors.nexthink.client import NexthinkClient
from connectors.nexthink.results.ceilings import Ceilings, TooSlowError
from connectors.nexthink.results.decode import SniffingDecoder
from connectors.nexthink.results.result_file import ResultFile
from tests.hostile import Answer, HostileTenant
from tests.unit.connectors.results import FILE, url_of
from tests.unit.connectors.servers import Reply, Server


class Passing:
    """A clock that each chunk advances."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        return self.now

    def chunks(self, size: int, count: int) -> Iterator[bytes]:
        for _ in range(count):
            self.now += self.step
            yield b"x" * size


def test_one_byte_a_minute_is_too_slow() -> None:
    clock = Passing(59)
    with pytest.raises(TooSlowError):
        list(Ceilings(Limits(), clock).timed(clock.chunks(1, 10)))
    assert clock.now < 200


def test_a_pause_between_much_data_is_not_too_slow() -> None:
    clock = Passing(50)
    assert len(list(Ceilings(Limits(), clock).timed(clock.chunks(64 * 1024, 100)))) == 100


def test_the_time_of_the_reader_does_not_count_as_slow() -> None:
    clock = Passing(0.1)
    for _ in Ceilings(Limits(), clock).timed(clock.chunks(200, 100)):
        clock.now += 100


def test_a_download_may_take_only_so_long() -> None:
    clock = Passing(50)
    with pytest.raises(UnavailableError, match="NXP_MAX_DOWNLOAD_MINUTES"):
        list(Ceilings(Limits(), clock).timed(clock.chunks(64 * 1024, 1000)))
    assert clock.now == pytest.approx(6 * 3600, abs=100)


def test_twenty_gigabytes_pass_and_bombs_do_not() -> None:
    ceilings = Ceilings(Limits())
    ceilings.check_text(20 * GB, 1 * GB)
    ceilings.check_text(200 * MB, 1)
    with pytest.raises(DataRefusedError, match="NXP_MAX_RESULT_RATIO"):
        ceilings.check_text(300 * MB, 1 * MB)
    with pytest.raises(DataRefusedError, match="NXP_MAX_RESULT_GB"):
        ceilings.check_text(101 * GB, 50 * GB)


def packed_zeros(pack: str) -> bytes:
    if pack == "gzip":
        return gzip.compress(bytes(8 * MB), 9)
    return zstandard.ZstdCompressor(level=1).compress(bytes(64 * MB))


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_however_packed_text_comes_in_pieces(pack: str) -> None:
    packed = packed_zeros(pack)
    decoder = SniffingDecoder(None)
    assert max(len(piece) for piece in decoder.feed(packed)) <= 33 * MB


def test_the_window_of_zstd_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=24, write_content_size=False
    )
    stream = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    packed = stream.compress(b"a\n") + stream.flush()
    assert b"".join(SniffingDecoder(None).feed(packed)) == b"a\n"
    monkeypatch.setenv("NXP_MAX_ZSTD_WINDOW_MB", "8")
    with pytest.raises(DataRefusedError, match="NXP_MAX_ZSTD_WINDOW_MB"):
        list(SniffingDecoder(None).feed(packed))


def test_a_result_larger_than_allowed_is_refused(
    other_server: Server,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_client: Callable[[], NexthinkClient],
) -> None:
    monkeypatch.setenv("NXP_MAX_RESULT_GB", "0.001")
    other_server.on("GET", FILE, Reply(200, zstandard.compress(b"a\n" * MB)))
    with make_client() as client, pytest.raises(DataRefusedError, match="NXP_MAX_RESULT_GB"):
        client.nql.download("e1", target, url=url_of(other_server))
    assert not target.exists()


def test_a_download_that_drips_ends(
    target: Path, monkeypatch: pytest.MonkeyPatch, make_client: Callable[[], NexthinkClient]
) -> None:
    def drip() -> Iterator[bytes]:
        yield b"a\n"
        while True:
            time.sleep(0.02)
            yield b"1\n"

    monkeypatch.setenv("NXP_MAX_DOWNLOAD_MINUTES", "0.004")
    with (
        HostileTenant(result=Answer(drip)) as tenant,
        make_client() as client,
        pytest.raises(UnavailableError, match="NXP_MAX_DOWNLOAD_MINUTES"),
    ):
        client.nql.download("e1", target, url=f"{tenant.url}/bucket/file")
    assert not target.exists()


BEGINNINGS = {
    "NXP_MAX_HEADER_KB": b"a" * 400_000,
    "NXP_MAX_HEADER_KB ": b'"' + b"a\n" * 200_000 + b'"\n1\n',
    "NXP_MAX_COLUMNS": b",".join(b"c%d" % n for n in range(1_001)) + b"\n1\n",
    "NXP_MAX_CELL_MB": b"a,b\n1," + b"x" * 3 * MB + b"\n",
    "NXP_MAX_RECORD_MB": b"a,b,c,d,e,f\n1" + (b"," + b"x" * 2 * MB) * 5 + b"\n",
    "empty line": b"\n" * 600_000 + b"a,b\n1,2\n",
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_file_beyond_a_ceiling_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(BEGINNINGS[name])
    words = "header|beginning" if name.endswith(" ") else name
    with pytest.raises(DataRefusedError, match=words):
        list(ResultFile(path).frames())


def test_a_stream_beyond_a_ceiling_is_refused() -> None:
    with pytest.raises(DataRefusedError, match="NXP_MAX_HEADER_KB"):
        ResultFile(io.BytesIO(bytes(3 * MB)))


def test_ragged_rows_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" + b"1\n" * 20_000)
    with pytest.raises(DataRefusedError, match="NXP_MAX_REJECTED_MB"):
        list(ResultFile(path, Limits(max_rejected_mb=1)).frames())


def test_what_is_allowed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b",".join(b"c%d" % n for n in range(1_000)) + b"\n" + b"1," * 999 + b"2\n")
    (frame,) = ResultFile(path).frames()
    assert frame.width == 1_000
