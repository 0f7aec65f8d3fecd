"""A webhook on loopback that records what is sent to it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """What was sent to an address, as JSON."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: list[dict[str, Any]] = []

    def await_text(self, part: str, seconds: float = 60) -> str:
        """Wait for a text that contains this part, and return it."""
        return str(until(lambda: next((each for each in self.texts if part in each), ""), seconds))

    @property
    def texts(self) -> list[str]:
        """The texts that were sent."""
        return [each["text"] for each in self.sent]


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """Call `look` until it returns something, and return that."""
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
            webhook.sent.append(json.loads(body))
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
