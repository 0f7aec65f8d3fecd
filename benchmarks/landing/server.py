"""A tenant in miniature over loopback HTTP: token, export, status, and results as S3 serves them.

Usage: python -m benchmarks.landing.server FOLDER [--rate MB/S]. Prints its address and serves until
its input ends. `/files/NAME` is a file in FOLDER (Range, If-Range, ETag), no faster than RATE. An
export of #events_ROWS_zst is the file events_ROWS.csv.zst; one of #windows has a thousand rows of
the requested window, generated on demand.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cyclopts

PIECE = 256 * 1024
RANGE = re.compile(r"bytes=(\d+)-")
WHOLE, PARTIAL, MISSING = 200, 206, 404
WINDOW_ROWS = 1_000


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # Without this, the second part of an answer waits 40 ms for the acknowledgement of the first.
    disable_nagle_algorithm = True
    folder = Path()
    rate: float | None = None
    exports: list[dict[str, str]] = []  # noqa: RUF012 - shared on purpose

    def do_POST(self) -> None:
        """Issue a token, or start an export."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/token"):
            token = {"token_type": "Bearer", "expires_in": 900, "access_token": "benchmark"}
            self._answer(token)
            return
        asked = json.loads(body)
        self.exports.append({"query": asked["queryId"], **asked.get("parameters", {})})
        self._answer({"exportId": str(len(self.exports) - 1)})

    def do_GET(self) -> None:
        """Report that an export is done, or send a result."""
        kind, _, name = self.path.rpartition("/")
        if kind.endswith("/status"):
            asked = self.exports[int(name)]
            query = asked["query"][1:]
            path = f"windows/{name}" if query == "windows" else f"files/{_file(query)}"
            host = self.headers["Host"]
            answer = {"status": "COMPLETED", "resultsFileUrl": f"http://{host}/{path}"}
            self._answer(answer)
        elif kind == "/windows":
            asked = self.exports[int(name)]
            self._send_bytes(_window(asked["from"], asked["to"]))
        else:
            self._send_file(self.folder / name)

    def log_message(self, *_args: object) -> None:
        """Log nothing."""

    def _answer(self, answer: Mapping[str, object]) -> None:
        self._send_bytes(json.dumps(answer).encode(), "application/json")

    def _send_bytes(self, content: bytes, kind: str = "text/csv") -> None:
        self.send_response(WHOLE)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{len(content)}"')
        self.end_headers()
        self.wfile.write(content)

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            self.send_error(MISSING)
            return
        size, tag = path.stat().st_size, f'"{path.stat().st_mtime_ns:x}"'
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.headers.get("If-Range", tag) == tag else 0
        self.send_response(PARTIAL if start else WHOLE)
        self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", tag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        with path.open("rb") as file:
            self._pass(file.fileno(), start, size)

    def _pass(self, file: int, start: int, size: int) -> None:
        began, sent = time.monotonic(), start
        while sent < size:
            sent += os.sendfile(self.connection.fileno(), file, sent, min(PIECE, size - sent))
            if self.rate:
                ahead = (sent - start) / self.rate - (time.monotonic() - began)
                time.sleep(max(0.0, ahead))


def _file(query: str) -> str:
    name, rows, suffix = query.split("_")
    return f"{name}_{rows}.csv.{suffix}".replace(".csv.csv", ".csv")


@cache
def _window(start: str, end: str) -> bytes:
    from benchmarks.landing.data import window

    first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
    return window(first, last, WINDOW_ROWS)


def serve(folder: Path, *, rate: float = 0) -> None:
    """Serve until the standard input ends; RATE is in MB a second, 0 for as fast as possible."""
    Handler.folder = folder
    Handler.rate = rate * 1e6 or None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    cyclopts.run(serve)
