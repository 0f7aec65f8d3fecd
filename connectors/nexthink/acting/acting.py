"""One request that acts on devices or people, and what is known after it ended.

It is sent again only if it certainly was not done: when no connection was opened, and with a new
token after a 401. After anything else without a clear answer it is unknown whether it was done.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel

from connectors.errors import (
    AccessError,
    ActionRefusedError,
    LimitReachedError,
    NotSentError,
    PipelineError,
    UnavailableError,
    UnknownOutcomeError,
    UsageError,
)
from connectors.http.client import unreachable
from connectors.http.exchanges import exchange_of
from connectors.http.policy import TOO_MANY_REQUESTS, Retry
from connectors.nexthink.api import HTTP_FAULTS, SETTING, Api, failure, read_answer
from connectors.nexthink.refusal import answered, tenant_code

Answer = TypeVar("Answer", bound=BaseModel)

_ACCEPTED: Final = range(200, 300)
_REFUSED: Final = range(400, 500)
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TOO_LARGE: Final = 413
# From a gateway that timed out, waiting either for the request or for the tenant.
_GAVE_UP: Final = frozenset({408, 499})
# Raised before any byte of the request was sent.
_NEVER_SENT: Final[tuple[type[Exception], ...]] = (
    *Retry.NEVER_SENT.faults,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_READ_BACK: Final = "it may have been done: do not send it again, read back what was done"


def act(
    api: Api,
    path: str,
    model: type[Answer],
    *,
    permission: str,
    body: Mapping[str, Any],
    source: str | None = None,
) -> Answer:
    """Send one request that acts, by POST, and return the tenant's answer that accepts it.

    Args:
        api: the tenant's API.
        path: path below the API's origin.
        model: the shape of the answer.
        permission: the API permission that the credential needs for the call.
        body: the request.
        source: who asks; sent as the header Source.

    Raises:
        ActionRefusedError, AccessError: nothing was done; correct the request or the credential.
        LimitReachedError, NotSentError: nothing was done; the request may be sent again.
        UnknownOutcomeError: it may have been done.
    """
    headers = {"Source": source} if source else None
    response = _accepted(api, _request(api, path, body, headers), permission)
    return _read(model, response)


def act_without_answer(
    api: Api,
    path: str,
    *,
    permission: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
) -> None:
    """Send one request that acts and that the tenant accepts without saying anything.

    Args:
        api: the tenant's API.
        path: path below the API's origin.
        permission: the API permission that the credential needs for the call.
        body: the request.
        headers: additional headers.

    Raises:
        PipelineError: as `act`.
    """
    response = _accepted(api, _request(api, path, body, headers), permission)
    if not _is_the_tenants(response):
        raise _unknown(response, f"{response.request.url.host} does not answer as the API does")


def _accepted(api: Api, request: httpx.Request, permission: str) -> httpx.Response:
    response = _sent(api, request)
    if response.status_code in _ACCEPTED:
        return response
    raise _failure(api, response, permission)


def _request(
    api: Api, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None
) -> httpx.Request:
    try:
        return api.http.build_request(
            "POST",
            path,
            json=body,
            headers=headers,
            extensions={"retry": Retry.NEVER_SENT, SETTING: api.setting},
        )
    except UnicodeEncodeError:
        raise UsageError(
            "the request contains half a character (a lone surrogate): nothing was sent"
        ) from None


def _sent(api: Api, request: httpx.Request) -> httpx.Response:
    try:
        return api.http.send(request)
    except (AccessError, LimitReachedError):
        # From the login host: there was no token, or no new one after a 401.
        raise
    except PipelineError as error:
        raise NotSentError(
            f"{error.message}; nothing was sent to the tenant", exchange=error.exchange
        ) from None
    except _NEVER_SENT as fault:
        advice = f"check the network or {api.setting}; nothing was sent to the tenant"
        lost = unreachable(fault, request, advice=advice)
        raise NotSentError(lost.message, exchange=lost.exchange) from None
    except HTTP_FAULTS as fault:
        lost = unreachable(fault, request, advice=_READ_BACK)
        raise UnknownOutcomeError(lost.message, exchange=lost.exchange) from None


def _read(model: type[Answer], response: httpx.Response) -> Answer:
    try:
        return read_answer(model, response)
    except PipelineError as error:
        raise _unknown(response, error.message) from None


def _failure(api: Api, response: httpx.Response, permission: str) -> PipelineError:
    status, host = response.status_code, response.request.url.host
    if status in (TOO_MANY_REQUESTS, _UNAUTHORIZED):
        return failure(response, permission=permission, now=api.clock())
    if status not in _REFUSED or status in _GAVE_UP or not _is_the_tenants(response):
        return _unknown(response, f"{host} does not say whether it was done")
    if status == _FORBIDDEN:
        return failure(response, permission=permission, now=api.clock())
    code = tenant_code(response)
    return ActionRefusedError(
        f"{host} refuses the request{f' (code {code})' if code else ''}: nothing was done",
        code=code,
        exchange=answered(response),
    )


def _is_the_tenants(response: httpx.Response) -> bool:
    """Return whether an answer comes from the tenant, not from a machine in between.

    Such a machine may also replace the tenant's answer, and then the action was done. But it
    refuses a request that is too large before passing it on.
    """
    if not response.content.strip() or response.status_code == _TOO_LARGE:
        return True
    try:
        return isinstance(json.loads(response.content), dict)
    except (ValueError, RecursionError):
        return False


def _unknown(response: httpx.Response, what: str) -> UnavailableError:
    exchange = exchange_of(response.request, response)
    return UnknownOutcomeError(f"{what}; {_READ_BACK}", exchange=exchange)
