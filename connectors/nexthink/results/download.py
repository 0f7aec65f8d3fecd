"""The download of one result file: without credentials, resumed where it broke off, complete.

These requests carry no retry policy: the loop in this module is the only one that repeats them.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx

from connectors.errors import IncompleteResultError, UnavailableError
from connectors.http.client import unreachable
from connectors.http.policy import Retry, backoff
from connectors.limits import Limits, read_limits
from connectors.nexthink.api import HTTP_FAULTS
from connectors.nexthink.models import Compression
from connectors.nexthink.results.broken_off import BrokenOffError, cut_short, evidence_of, refusal
from connectors.nexthink.results.ceilings import Ceilings, TooSlowError
from connectors.nexthink.results.completeness import ByteRange, ReceivedBytes
from connectors.nexthink.results.decode import SniffingDecoder
from connectors.nexthink.results.destination import Destination
from connectors.nexthink.results.error_page import (
    LONGEST_BEGINNING,
    begins_a_page,
    page_error,
    visible_text,
)
from connectors.nexthink.results.result_url import AGAIN, url_problem

log = logging.getLogger(__name__)

# Tries in a row without a byte more than earlier tries received. Any progress resets the count:
# a download of hours may break off often.
MAX_STALLS: Final = 5
# Connections that may be too slow, each for a minute, before the download ends.
MAX_SLOW: Final = 2
# S3 redirects once, to the bucket's region; a gateway may add one more.
MAX_REDIRECTS: Final = 5

_OK: Final = 200
_PARTIAL: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416
_LINE_BREAK: Final = re.compile(rb"[\r\n]")
# Encodings of the file itself that storage may declare; any other was added by a proxy.
_OWN_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "zstd", "aws-chunked"})


@dataclass(frozen=True)
class Storage:
    """The HTTP client for object storage, with the clock, sleep and ceilings to use."""

    http: httpx.Client
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    limits: Limits = field(default_factory=read_limits)


class Transfer:
    """The transfer of one result file to a destination."""

    def __init__(
        self,
        storage: Storage,
        file: Destination,
        asked: Compression | None,
        fresh_url: Callable[[], str],
        on_bytes: Callable[[int], None],
    ) -> None:
        self.resumed = 0
        self.restarted = 0
        self.decoder = SniffingDecoder(asked)
        self._storage = storage
        self._file = file
        self._asked = asked
        self._fresh_url = fresh_url
        self._on_bytes = on_bytes
        self._arrived = ReceivedBytes()
        self._etag: str | None = None
        self._last_byte = b""
        # The first line break of the text, with the byte after it.
        self._first_break = b""
        self._ceilings = Ceilings(storage.limits)
        self._unpacked = 0
        # The first text, until it is known whether it begins a page; then None.
        self._beginning: bytes | None = b""

    @property
    def received(self) -> int:
        """The bytes of the file that have arrived."""
        return self._arrived.received

    def run(self, url: str) -> None:
        """Try until the file is complete, or until tries bring nothing new."""
        stalls = furthest = slow = 0
        while True:
            try:
                self._try(url)
                break
            except BrokenOffError as break_off:
                stalls = 1 if self.received > furthest else stalls + 1
                furthest = max(furthest, self.received)
                slow += break_off.is_slow
                if stalls > MAX_STALLS or slow > MAX_SLOW:
                    raise break_off.error from None
                self._ceilings.check_time()
                url = self._recover(break_off, stalls, url)
        for piece in self.decoder.finish():
            self._write(piece)
        self._check_last_record()
        self._file.finish()

    def _check_last_record(self) -> None:
        """Raise if neither a length nor a frame shows the end, and the last record is open."""
        is_proven = self._arrived.total is not None
        is_plain = self.decoder.compression is Compression.NONE
        ends = (b"", b"\r") if self._is_cr_only else (b"", b"\n")
        if is_plain and not is_proven and self._last_byte not in ends:
            raise IncompleteResultError(
                "the result file comes without a length, and its last record does not end, so its "
                "end cannot be proven: request compression ZSTD or GZIP, whose frames show it"
            )

    @property
    def _is_cr_only(self) -> bool:
        """Whether lines end in a carriage return alone, by the first one."""
        return self._first_break.startswith(b"\r") and self._first_break != b"\r\n"

    def _recover(self, break_off: BrokenOffError, stalls: int, url: str) -> str:
        """Prepare the next try, and return its URL."""
        log.info(
            "download broke off after %d bytes (%s), stall %d of %d",
            self.received,
            break_off.error.exchange,
            stalls,
            MAX_STALLS,
        )
        if break_off.is_other_file or self._etag is None:
            self._start_over()
        # An expired URL does not mean trouble: the first new one is tried at once.
        is_mere_expiry = break_off.is_url_refused and stalls == 1
        if not is_mere_expiry:
            self._storage.sleep(max(break_off.wait, backoff(stalls)))
        return self._fresh_url() if break_off.is_url_refused else url

    def _start_over(self) -> None:
        if self.received:
            self.restarted += 1
            self._file.start_over()
            self.decoder = SniffingDecoder(self._asked)
        self._arrived = ReceivedBytes()
        self._etag = None
        self._last_byte = self._first_break = b""
        self._unpacked = 0
        self._beginning = b""

    def _try(self, url: str) -> None:
        """Fetch what is missing.

        Raises:
            BrokenOffError: another try may continue from here.
            PipelineError: another try is pointless.
        """
        request = self._request(url)
        try:
            response = self._storage.http.send(request, stream=True)
            try:
                if self._begin(response):
                    for chunk in self._ceilings.timed(response.iter_raw()):
                        self._take(chunk)
            finally:
                response.close()
        except TooSlowError:
            slow = self._ceilings.too_slow(request.url.host)
            raise BrokenOffError(slow, is_slow=True) from None
        except Retry.READ.faults as fault:
            raise BrokenOffError(unreachable(fault, request)) from None
        except HTTP_FAULTS as fault:
            raise unreachable(fault, request) from None
        self._check_arrived(response)

    def _check_arrived(self, response: httpx.Response) -> None:
        """Raise unless both facts say that the file is complete."""
        arrived = self._arrived
        if arrived.is_beyond:
            raise IncompleteResultError(
                "the result file is longer than announced", exchange=evidence_of(response)
            )
        if not (arrived.is_counted and arrived.is_reached):
            raise BrokenOffError(cut_short(response))

    def _request(self, url: str) -> httpx.Request:
        # We decompress it ourselves. A proxy must not compress it again: lengths would not match.
        headers = {"Accept-Encoding": "identity"}
        if self.received and self._etag:
            headers["Range"] = f"bytes={self.received}-"
            headers["If-Range"] = self._etag
        if problem := url_problem(url):
            raise UnavailableError(f"the tenant sent {problem} for the result file: {AGAIN}")
        return self._storage.http.build_request("GET", url, headers=headers)

    def _take(self, chunk: bytes) -> None:
        self._arrived.received += len(chunk)
        for piece in self.decoder.feed(chunk):
            self._write(piece)
        self._on_bytes(self.received)

    def _write(self, piece: bytes) -> None:
        if self._beginning is not None:
            # With status 200: from a file store in trouble, or a proxy in its place.
            self._beginning += piece[:LONGEST_BEGINNING]
            if begins_a_page(self._beginning):
                raise page_error()
            if visible_text(self._beginning) or len(self._beginning) > LONGEST_BEGINNING:
                self._beginning = None
        self._unpacked += len(piece)
        self._ceilings.check_text(self._unpacked, self.received)
        self._file.write(piece)
        self._last_byte = piece[-1:] or self._last_byte
        if not self._first_break and (found := _LINE_BREAK.search(piece)):
            self._first_break = piece[found.start() : found.start() + 2]
        elif len(self._first_break) == 1:
            self._first_break += piece[:1]

    def _begin(self, response: httpx.Response) -> bool:
        """Prepare for the body of an answer; return False if there is nothing left to read."""
        status = response.status_code
        if status == _OK:
            self._begin_whole(response)
        elif status == _PARTIAL:
            self._begin_rest(response)
        elif status == _RANGE_NOT_SATISFIABLE:
            self._check_nothing_left(response)
            return False
        else:
            raise refusal(response, self._storage.clock())
        return True

    def _begin_whole(self, response: httpx.Response) -> None:
        self._start_over()
        headers = response.headers
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in _OWN_ENCODINGS:
            raise UnavailableError(
                "a proxy re-encodes the result file: let this host pass unchanged",
                exchange=evidence_of(response),
            )
        if headers.get("content-type", "").lower().startswith("text/html"):
            raise page_error(evidence_of(response))
        length = headers.get("content-length")
        if length is None and "chunked" not in headers.get("transfer-encoding", "").lower():
            raise IncompleteResultError(
                "the result file comes without a length, so its end cannot be proven: let this "
                "host pass proxies unchanged, which may remove the length",
                exchange=evidence_of(response),
            )
        self._arrived.begin(ByteRange.of_whole(length))
        etag = headers.get("etag", "")
        # A weak tag does not promise equal bytes, so it cannot protect a resumed download.
        self._etag = etag if etag.startswith('"') else None

    def _begin_rest(self, response: httpx.Response) -> None:
        part = ByteRange.of_range(response.headers.get("content-range", ""))
        is_same_file = response.headers.get("etag") == self._etag
        if part is None or not is_same_file or not self._arrived.continues(part):
            raise BrokenOffError(cut_short(response), is_other_file=True)
        self._arrived.begin(part)
        self.resumed += 1

    def _check_nothing_left(self, response: httpx.Response) -> None:
        part = ByteRange.of_range(response.headers.get("content-range", ""))
        if part is None or not self._arrived.continues(part):
            raise BrokenOffError(cut_short(response), is_other_file=True)
        self._arrived.begin(part)
