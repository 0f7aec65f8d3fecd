"""Reading the body of an answer: unpacked piece by piece, up to a size and for a limited time."""

import time
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import httpx

from connectors.limits import MB, Limits, setting

# The only encoding that is asked for. Others are refused, also where a server sends them unasked.
ACCEPTED_ENCODING: Final = "gzip"
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_PLAIN: Final = frozenset({"", "identity"})
# JSON has at most as many values as these.
_SEPARATORS: Final = (b",", b"[", b"{")
# Makes zlib expect a gzip header and check the trailer.
_GZIP_WBITS: Final = 31


class AnswerRefusedError(httpx.TransportError):
    """An answer that is too large, too slow or wrongly encoded; the text begins with a verb.

    It is not sent again: the next answer would be the same.
    """


def read_answer_body(
    response: httpx.Response,
    limits: Limits,
    monotonic: Callable[[], float] = time.monotonic,
) -> httpx.Response:
    """Return the same answer with its whole body, unpacked; the connection may be used again.

    Raises:
        AnswerRefusedError: a ceiling is reached, or the encoding was not asked for.
        httpx.DecodingError: the encoding is broken.
    """
    most = int(limits.max_answer_mb * MB)
    if response.is_stream_consumed:
        # A transport that is not the network may return an answer that is in memory already.
        return response
    raw = b"".join(_within(response, most, limits.max_answer_seconds, monotonic))
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in _GZIP and raw:
        raw = _gunzipped(raw, most)
    elif encoding not in _PLAIN | _GZIP:
        raise AnswerRefusedError(
            "answers in an encoding that was not asked for: a proxy may have changed the answer"
        )
    if sum(map(raw.count, _SEPARATORS)) > limits.max_answer_values:
        raise AnswerRefusedError(
            f"sends an answer of more than {limits.max_answer_values} values "
            f"({setting('max_answer_values')})"
        )
    return _with_body(response, raw)


def without_body(response: httpx.Response) -> httpx.Response:
    """Return an answer without its body, unread: of a redirect, httpx would read all of it."""
    response.close()
    return _with_body(response, b"")


def _with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    headers = response.headers.copy()
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    # httpx sets the request of an answer that a transport returns.
    return httpx.Response(
        response.status_code, headers=headers, content=body, extensions=response.extensions
    )


def _within(
    response: httpx.Response, most: int, seconds: float, monotonic: Callable[[], float]
) -> Iterator[bytes]:
    deadline = monotonic() + seconds
    size = 0
    for chunk in response.iter_raw():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        if monotonic() > deadline:
            raise AnswerRefusedError(
                f"takes more than {seconds:g} s to send an answer ({setting('max_answer_seconds')})"
            )
        yield chunk


def _gunzipped(raw: bytes, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = raw
    while rest:
        member = zlib.decompressobj(_GZIP_WBITS)
        try:
            part = member.decompress(rest, most + 1 - size)
        except zlib.error as fault:
            raise httpx.DecodingError(str(fault)) from None
        size += len(part)
        if size > most:
            raise _too_large(most)
        if not member.eof:
            raise httpx.DecodingError("the answer breaks off inside its gzip")
        parts.append(part)
        rest = member.unused_data
    return b"".join(parts)


def _too_large(most: int) -> AnswerRefusedError:
    return AnswerRefusedError(
        f"sends an answer of more than {most / MB:g} MiB ({setting('max_answer_mb')})"
    )
