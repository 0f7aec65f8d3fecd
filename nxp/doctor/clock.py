"""How far this machine's clock is from a server's, by the Date header of any answer."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from connectors.http.client import build_client
from connectors.http.proxies import SystemProxies
from nxp.doctor.finding import Finding, fail, ok, warn

# The header has whole seconds, and the answer takes time to arrive.
WARN_BEYOND = timedelta(seconds=30)
# Signed addresses and tokens live for some minutes, and this clock decides where windows end.
FAIL_BEYOND = timedelta(minutes=5)
CLOCK_IS_WRONG = 3


def look_at_clock(
    check: str, url: str, *, whose: str, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Compare this machine's clock with a server's; find nothing if that does not answer."""
    theirs = _time_of(url)
    if theirs is None:
        return
    off = clock() - theirs
    seconds = abs(off).total_seconds()
    what = f"this clock is {seconds:.0f} s {'ahead of' if off > timedelta(0) else 'behind'} {whose}"
    do = "set it by NTP: windows and tokens depend on it"
    if abs(off) > FAIL_BEYOND:
        yield fail(check, what, do=do, code=CLOCK_IS_WRONG)
    elif abs(off) > WARN_BEYOND:
        yield warn(check, what, do=do)
    else:
        yield ok(check, f"within {WARN_BEYOND.total_seconds():.0f} s of {whose}")


def _time_of(url: str) -> datetime | None:
    try:
        # Only the headers: a body of any size stays unread.
        with build_client(SystemProxies()) as client, client.stream("GET", url) as response:
            date = response.headers.get("Date", "")
        return parsedate_to_datetime(date).astimezone(UTC)
    except (httpx.HTTPError, ValueError):
        return None
