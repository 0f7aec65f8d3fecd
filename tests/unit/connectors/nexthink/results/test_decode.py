"""Decompression: any split gives the same text; any missing or foreign byte is detected."""

import gzip
import random
import struct
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import DataRefusedError, IncompleteResultError
from connectors.nexthink import Compression
from connectors.nexthink.results.decode import (
    GzipDecoder,
    PlainDecoder,
    SniffingDecoder,
    ZstdDecoder,
)

Pack = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def zstd_streamed(data: bytes) -> bytes:
    """Compress without a length in the header, like a writer that does not know it."""
    stream = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return stream.compress(data) + stream.flush()


def skippable(data: bytes, kind: int = 0) -> bytes:
    return struct.pack("<II", 0x184D2A50 + kind, len(data)) + data


PACKERS: list[Pack] = [gzip.compress, zstd, zstd_streamed]
ASKED = [None, *Compression]


def decode(chunks: Iterable[bytes], asked: Compression | None = None) -> tuple[bytes, Compression]:
    decoder = SniffingDecoder(asked)
    text = b"".join(piece for chunk in chunks for piece in decoder.feed(chunk))
    return text + b"".join(decoder.finish()), decoder.compression


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@given(
    st.sampled_from(PACKERS),
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.lists(st.integers(min_value=0), max_size=12),
    st.sampled_from(ASKED),
)
def test_any_split_of_any_frames_gives_the_text(
    pack: Pack, texts: list[bytes], cuts: list[int], asked: Compression | None
) -> None:
    packed = b"".join(pack(text) for text in texts)
    expected = Compression.GZIP if pack is gzip.compress else Compression.ZSTD
    assert decode(split(packed, cuts), asked) == (b"".join(texts), expected)


@given(st.binary(max_size=200), st.lists(st.integers(min_value=0), max_size=9))
def test_text_passes_through_whatever_was_asked_for(tail: bytes, cuts: list[int]) -> None:
    text = b"device.name," + tail
    for asked in ASKED:
        assert decode(split(text, cuts), asked) == (text, Compression.NONE)


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("texts", [[b""], [b"a,b\n1,2\n"], [b"a,b\n" * 50, b"", b"1,2\n" * 90]])
def test_every_missing_byte_is_noticed(pack: Pack, texts: list[bytes]) -> None:
    frames = [pack(text) for text in texts]
    packed = b"".join(frames)
    # A cut between two frames cannot be detected here: only the file's length shows it.
    ends = {len(b"".join(frames[:count])) for count in range(len(frames) + 1)}
    asked = Compression.GZIP if pack is gzip.compress else Compression.ZSTD
    for end in range(len(packed)):
        if end in ends:
            continue
        for chunks in ([packed[:end]], split(packed[:end], range(end))):
            with pytest.raises(IncompleteResultError):
                decode(chunks, asked)
            with pytest.raises(IncompleteResultError):
                decode(chunks)


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("tail", [b"\0", b"\n", b"\x28\xb5", b"\x1f", b"junk", b"junk" * 9000])
def test_bytes_after_the_end_are_noticed(pack: Pack, tail: bytes) -> None:
    for chunks in ([pack(b"text") + tail], split(pack(b"text") + tail, range(40))):
        with pytest.raises(IncompleteResultError, match="trailing bytes"):
            decode(chunks)


@given(st.sampled_from([gzip.compress, zstd_streamed]), st.data())
def test_no_flipped_bit_gives_another_text(pack: Pack, data: st.DataObject) -> None:
    text = b"device.name,device.uid\n" + b"laptop,1\n" * 20
    packed = bytearray(pack(text))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found, compression = decode([bytes(packed)])
    except DataRefusedError:
        return
    # Other flags in a header do no harm; with a broken magic number the file counts as plain.
    assert found == text or compression is Compression.NONE


@pytest.mark.parametrize("kind", [0, 7, 15])
def test_skippable_frames_hold_no_text(kind: int) -> None:
    for packed in (
        skippable(b"note", kind) + zstd(b"text"),
        zstd(b"te") + skippable(b"", kind) + zstd(b"xt") + skippable(b"end", kind),
    ):
        assert decode([packed]) == (b"text", Compression.ZSTD)
        assert decode(split(packed, range(99))) == (b"text", Compression.ZSTD)


def test_large_texts_come_in_pieces() -> None:
    text = random.Random(1).randbytes(3_000_000)
    for pack in PACKERS:
        assert decode(split(pack(text), range(0, 3_000_000, 100_001)))[0] == text


def test_a_window_as_large_as_zstd_long_is_read_and_a_larger_one_refused() -> None:
    def pack(window_log: int) -> bytes:
        parameters = zstandard.ZstdCompressionParameters.from_level(
            1, window_log=window_log, write_content_size=False
        )
        stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return stream.compress(b"text") + stream.flush()

    assert decode([pack(27)]) == (b"text", Compression.ZSTD)
    with pytest.raises(DataRefusedError, match="128 MiB") as caught:
        decode([pack(28)])
    assert not isinstance(caught.value, IncompleteResultError)


def test_no_bytes_are_an_empty_text_unless_a_frame_was_asked_for() -> None:
    for framed in (Compression.ZSTD, Compression.GZIP):
        with pytest.raises(IncompleteResultError, match="is empty"):
            decode([], framed)
    for asked in (None, Compression.NONE):
        assert decode([], asked) == (b"", Compression.NONE)
        assert decode([b"", b""], asked) == (b"", Compression.NONE)


def test_a_text_too_short_to_tell_is_a_text() -> None:
    assert decode([b"a"]) == (b"a", Compression.NONE)
    assert decode([b"a\n"], Compression.NONE) == (b"a\n", Compression.NONE)


@pytest.mark.parametrize("decoder", [GzipDecoder(), ZstdDecoder()])
def test_a_decoder_refuses_what_is_not_its_own(decoder: GzipDecoder | ZstdDecoder) -> None:
    with pytest.raises(IncompleteResultError, match="is not"):
        list(decoder.feed(b"plain text"))


def test_plain_text_has_no_end_of_its_own() -> None:
    decoder = PlainDecoder()
    assert [*decoder.feed(b"a"), *decoder.finish()] == [b"a"]
