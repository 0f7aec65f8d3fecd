"""A scripted HTTP server on a real socket, with a tenant and a clock."""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from json import dumps
from socketserver import ThreadingTCPServer
from typing import Any, Self

from pydantic import SecretStr

TOKEN_PATH = "/oauth2/default/v1/token"  # noqa: S105 - a path
SECRET = "MARK-secret-5f1c"  # noqa: S105 - planted
TOKEN = "MARK-token-77ab"  # noqa: S105 - planted
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.now = START
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class FakeTenant:
    """A tenant as settings would describe it."""

    api_url: str
    login_url: str
    name: str = "acme.eu"
    client_id: str = "client-1"
    client_secret: SecretStr = field(default_factory=lambda: SecretStr(SECRET))
    scope: str = "service:integration"
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Seen:
    """A request as the server saw it; header names are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What the server does with a request.

    `cut` sends that many bytes of the body and closes; with `reset` the connection drops at once
    (before the answer, or after `cut` bytes). `framing` is length, chunked or none.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    framing: str = "length"


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, dumps(value).encode(), {"content-type": "application/json", **names})


def token_reply(token: str = TOKEN, expires_in: float = 900) -> Reply:
    return json_reply({"token_type": "Bearer", "expires_in": expires_in, "access_token": token})


Script = Reply | Callable[[Seen], Reply]


class Server:
    """Answers each route from its script: one entry per request, the last one repeatedly."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                owner.answer(self, Seen(self.command, path, query, headers, body))

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.request_queue_size = 64
        self._server.server_bind()
        self._server.server_activate()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def on(self, method: str, path: str, *script: Script) -> None:
        self._scripts[method, path] = list(script)

    def requests(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def answer(self, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        with self._lock:
            self.seen.append(seen)
            script = self._scripts.get((seen.method, seen.path), [Reply(404)])
            entry = script.pop(0) if len(script) > 1 else script[0]
        reply = entry if isinstance(entry, Reply) else entry(seen)
        _send(handler, reply)


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    if reply.reset and reply.cut is None:
        _reset(handler)
        return
    handler.send_response_only(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if reply.framing == "length":
        handler.send_header("content-length", str(len(reply.body)))
    elif reply.framing == "chunked":
        handler.send_header("transfer-encoding", "chunked")
    else:
        handler.close_connection = True
    handler.end_headers()
    body = reply.body[: reply.cut]
    if reply.framing == "chunked":
        body = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        body += b"" if reply.cut is not None else b"0\r\n\r\n"
    handler.wfile.write(body)
    handler.wfile.flush()
    if reply.cut is not None:
        handler.close_connection = True
    if reply.reset:
        _reset(handler)


def _reset(handler: BaseHTTPRequestHandler) -> None:
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


@dataclass
class Storage:
    """Object storage for one file: ranges, ETags, URLs that expire, connections that break.

    `cuts` are the byte positions at which the connection breaks, each once; `urls` is how many
    answers a URL is valid for, None for any number.
    """

    body: bytes
    etag: str | None = '"v1"'
    cuts: list[int] = field(default_factory=list)
    framing: str = "length"
    reset: bool = False
    honours_range: bool = True
    uses_per_url: int | None = None
    uses: dict[str, int] = field(default_factory=dict)

    def __call__(self, seen: Seen) -> Reply:
        self.uses[seen.query] = self.uses.get(seen.query, 0) + 1
        if self.uses_per_url is not None and self.uses[seen.query] > self.uses_per_url:
            return Reply(403, b"<Error>Request has expired MARK-body</Error>")
        headers = {"etag": self.etag} if self.etag else {}
        start = 0
        asked = seen.headers.get("range")
        if asked and self.honours_range and seen.headers.get("if-range") == self.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            span = f"{start}-{len(self.body) - 1}/{len(self.body)}"
            headers["content-range"] = f"bytes {span}"
            if start >= len(self.body):
                return Reply(416, b"", {"content-range": f"bytes */{len(self.body)}"})
        cut = self.cuts.pop(0) if self.cuts else None
        return Reply(
            206 if start else 200,
            self.body[start:],
            headers,
            cut=None if cut is None else max(0, cut - start),
            reset=self.reset and cut is not None,
            framing=self.framing,
        )
