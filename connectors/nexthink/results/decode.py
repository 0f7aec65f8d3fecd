"""Result files decompressed piece by piece while they arrive, and proven to be whole.

Neither zlib nor zstandard complains if a stream stops early or is followed by something else, so
the end of every frame is checked here.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import ClassVar, Final, Generic, Protocol, TypeVar

import zstandard
from isal import igzip_lib, isal_zlib

from connectors.errors import DataRefusedError, IncompleteResultError
from connectors.limits import MB, Limits, read_limits, setting
from connectors.nexthink.models import Compression

# Input taken at once: bounds what is copied after each frame.
PIECE_BYTES: Final = 64 * 1024
# Output of one call of ISA-L.
_MOST_OUTPUT: Final = 1024 * 1024
# zstandard has no limit for the output of a call. Four bytes make a block of 128 KiB at most, so
# this much input bounds it to 32 MiB. With half of it, the calls take a tenth more time.
_ZSTD_SLICE: Final = 1024
# Pieces smaller than this are joined: each costs a few calls later.
_JOINED_BYTES: Final = 256 * 1024

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# Skippable frames are 184D2A50 to 184D2A5F, little endian.
_SKIPPABLE_FIRST_BYTES: Final = range(0x50, 0x60)
_SKIPPABLE_REST: Final = b"\x2a\x4d\x18"
_LONGEST_MAGIC: Final = 4
_FRAMED: Final = frozenset({Compression.GZIP, Compression.ZSTD})

# Makes zlib expect a gzip header and check the trailer; ISA-L takes a quarter of zlib's time.
_GZIP_WBITS: Final = 31


class Decoder(Protocol):
    """Turns the bytes of a file, split anywhere, into its text."""

    @property
    def compression(self) -> Compression:
        """The compression of the file."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the text that the next bytes decode to."""

    def finish(self) -> Iterator[bytes]:
        """Yield what was held back; raise IncompleteResultError if the file has not ended."""


class PlainDecoder:
    """Passes text through."""

    compression = Compression.NONE

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bytes as they are."""
        yield data

    def finish(self) -> Iterator[bytes]:
        """Yield nothing: plain text does not show where it ends."""
        yield from ()


class _Frame(Protocol):
    """The common interface of zlib's and zstandard's decompression objects."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _ZstdFrame(_Frame, Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class _GzipFrame(_Frame, Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


F = TypeVar("F", bound=_Frame)


class _FramedDecoder(ABC, Generic[F]):
    """Decompresses frames that follow each other with nothing between or after them.

    However well a piece was compressed, its text comes in pieces of a few MiB.
    """

    compression: ClassVar[Compression]
    magic_bytes: ClassVar[int]

    def __init__(self) -> None:
        self._frame: F | None = None
        self._head = b""
        self._frames = 0

    @staticmethod
    @abstractmethod
    def is_magic(head: bytes) -> bool:
        """Return whether a frame begins with these bytes."""

    @abstractmethod
    def _open_frame(self) -> F: ...

    @abstractmethod
    def _decompress(self, frame: F, data: bytes) -> Generator[bytes, None, bytes]:
        """Yield the text of a frame's next bytes; return what follows the frame's end."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the text that the next bytes decode to."""
        for start in range(0, len(data), PIECE_BYTES):
            yield from self._feed_piece(data[start : start + PIECE_BYTES])

    def finish(self) -> Iterator[bytes]:
        """Raise IncompleteResultError unless the last frame ends exactly here."""
        if self._frame is not None or (self._head and not self._frames):
            raise IncompleteResultError(
                f"the result file breaks off inside its {self.compression} frame"
            )
        if self._head:
            raise self._trailing()
        yield from ()

    def _feed_piece(self, piece: bytes) -> Iterator[bytes]:
        rest = self._head + piece
        self._head = b""
        while rest:
            if self._frame is None:
                if len(rest) < self.magic_bytes:
                    self._head = rest
                    return
                self._frame = self._begin_frame(rest)
            rest = yield from self._decompress(self._frame, rest)
            if not self._frame.eof:
                return
            self._frame = None
            self._frames += 1

    def _begin_frame(self, rest: bytes) -> F:
        if self.is_magic(rest[: self.magic_bytes]):
            return self._open_frame()
        if self._frames:
            raise self._trailing()
        raise IncompleteResultError(f"the result file is not {self.compression}")

    def _trailing(self) -> IncompleteResultError:
        return IncompleteResultError(
            f"the result file has trailing bytes after its {self.compression} frames"
        )

    def _damaged(self) -> IncompleteResultError:
        return IncompleteResultError(f"the result file is damaged inside its {self.compression}")


