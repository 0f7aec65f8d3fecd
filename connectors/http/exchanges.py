"""Events for metrics, one per HTTP exchange: operation, status, whether it is sent again.

An operation is one of a few names: a path may contain an id, a host the tenant's name.
"""

import re
from dataclasses import dataclass
from typing import Final

import httpx

from connectors.errors import Exchange
from connectors.http.redact import redacted_path, request_id
from connectors.listeners import Listeners

OTHER: Final = "other"
EXECUTE: Final = "nql.execute"
EXPORT: Final = "nql.export"
STATUS: Final = "nql.status"
_OPERATIONS: Final = tuple(
    (re.compile(f"(?:{pattern})$"), name)
    for pattern, name in (
        (r".*/oauth2/.*/token", "token"),
        (r"/api/v\d/nql/execute", EXECUTE),
        (r"/api/v\d/nql/export", EXPORT),
        (r"/api/v\d/nql/status/[^/]+", STATUS),
        (r"/api/v\d/enrichment/data/fields", "enrichment.push"),
        (r"/api/v\d/act/execute", "remote_actions.execute"),
        (r"/api/v\d/act/remote-action(?:/details)?", "remote_actions.list"),
        (r"/api/v\d/workflows/execute", "workflows.trigger"),
        (r"/api/v\d/workflows/workflows/.*/trigger", "workflows.resume"),
        (r"/api/v\d/workflows(?:/details)?", "workflows.list"),
        (r"/api/v\d/euf/campaign/trigger", "campaigns.trigger"),
    )
)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A request that was sent: `status` is None without an answer, `again` if it is sent again."""

    operation: str
    status: int | None
    again: bool = False


_EXCHANGES: Listeners[Exchanged] = Listeners()
tell_exchange = _EXCHANGES.tell
listen = _EXCHANGES.listen


def operation_of(request: httpx.Request) -> str:
    """Return the operation of a request; `other` for what is not the API (files, sources)."""
    path = request.url.path
    return next((name for pattern, name in _OPERATIONS if pattern.match(path)), OTHER)


def exchange_of(request: httpx.Request, response: httpx.Response | None = None) -> Exchange:
    """Return the parts of an exchange that may be shown."""
    path = redacted_path(request.url)
    if response is None:
        return Exchange(request.method, path)
    return Exchange(request.method, path, response.status_code, request_id(response.headers))
