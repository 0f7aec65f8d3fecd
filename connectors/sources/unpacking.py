"""Compressed files, unpacked piece by piece within limits, and proven to be whole."""

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from connectors.errors import DataRefusedError
from connectors.limits import GB, read_limits, setting

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
SUFFIXES: Final = {".gz": GZIP, ".gzip": GZIP, ".zst": ZSTD, ".zstd": ZSTD}
MAGIC: Final = {GZIP: b"\x1f\x8b", ZSTD: b"\x28\xb5\x2f\xfd"}
# Also the first bytes of workbooks.
ZIP: Final = b"PK\x03\x04"
LONGEST_MAGIC: Final = 4
BLOCK_BYTES: Final = 1 << 20
# Below this nothing is too much: a short file of one repeated row does no harm.
HARMLESS_BYTES: Final = 64 << 20


def compression_of(path: str) -> str | None:
    """Return how a file is compressed, by the end of its name."""
    return next((kind for end, kind in SUFFIXES.items() if path.lower().endswith(end)), None)


def unpacked(file: Any, path: str) -> Iterator[bytes]:
    """Yield the content of an open file.

    Raises:
        DataRefusedError: it is damaged, cut, compressed but not named so, or unpacks to too much.
    """
    kind = compression_of(path)
    head = file.read(LONGEST_MAGIC)
    file.seek(0)
    _require(head, kind)
    if kind is None or not head:
        while block := file.read(BLOCK_BYTES):
            yield block
        return
    packed = _Counted(file)
    total, limits = 0, read_limits()
    stream = pa.CompressedInputStream(pa.PythonFile(packed, "r"), kind)
    while block := _next(stream, kind):
        total += len(block)
        if total > limits.max_source_gb * GB:
            raise DataRefusedError(
                f"unpacks to more than {limits.max_source_gb:g} GiB: divide it, or raise "
                f"{setting('max_source_gb')}"
            )
        if total > HARMLESS_BYTES and total > packed.size * limits.max_source_ratio:
            raise DataRefusedError(
                f"unpacks to more than {limits.max_source_ratio:g} times its size: raise "
                f"{setting('max_source_ratio')} if that is right"
            )
        yield block


def _require(head: bytes, kind: str | None) -> None:
    """Require that the first bytes of a file are what its name says."""
    if head.startswith(ZIP):
        raise DataRefusedError("is a ZIP archive or a workbook: save it as CSV")
    found = next((each for each, magic in MAGIC.items() if head.startswith(magic)), None)
    if found and found != kind:
        end = next(end for end, named in SUFFIXES.items() if named == found)
        raise DataRefusedError(f"is compressed with {found}: let its name end in {end}")
    # zstd may also begin with a frame to skip, so only gzip is sure.
    if head and kind == GZIP and found != GZIP:
        raise DataRefusedError("is not compressed with gzip, as its name says: rename it")


def _next(stream: pa.CompressedInputStream, kind: str) -> bytes:
    try:
        block: bytes = stream.read(BLOCK_BYTES)
    except (pa.ArrowException, OSError) as error:
        what = "breaks off" if "runcated" in str(error) else "is damaged"
        raise DataRefusedError(f"{what} inside its {kind}: have it delivered again") from None
    return block


class _Counted:
    """A file whose bytes are counted while it is read."""

    closed = False

    def __init__(self, file: Any) -> None:
        self.size = 0
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        content: bytes = self._file.read(size)
        self.size += len(content)
        return content

    def close(self) -> None:
        """Leave the file open: its opener closes it."""
        self.closed = True
