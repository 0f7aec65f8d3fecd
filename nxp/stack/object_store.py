"""An S3 server for the stack: moto's stand-in, with its contents kept in one SQLite file.

moto holds everything in memory. Here an object is saved before its write is answered, and is there
again after a restart. The server checks no credential and also holds everything in memory: use it
for trials on loopback, not for a company's data.
"""

import argparse
import io
import logging
import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import unescape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client

from nxp.processes import LOOPBACK

TABLES = """
CREATE TABLE IF NOT EXISTS buckets (bucket TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT, key TEXT, type TEXT, body BLOB, PRIMARY KEY (bucket, key));
"""
# moto finds the service by the form of a signature, which it does not check.
SIGNED = {"Authorization": "AWS stack:unread"}
MISSING = 404

Respond = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], Respond], Iterable[bytes]]


class KeptStore:
    """A WSGI application in front of moto's: it serves one request at a time and saves changes.

    One at a time because moto does not prevent another write between its check of a condition and
    its own write.
    """

    def __init__(self, app: Wsgi, path: Path) -> None:
        self._app = app
        self._client = Client(app)
        self._lock = threading.Lock()
        path.touch(mode=0o600)
        self._kept = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._kept.execute("PRAGMA journal_mode = WAL")
        self._kept.executescript(TABLES)
        self._load()

    def make_bucket(self, bucket: str) -> None:
        """Create a bucket unless it exists."""
        with self._lock:
            self._client.put(f"/{bucket}", headers=SIGNED)
            self._kept.execute("INSERT OR IGNORE INTO buckets VALUES (?)", (bucket,))

    def __call__(self, environ: dict[str, Any], respond: Respond) -> Iterable[bytes]:
        """Answer one request after saving what it changed."""
        statuses: list[str] = []

        def note(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return respond(status, *rest)

        with self._lock:
            changed = list(_changed(environ))
            answer = list(self._app(environ, note))
            if statuses and statuses[0].startswith("2"):
                for bucket, key in changed:
                    self._keep(environ["REQUEST_METHOD"], bucket, key)
        return answer

    def _load(self) -> None:
        for (bucket,) in self._kept.execute("SELECT bucket FROM buckets").fetchall():
            self._client.put(f"/{bucket}", headers=SIGNED)
        keys = self._kept.execute("SELECT bucket, key FROM objects ORDER BY rowid").fetchall()
        for bucket, key in keys:
            kind, body = self._kept.execute(
                "SELECT type, body FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
            ).fetchone()
            self._client.put(_path(bucket, key), data=body, content_type=kind, headers=SIGNED)

    def _keep(self, method: str, bucket: str, key: str) -> None:
        """Bring the file in line with what moto has now."""
        if not key:
            statement = (
                "DELETE FROM buckets WHERE bucket = ?"
                if method == "DELETE"
                else "INSERT OR IGNORE INTO buckets VALUES (?)"
            )
            self._kept.execute(statement, (bucket,))
            return
        found = self._client.get(_path(bucket, key), headers=SIGNED)
        if found.status_code == MISSING:
            self._kept.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
        else:
            row = (bucket, key, found.content_type, found.data)
            self._kept.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", row)


def _changed(environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield bucket and key of each object that a request may change; a bucket has the key ""."""
    method, query = environ["REQUEST_METHOD"], parse_qs(environ["QUERY_STRING"], True)
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").lstrip("/")
    bucket, _, key = path.partition("/")
    if method == "POST" and "delete" in query:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        for named in re.findall(r"<Key>([^<]*)</Key>", body.decode("utf-8", "replace")):
            yield bucket, unescape(named, {"&quot;": '"', "&apos;": "'"})
        return
    # An upload in parts is not an object until it is completed; bucket properties are not saved.
    whole = not {"partNumber", "uploads"} & query.keys() and (key or not query)
    if method in {"PUT", "POST", "DELETE"} and bucket and whole:
        yield bucket, key


def _path(bucket: str, key: str) -> str:
    return f"/{bucket}/{quote(key)}"


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Log no requests: the names of objects belong to the lake."""


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True, help="where objects are saved")
    parser.add_argument("--bucket", required=True, help="created unless it exists")
    given = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = KeptStore(DomainDispatcherApplication(create_backend_app), given.file)
    store.make_bucket(given.bucket)
    server = make_server(LOOPBACK, given.port, store, threaded=True, request_handler=_Quiet)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
