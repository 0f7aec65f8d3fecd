"""A real S3 service on loopback for tests (moto), with faults that can be switched on.

Requests are answered one at a time, because moto itself does not prevent another write between its
check of a condition and its own write.
"""

import logging
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from werkzeug.serving import WSGIRequestHandler, make_server

SECRET = "loopback-secret-that-no-one-may-read"  # noqa: S105 - of the stand-in
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")

Answer = tuple[str, str]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class ObjectStore:
    """The service. `refuse` returns a request's S3 error, `(status, code)`, or None."""

    url: str = ""
    app: Wsgi | None = None
    refuse: Callable[[str, str], Answer | None] = lambda _method, _path: None
    ignores_conditions: bool = False
    # Carries out a request, then closes the connection without an answer.
    swallow: Callable[[str, str], bool] = lambda _method, _path: False
    requests: list[tuple[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that point a process here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "loopback",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def bucket(self) -> str:
        """Create a new bucket."""
        name = f"lake-{uuid.uuid4().hex[:8]}"
        self.request("PUT", name).raise_for_status()
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys in a bucket by plain HTTP, without the product's code."""
        listed = self.request("GET", bucket, params={"list-type": "2", "prefix": prefix}).text
        return re.findall(r"<Key>([^<]*)</Key>", listed)

    def get(self, bucket: str, key: str) -> bytes:
        """Return an object by plain HTTP."""
        return self.request("GET", f"{bucket}/{key}").raise_for_status().content

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a plain HTTP request; moto wants a signature but does not check it."""
        signed = {"Authorization": "AWS loopback:unread"}
        # The service has no TLS, and reading certificates takes longer than its answers.
        return httpx.request(
            method,
            f"{self.url}/{path}",
            headers=signed,
            trust_env=False,
            verify=False,  # noqa: S501
            **options,
        )

    def __call__(self, environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        if refusal := self.refuse(method, path):
            return _refused(environ, respond, *refusal)
        if self.ignores_conditions:
            for name in CONDITIONS:
                environ.pop(name, None)
        assert self.app is not None
        with self._lock:
            answer = list(self.app(environ, respond))
        if self.swallow(method, path):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer


def _refused(
    environ: dict[str, Any], respond: Callable[..., Any], status: str, code: str
) -> list[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>"
    respond(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body.encode()]


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def running_object_store() -> Iterator[ObjectStore]:
    """Serve on a free port of loopback."""
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - 1 s, for its own tests only
        DomainDispatcherApplication,
        create_backend_app,
    )

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    store = ObjectStore(app=DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=_Quiet)
    store.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
