"""The results store, an origin of its own like S3: presigned URLs, ranges, XML errors."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sandbox.access import Refusal
from sandbox.exports import FinishedFile
from sandbox.tenant import Tenant
from sandbox.web.envelopes import store

CHUNK = 1024 * 1024

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CODES = {
    Refusal.UNSIGNED: "AccessDenied",
    Refusal.EXPIRED: "AccessDenied",
    Refusal.MISMATCH: "SignatureDoesNotMatch",
}


@dataclass(frozen=True, slots=True)
class _Part:
    """The bytes to send, from the first to the last, inclusive."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


async def download(request: Request) -> Response:
    """Send a result file, or a part of it."""
    tenant: Tenant = request.app.state.tenant
    if "authorization" in request.headers:
        return store(400, "InvalidArgument", "Only one auth mechanism allowed")
    if request.method == "HEAD":
        # The signature covers the method: a URL signed for GET is not valid for HEAD.
        return store(403, "SignatureDoesNotMatch", Refusal.MISMATCH.value)
    refusal = tenant.signer.refusal(request.url.path, request.query_params)
    if refusal is not None:
        return store(403, _CODES[refusal], refusal.value)
    found = tenant.exports.find(request.path_params["export_id"])
    progress = tenant.exports.progress(found) if found else None
    if progress is None or progress.file is None:
        return store(404, "NoSuchKey", "The specified key does not exist.")
    return _send(request, progress.file)


def _send(request: Request, file: FinishedFile) -> Response:
    headers = {
        "etag": file.etag,
        "accept-ranges": "bytes",
        "content-type": "binary/octet-stream",
        "content-length": str(file.size),
    }
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers={"etag": file.etag})
    part, status = _Part(0, file.size - 1), 200
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    # A range of a file that has changed since is answered with the whole file.
    if asked and any(asked.groups()) and request.headers.get("if-range", file.etag) == file.etag:
        chosen = _part(asked[1], asked[2], file.size)
        if chosen is None:
            refused = store(416, "InvalidRange", "The requested range is not satisfiable")
            refused.headers["content-range"] = f"bytes */{file.size}"
            return refused
        part, status = chosen, 206
        headers["content-range"] = f"bytes {part.first}-{part.last}/{file.size}"
        headers["content-length"] = str(part.length)
    return StreamingResponse(_bytes(file, part), status_code=status, headers=headers)


def _part(first: str, last: str, size: int) -> _Part | None:
    """Return the part that a range asks for, or None if it cannot be satisfied."""
    if not first:
        length = min(int(last), size)
        return _Part(size - length, size - 1) if length else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    return _Part(start, end) if start <= end else None


async def _bytes(file: FinishedFile, part: _Part) -> AsyncIterator[bytes]:
    handle: BinaryIO = await run_in_threadpool(file.path.open, "rb")
    try:
        handle.seek(part.first)
        left = part.length
        while left > 0:
            data = await run_in_threadpool(handle.read, min(CHUNK, left))
            if not data:
                return
            left -= len(data)
            yield data
    finally:
        handle.close()