class GzipDecoder(_FramedDecoder[_GzipFrame]):
    """Decompresses one or more gzip members; zlib checks their checksums and lengths."""

    compression = Compression.GZIP
    magic_bytes = len(GZIP_MAGIC)

    @staticmethod
    def is_magic(head: bytes) -> bool:
        """Return whether a member begins with these bytes."""
        return head == GZIP_MAGIC

    def _open_frame(self) -> _GzipFrame:
        return isal_zlib.decompressobj(wbits=_GZIP_WBITS)

    def _decompress(self, frame: _GzipFrame, data: bytes) -> Generator[bytes, None, bytes]:
        rest = data
        while True:
            try:
                text = frame.decompress(rest, _MOST_OUTPUT)
            except igzip_lib.IsalError:  # type: ignore[misc] # isal is untyped
                raise self._damaged() from None
            yield text
            rest = frame.unconsumed_tail
            # A full piece may leave more behind, inside the decompressor.
            if frame.eof or not (rest or len(text) == _MOST_OUTPUT):
                return frame.unused_data


class ZstdDecoder(_FramedDecoder[_ZstdFrame]):
    """Decompresses one or more zstd frames, including skippable ones."""

    compression = Compression.ZSTD
    magic_bytes = len(ZSTD_MAGIC)

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__()
        self._window_mb = (limits or read_limits()).max_zstd_window_mb
        self._context = zstandard.ZstdDecompressor(max_window_size=self._window_mb * MB)

    @staticmethod
    def is_magic(head: bytes) -> bool:
        """Return whether a frame begins with these bytes."""
        is_skippable = head[0] in _SKIPPABLE_FIRST_BYTES and head[1:] == _SKIPPABLE_REST
        return head == ZSTD_MAGIC or is_skippable

    def _open_frame(self) -> _ZstdFrame:
        return self._context.decompressobj()

    def _decompress(self, frame: _ZstdFrame, data: bytes) -> Generator[bytes, None, bytes]:
        parts: list[bytes] = []
        size = 0
        for start in range(0, len(data), _ZSTD_SLICE):
            end = start + _ZSTD_SLICE
            text = self._decompress_slice(frame, data[start:end])
            parts.append(text)
            size += len(text)
            if frame.eof or size >= _JOINED_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
            if frame.eof:
                return frame.unused_data + data[end:]
        yield b"".join(parts)
        return b""

    def _decompress_slice(self, frame: _ZstdFrame, data: bytes) -> bytes:
        try:
            return frame.decompress(data)
        except zstandard.ZstdError as fault:
            if "too much memory" in str(fault):
                raise DataRefusedError(
                    f"the result file needs a zstd window of more than {self._window_mb} MiB: "
                    f"raise {setting('max_zstd_window_mb')}; nothing was published"
                ) from None
            raise self._damaged() from None


class SniffingDecoder:
    """Decompresses by the file's first bytes: a tenant may ignore the requested compression.

    The requested compression decides only for a file too short to recognise.
    """

    def __init__(self, asked: Compression | None) -> None:
        self._asked = asked
        self._head = b""
        self._decoder: Decoder | None = None

    @property
    def compression(self) -> Compression:
        """The compression of the file; NONE until its first bytes have arrived."""
        return Compression.NONE if self._decoder is None else self._decoder.compression

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the text that the next bytes decode to."""
        if self._decoder is None:
            self._head += data
            if len(self._head) < _LONGEST_MAGIC:
                return
            self._decoder = _decoder_of(self._head)
            data, self._head = self._head, b""
        yield from self._decoder.feed(data)

    def finish(self) -> Iterator[bytes]:
        """Yield what was held back; raise IncompleteResultError if the file has not ended."""
        if self._decoder is None:
            self._decoder = self._decoder_of_stub()
            yield from self._decoder.feed(self._head)
        yield from self._decoder.finish()

    def _decoder_of_stub(self) -> Decoder:
        stub = self._head
        if not stub and self._asked in _FRAMED:
            raise IncompleteResultError(
                f"the result file is empty, although {self._asked} was requested, and even a "
                "result without rows has a frame: export again, or request compression NONE if "
                "this tenant sends empty results without one"
            )
        if stub and (self._asked is Compression.ZSTD or ZSTD_MAGIC.startswith(stub)):
            return ZstdDecoder()
        if stub and (self._asked is Compression.GZIP or stub.startswith(GZIP_MAGIC[:1])):
            return GzipDecoder()
        return PlainDecoder()


def _decoder_of(head: bytes) -> Decoder:
    if GzipDecoder.is_magic(head[: len(GZIP_MAGIC)]):
        return GzipDecoder()
    if ZstdDecoder.is_magic(head[: len(ZSTD_MAGIC)]):
        return ZstdDecoder()
    return PlainDecoder()
