"""The retry policy: what may be sent again, after which pause, and how Retry-After is read."""

import random
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

import httpx

from connectors.errors import LimitReachedError
from connectors.http.exchanges import exchange_of

# Six tries with doubling pauses bridge about 15 s: a fail-over. An outage is up to the scheduler.
MAX_ATTEMPTS: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
# We wait this long if a tenant asks for it; a longer wait would block a worker slot for too long.
LONGEST_WAIT: Final = timedelta(minutes=5)
# A daily limit is over after a day, in any time zone and by any clock. A longer Retry-After is a
# mistake of some machine in between, and could keep us from the tenant for years.
LONGEST_LIMIT: Final = timedelta(hours=25)

CLIENT_ERROR: Final = 400
TOO_MANY_REQUESTS: Final = 429
SERVER_ERRORS: Final = range(500, 600)

# Seven digits are 115 days: a longer number is a date without dashes, a Unix time or garbage.
_SECONDS: Final = re.compile(r"[0-9]{1,7}")

_NEVER_OPENED: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
)
_TRANSIENT: Final = (
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.RemoteProtocolError,
    httpx.ProxyError,
)


class Retry(Enum):
    """What may be sent again: set per request, as `extensions={"retry": Retry.READ}`."""

    READ = "read"  # reads and tokens: repeating is harmless
    # Writes of values: sending the same values twice is harmless too, so this is an alias.
    ALL = READ
    START = "start"  # starts a costly job: only if it certainly did not start
    NEVER_SENT = "never sent"  # acts on devices and people: only if nothing left this machine

    @property
    def faults(self) -> tuple[type[httpx.TransportError], ...]:
        """The failures without answer after which the request may be sent again."""
        return _TRANSIENT if self is Retry.READ else _NEVER_OPENED

    @property
    def statuses(self) -> frozenset[int]:
        """The answers after which the request may be sent again."""
        return _RETRIED_STATUSES[self]


_RETRIED_STATUSES: Final = {
    Retry.READ: frozenset({429, 500, 502, 503, 504}),
    Retry.START: frozenset({429, 503}),
    Retry.NEVER_SENT: frozenset[int](),
}


def backoff(attempt: int) -> float:
    """Return the seconds to pause after a failed attempt: doubling, jittered, capped."""
    longest: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)


def retry_after(headers: httpx.Headers, now: datetime) -> datetime | None:
    """Return when a server allows the next try, from any form of Retry-After; None if unsaid."""
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return now + timedelta(seconds=int(value))
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(value)
            # Without an offset both standards leave the zone open; servers mean UTC.
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def limit_reached(
    request: httpx.Request, response: httpx.Response, now: datetime
) -> LimitReachedError | None:
    """Return the error of an answer that asks to come back later, None for other answers."""
    not_before = retry_after(response.headers, now)
    asks_for_patience = not_before is not None and not_before - now > LONGEST_WAIT
    is_busy = response.status_code in SERVER_ERRORS and asks_for_patience
    if response.status_code != TOO_MANY_REQUESTS and not is_busy:
        return None
    if not_before is not None:
        not_before = min(not_before, now + LONGEST_LIMIT)
    until = "" if not_before is None else f", try again after {not_before:%Y-%m-%d %H:%M:%S} UTC"
    return LimitReachedError(
        f"{request.url.host} has reached a limit{until or ', try again later'}",
        not_before=not_before,
        exchange=exchange_of(request, response),
    )
