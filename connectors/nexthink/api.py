"""One authenticated exchange with the tenant's API, and what its failures mean."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from connectors.errors import (
    AccessError,
    DataRefusedError,
    Exchange,
    PipelineError,
    UnavailableError,
)
from connectors.http.client import Gate, unreachable
from connectors.http.exchanges import exchange_of
from connectors.http.policy import SERVER_ERRORS, Retry, limit_reached
from connectors.nexthink.refusal import answered, tenant_code

Answer = TypeVar("Answer", bound=BaseModel)

# Everything that httpx raises; UnicodeError comes from a host name that IDNA cannot encode.
HTTP_FAULTS: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError)

OK: Final = frozenset({200})
# The setting of the API's address, and the request's extension that says how the user wrote it.
API_URL: Final = "NEXTHINK_API_URL"
SETTING: Final = "setting"
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_REQUEST_TIMEOUT: Final = 408
_CLIENT_ERRORS: Final = range(400, 500)


_NOT_ENABLED: Final = "FEATURE_NOT_ENABLED"


class Api:
    """The tenant's API with one credential; every group of operations uses it."""

    def __init__(
        self,
        http: httpx.Client,
        clock: Callable[[], datetime],
        gate: Gate | None = None,
        setting: str = API_URL,
    ) -> None:
        self.http = http
        self.clock = clock
        # How the user has set the API's address; errors name it.
        self.setting = setting
        # How far this machine's clock was ahead of the tenant's at the last answer; None: unknown.
        self.clock_ahead: timedelta | None = None
        self._gate = gate

    def call(
        self,
        method: str,
        path: str,
        *,
        permission: str,
        retry: Retry,
        accepted: frozenset[int] = OK,
        missing: Callable[[Exchange], PipelineError] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and return its answer, whose status is one of `accepted`.

        Args:
            method: HTTP method.
            path: path below the API's origin, with the query; variable parts already quoted.
            permission: the API permission that the credential needs for the call.
            retry: what may be sent again.
            accepted: the statuses that the caller handles itself.
            missing: makes the error for a 404.
            json: the body; bytes are sent as they are.
            headers: additional headers.

        Raises:
            PipelineError: for every other outcome; its kind says what to do.
        """
        given = {"content" if isinstance(json, bytes) else "json": json}
        request = self.http.build_request(
            method,
            path,
            headers=headers,
            extensions={"retry": retry, "gate": self._gate, SETTING: self.setting},
            **given,
        )
        try:
            response = self.http.send(request)
        except HTTP_FAULTS as fault:
            advice = f"check the network or {self.setting}"
            raise unreachable(fault, request, advice=advice) from None
        ahead = clock_ahead(response.headers, self.clock())
        self.clock_ahead = self.clock_ahead if ahead is None else ahead
        if response.status_code in accepted:
            return response
        if response.status_code == _NOT_FOUND and missing is not None:
            raise missing(answered(response, with_code=True))
        raise failure(response, permission=permission, now=self.clock())


def clock_ahead(headers: httpx.Headers, now: datetime) -> timedelta | None:
    """Return how far a clock is ahead of the server's, whole seconds; None if that is not said."""
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return now - theirs.replace(tzinfo=theirs.tzinfo or UTC)


def failure(response: httpx.Response, *, permission: str, now: datetime) -> PipelineError:
    """Return the error that an answer of the API means, for any operation."""
    exchange = answered(response)
    host, status = response.request.url.host, response.status_code
    if limit := limit_reached(response.request, response, now):
        limit.exchange = answered(response, with_code=True)
        return limit
    if status == _UNAUTHORIZED:
        return AccessError(
            "the tenant refuses the token of this credential, even a new one: "
            "check that the credential still exists in Nexthink",
            exchange=exchange,
        )
    if status == _FORBIDDEN:
        return AccessError(
            f"the credential lacks the {permission} permission{_code(response)}: "
            f"tick it on the API credential in Nexthink{_switched_off(response)}",
            exchange=exchange,
        )
    if status in SERVER_ERRORS or status == _REQUEST_TIMEOUT:
        return UnavailableError(
            f"{host} is not working{_code(response)}: try again later",
            exchange=exchange,
        )
    if status in _CLIENT_ERRORS:
        return DataRefusedError(f"{host} refuses the request{_code(response)}", exchange=exchange)
    return UnavailableError(
        f"{host} does not answer as the API does: check {setting_of(response)} and proxies",
        exchange=exchange,
    )


def setting_of(response: httpx.Response) -> str:
    """Return how the user has set the address of the API that has answered."""
    return str(response.request.extensions.get(SETTING, API_URL))


def _switched_off(response: httpx.Response) -> str:
    """Return more advice where the tenant says that it does not have the API at all."""
    if tenant_code(response) != _NOT_ENABLED:
        return ""
    return ", and ask Nexthink to enable the API for this tenant"


def _code(response: httpx.Response) -> str:
    code = tenant_code(response)
    return f" (code {code})" if code else ""


def read_answer(
    model: type[Answer], response: httpx.Response, *, setting: str | None = None
) -> Answer:
    """Return the validated body of an accepted answer; `setting` names the setting of its host.

    Raises:
        UnavailableError: the body is not JSON, so the answer is not the API's.
        DataRefusedError: the body is JSON in another shape: the API has changed.
    """
    try:
        return model.model_validate_json(response.content)
    except ValidationError as fault:
        problems = fault.errors(include_input=False, include_url=False, include_context=False)
    exchange = exchange_of(response.request, response)
    if problems[0]["type"] == "json_invalid":
        raise UnavailableError(
            f"{response.request.url.host} does not answer in JSON: "
            f"a proxy may answer in its place, check {setting or setting_of(response)}",
            exchange=exchange,
        )
    # Only the top field of a path inside the answer may be shown: below it may be column names.
    fields = sorted({str(problem["loc"][0]) for problem in problems if problem["loc"]})
    raise DataRefusedError(
        f"{response.request.url.host} answers in a shape this version does not know"
        f" ({', '.join(fields) or 'as a whole'})",
        exchange=exchange,
    )
