"""A webhook on loopback that keeps what it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """What was told to an address, as JSON."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[dict[str, Any]] = []

    def await_text(self, part: str, seconds: float = 60) -> str:
        """Wait until a text with this in it was told, and give it."""
        return str(until(lambda: next((each for each in self.texts if part in each), ""), seconds))

    @property
    def texts(self) -> list[str]:
        """The texts that were told."""
        return [each["text"] for each in self.told]


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """Look until there is something to see."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.3)
    return found


@contextmanager
def listening() -> Iterator[Webhook]:
    """Serve a webhook for a while."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            webhook.told.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        webhook = Webhook(f"http://127.0.0.1:{server.server_port}/alerts")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield webhook
        finally:
            server.shutdown()
            thread.join()
