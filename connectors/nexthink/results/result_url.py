"""What is wrong with a result's URL, in words without the URL: its query holds a signature."""

import re
from typing import Final

import httpx

_KNOWN: Final = ("https", "http")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]{0,19}):", re.IGNORECASE)
# What to do about a tenant that sends such a URL.
AGAIN: Final = (
    "nothing was fetched; export again, and if it comes again, ask Nexthink's support, or look at "
    "what stands between here and the tenant"
)


def url_problem(url: str) -> str | None:
    """Return what a URL is instead of one of http(s) with a host; None if it is one."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "a malformed URL"
    if parsed.scheme in _KNOWN and parsed.host:
        return None
    found = _SCHEME.match(url)
    if found is None:
        return "a relative URL, without https:// and a host," if url else "an empty URL"
    scheme = found[1].lower()
    if scheme in _KNOWN:
        return "a URL without a host"
    return f"a URL that begins with {scheme}:, not https:,"
