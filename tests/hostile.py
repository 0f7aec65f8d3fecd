"""A tenant whose answers never end or unpack without end: streamed, so that it needs no memory."""

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, islice, repeat
from json import dumps
from threading import Thread
from typing import Self

import zstandard

MIB = 2**20
HEADER = b"at,number\n"
ROW = b"2026-11-19 10:00:00,%d\n"
TOKEN = b'{"token_type":"Bearer","expires_in":900,"access_token":"t"'
COMPLETED = '{"status":"COMPLETED","resultsFileUrl":"%s"'

Body = Callable[[], Iterable[bytes]]


class Answer:
    """A body of streamed pieces, sent in chunks, with its headers."""

    def __init__(self, body: Body, **headers: str) -> None:
        self.body = body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HostileTenant:
    """Serves token, export, status and result; any of them may be replaced."""

    def __init__(self, **replaced: Answer) -> None:
        self._replaced = replaced
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                try:
                    owner.answer(self)
                except OSError:
                    self.close_connection = True

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        kind = self._kind(handler.path)
        found = self._replaced.get(kind) or Answer(lambda: [self._usual(kind)])
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("transfer-encoding", "chunked")
        for name, value in found.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        for piece in found.body():
            if piece:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    def replace(self, kind: str, answer: Answer) -> None:
        """Send another answer from now on."""
        self._replaced[kind] = answer

    def _kind(self, path: str) -> str:
        for kind in ("token", "export", "status"):
            if f"/{kind}" in path:
                return kind
        return "result"

    def _usual(self, kind: str) -> bytes:
        status = {"status": "COMPLETED", "resultsFileUrl": f"{self.url}/bucket/file"}
        return {
            "token": TOKEN + b"}",
            "export": b'{"exportId":"e1"}',
            "status": dumps(status).encode(),
            "result": HEADER + ROW % 1,
        }[kind]


def times(piece: bytes, count: int) -> Body:
    """Return a body of one piece, again and again."""
    return lambda: repeat(piece, count)


def then(first: bytes, body: Body) -> Body:
    """Return a body that begins with something else."""
    return lambda: chain([first], body())


def zstd(body: Body, window_log: int | None = None) -> Body:
    """Return a body packed as one zstd frame."""

    def packed() -> Iterator[bytes]:
        parameters = (
            zstandard.ZstdCompressionParameters.from_level(1, window_log=window_log)
            if window_log
            else None
        )
        packer = (
            zstandard.ZstdCompressor(compression_params=parameters)
            if parameters
            else zstandard.ZstdCompressor(level=1)
        ).compressobj()
        yield from map(packer.compress, body())
        yield packer.flush()

    return packed


def gzipped(body: Body) -> Body:
    """Return a body packed as one gzip member."""

    def packed() -> Iterator[bytes]:
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6) as packer:
            for piece in body():
                packer.write(piece)
                yield out.getvalue()
                out.seek(0)
                out.truncate()
        yield out.getvalue()

    return packed


def rows(row: Callable[[int], bytes], count: int, at_once: int = 10_000) -> Body:
    """Return a body of numbered rows."""

    def numbered() -> Iterator[bytes]:
        numbers = iter(range(count))
        while part := list(islice(numbers, at_once)):
            yield b"".join(map(row, part))

    return numbered
