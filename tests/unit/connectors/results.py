"""Result files to download: their text, compressions, and the URLs that a status returns."""

import gzip
import random
from collections.abc import Callable

import zstandard

from connectors.nexthink import Compression
from tests.unit.connectors.servers import Reply, Seen, Server, json_reply

STATUS = "/api/v1/nql/status/e1"
FILE = "/bucket/e1.csv"
SIGNATURE = "X-Amz-Signature=MARK-signature"


def text_of(size: int) -> bytes:
    """Return CSV that does not compress well, with quotes and newlines in fields."""
    source = random.Random(size)
    row = b'"%s ""x""\n",%d\n'
    rows = (row % (source.randbytes(9).hex().encode(), number) for number in range(size // 30))
    return b"device.name,note\n" + b"".join(rows)


TEXT = text_of(150_000)
ROWS = 150_000 // 30
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
    """Answer every status request with a new URL."""
    given = iter(range(1, 1000))
    return lambda _: completed(url_of(storage, next(given)))
