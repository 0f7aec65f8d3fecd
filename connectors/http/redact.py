"""The parts of an HTTP exchange that may appear in logs and errors: never a query or a header."""

import logging
import re
from typing import Final

import httpx

# The ids that Nexthink, its gateway and S3 add to their answers, best first.
REQUEST_ID_HEADERS: Final = ("x-request-id", "x-trace-id", "x-amz-request-id")

# Some servers echo what they were sent as the id, so only what looks like an id is shown.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}")

# Longer or unusual path segments may be a token, a person's address, or a name.
_SAFE_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]{0,64}")

# httpx logs whole URLs, httpcore the headers of answers: both can contain a signature.
_LOGGERS_OF_URLS: Final = ("httpx",)
_LOGGERS_OF_HEADERS: Final = (
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def redacted_path(url: httpx.URL) -> str:
    """Return the path of a URL, without its query and with unusual segments masked."""
    segments = url.path.split("/")
    return "/".join(part if _SAFE_SEGMENT.fullmatch(part) else "..." for part in segments)


def redacted_url(url: httpx.URL) -> str:
    """Return where a URL points to, without credentials and query."""
    port = "" if url.port is None else f":{url.port}"
    return f"{url.scheme}://{url.host}{port}{redacted_path(url)}"


def request_id(headers: httpx.Headers) -> str | None:
    """Return the server's id of an exchange, which its support can look up."""
    for name in REQUEST_ID_HEADERS:
        value: str = headers.get(name, "")
        if _REQUEST_ID.fullmatch(value):
            return value
    return None


class HideQueries(logging.Filter):
    """Removes the query from the URLs in a record's arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place, and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                redacted_url(value) if isinstance(value, httpx.URL) else value
                for value in record.args
            )
        return True


class HideHeaders(logging.Filter):
    """Removes what a call returned, including headers, from the message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the record in place, and let it pass."""
        if isinstance(record.msg, str):
            record.msg = record.msg.partition(" return_value=")[0]
        return True


_HIDE_QUERIES: Final = HideQueries()
_HIDE_HEADERS: Final = HideHeaders()


def redact_library_logs() -> None:
    """Keep secrets out of the logs of the HTTP libraries; calling it again changes nothing."""
    for name in _LOGGERS_OF_URLS:
        logging.getLogger(name).addFilter(_HIDE_QUERIES)
    for name in _LOGGERS_OF_HEADERS:
        logging.getLogger(name).addFilter(_HIDE_HEADERS)
