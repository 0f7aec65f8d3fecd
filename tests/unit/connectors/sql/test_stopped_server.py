"""A PostgreSQL server that stops while a session connects: to be tried again, not a wrong URL."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from connectors.errors import UnavailableError
from connectors.sql.opening import open_database

READY = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"


def refusal(level: str, state: str, text: str) -> bytes:
    """Return the server's message of an error."""
    parts = (f"S{level}", f"V{level}", f"C{state}", f"M{text}", "")
    body = b"".join(part.encode() + b"\0" for part in parts)
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


STOPPING = refusal("FATAL", "57P01", "terminating connection due to administrator command")
# In the server's own language.
STOPPING_THERE = refusal("FATAL", "57P01", "breche Verbindung ab aufgrund von Anweisung")
CANCELLED = refusal("ERROR", "57014", "canceling statement due to statement timeout") + READY[-6:]


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Serve connections that get answers, one after each message, and are closed after the last.

    An answer that is empty leaves the message without one.
    """
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                for answer in request.param:
                    connection.recv(10_000)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    with closing(listening):
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ([b""], "no database answers"),
        ([READY, b""], "no database answers"),
        ([READY, STOPPING], "no database answers"),
        ([READY, STOPPING_THERE], "no database answers"),
        ([READY, CANCELLED], "statement_timeout: raise it"),
    ],
    indirect=["port"],
)
def test_it_is_unavailable(port: int, message: str) -> None:
    # Without encryption and its negotiation, as on a socket.
    database = open_database(f"postgresql://u:secret@127.0.0.1:{port}/x?sslmode=disable")
    with pytest.raises(UnavailableError, match=message) as caught:
        database.begin("t")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
