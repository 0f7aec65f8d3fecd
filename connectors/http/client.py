"""HTTP for all connectors: timeouts, the only retry layer, network errors.

What a service's answers mean is decided in that service's connector.
"""

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, Final, Protocol

import httpx
import tenacity

from connectors.clock import utc_now
from connectors.errors import ConfigurationError, UnavailableError, UnreachableError
from connectors.http.answers import (
    ACCEPTED_ENCODING,
    AnswerRefusedError,
    read_answer_body,
    without_body,
)
from connectors.http.exchanges import OTHER, Exchanged, exchange_of, operation_of, tell_exchange
from connectors.http.policy import (
    CLIENT_ERROR,
    LONGEST_WAIT,
    MAX_ATTEMPTS,
    SERVER_ERRORS,
    TOO_MANY_REQUESTS,
    Retry,
    backoff,
    limit_reached,
    retry_after,
)
from connectors.http.redact import redact_library_logs
from connectors.limits import Limits, read_limits

log = logging.getLogger(__name__)

# The hosts are in well-connected data centres: a connection that takes longer will not come.
CONNECT_SECONDS: Final = 10.0
# A longer silence means a dead connection: execute answers within 5 s, S3 sends without pause.
READ_SECONDS: Final = 60.0
TIMEOUT: Final = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)

# Nothing listens, or nothing lets us through: another request would end in the same way.
_NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)


class Gate(Protocol):
    """What every sending of a request has to pass: set as `extensions={"gate": gate}`."""

    def enter(self, operation: str) -> None:
        """Return once the request may be sent; raise LimitReachedError if that is too far off."""

    def refused(self, operation: str) -> None:
        """Note that the request that has just entered was refused, so it has started nothing."""

    def limited(self, not_before: datetime, operation: str) -> None:
        """Note when a server allows the next try; `operation` is what has reached its limit."""


def unreachable(
    fault: Exception, request: httpx.Request, *, advice: str = "check the network"
) -> UnavailableError:
    """Return the error of a request that got no usable answer; raise it `from None`."""
    host = request.url.host
    refused = isinstance(fault, AnswerRefusedError)
    what = f"{host} {fault}" if refused else f"cannot reach {host}: {_reason(fault)}"
    kind = UnreachableError if isinstance(fault, _NOT_CONNECTED) else UnavailableError
    return kind(f"{what}; {advice}", exchange=exchange_of(request))


def _reason(fault: Exception) -> str:
    """Return the reason in our own words: the fault's text may contain a URL."""
    reasons: tuple[tuple[type[Exception], str], ...] = (
        (socket.gaierror, "DNS does not know the name"),
        (ConnectionRefusedError, "connection refused"),
        (
            ssl.SSLCertVerificationError,
            "its certificate is not trusted (see the system's store, SSL_CERT_FILE)",
        ),
        (httpx.ConnectTimeout, f"no connection within {CONNECT_SECONDS:.0f} s"),
        (httpx.TimeoutException, f"timeout, silent for {READ_SECONDS:.0f} s"),
        (httpx.ProxyError, "the proxy refuses (see HTTPS_PROXY)"),
        (httpx.TooManyRedirects, "too many redirects"),
        (httpx.DecodingError, "the answer's encoding is broken"),
        (httpx.UnsupportedProtocol, "it redirects to a URL that is not http(s)"),
        (httpx.InvalidURL, "it redirects to a malformed URL"),
        (httpx.ConnectError, "no connection"),
    )
    chain = tuple(_causes(fault))
    for kind, reason in reasons:
        if any(isinstance(cause, kind) for cause in chain):
            return reason
    return "the connection was lost"


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__


class RetryTransport(httpx.BaseTransport):
    """Sends requests, and sends them again if their policy allows it.

    The body of an answer to a request with a policy is read here, so that a connection lost inside
    the body counts as a fault too; ceilings keep it small. A request without a policy is sent once,
    and its answer streams.
    """

    def __init__(
        self,
        inner: httpx.BaseTransport,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        limits: Limits | None = None,
    ) -> None:
        self._inner = inner
        self._limits = limits or read_limits()
        self._clock = clock
        self._sleep = sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the first answer that is final."""
        policy = request.extensions.get("retry")
        if not isinstance(policy, Retry):
            response = self._send(request)
            return without_body(response) if response.has_redirect_location else response
        attempts = tenacity.Retrying(
            retry=partial(self._is_worth_another_try, policy),
            wait=self._wait,
            stop=tenacity.stop_after_attempt(MAX_ATTEMPTS),
            sleep=self._sleep,
            before_sleep=partial(_log_retry, request),
            retry_error_callback=_last_outcome,
        )
        return attempts(self._send_and_read, request)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._inner.handle_request(request)
        except httpx.TransportError:
            tell_exchange(Exchanged(operation_of(request), None))
            raise
        tell_exchange(Exchanged(operation_of(request), response.status_code))
        log.debug("%s", exchange_of(request, response))
        return response

    def _send_and_read(self, request: httpx.Request) -> httpx.Response:
        gate: Gate | None = request.extensions.get("gate")
        if gate:
            gate.enter(operation_of(request))
        response = self._send(request)
        try:
            answer = read_answer_body(response, self._limits)
        finally:
            response.close()
        if gate and answer.status_code >= CLIENT_ERROR:
            self._note(gate, request, answer)
        return answer

    def _note(self, gate: Gate, request: httpx.Request, answer: httpx.Response) -> None:
        operation = operation_of(request)
        if answer.status_code < SERVER_ERRORS.start:
            gate.refused(operation)
        limit = limit_reached(request, answer, self._clock())
        if limit and limit.not_before:
            # A server that is busy is so for all operations.
            is_counted = answer.status_code == TOO_MANY_REQUESTS
            gate.limited(limit.not_before, operation if is_counted else OTHER)

    def _is_worth_another_try(self, policy: Retry, state: tenacity.RetryCallState) -> bool:
        fault, response = _outcome(state)
        if response is None:
            is_distrusted = any(isinstance(f, ssl.SSLCertVerificationError) for f in _causes(fault))
            return isinstance(fault, policy.faults) and not is_distrusted
        return (
            response.status_code in policy.statuses and self._asked_wait(response) <= LONGEST_WAIT
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        _, response = _outcome(state)
        asked = self._asked_wait(response).total_seconds() if response is not None else 0.0
        return max(asked, backoff(state.attempt_number))

    def _asked_wait(self, response: httpx.Response) -> timedelta:
        now = self._clock()
        return (retry_after(response.headers, now) or now) - now


def _outcome(
    state: tenacity.RetryCallState,
) -> tuple[BaseException | None, httpx.Response | None]:
    if state.outcome is None:
        return None, None
    fault = state.outcome.exception()
    return fault, None if fault else state.outcome.result()


def _last_outcome(state: tenacity.RetryCallState) -> Any:
    return state.outcome and state.outcome.result()


def _log_retry(request: httpx.Request, state: tenacity.RetryCallState) -> None:
    fault, response = _outcome(state)
    status = response.status_code if response is not None else None
    tell_exchange(Exchanged(operation_of(request), status, again=True))
    log.info(
        "%s (%s), attempt %d of %d, next in %.1f s",
        exchange_of(request, response),
        "answered" if fault is None else type(fault).__name__,
        state.attempt_number,
        MAX_ATTEMPTS,
        state.upcoming_sleep,
    )


@cache
def _version() -> str:
    """Return the program's version; reading it parses the installed package's whole metadata."""
    return version("nexthink-pipelines")


def build_client(
    transport: httpx.BaseTransport,
    *,
    origin: str = "",
    auth: httpx.Auth | None = None,
    max_redirects: int = 0,
) -> httpx.Client:
    """Return a client with our timeouts that keeps no cookies and follows 0 redirects or more.

    Raises:
        ConfigurationError: the origin is not a URL.
    """
    redact_library_logs()
    try:
        return httpx.Client(
            base_url=origin,
            transport=transport,
            # An Auth that adds nothing: without it httpx would send credentials contained in a URL.
            auth=auth or httpx.Auth(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={
                "User-Agent": f"nexthink-pipelines/{_version()}",
                "Accept-Encoding": ACCEPTED_ENCODING,
            },
            timeout=TIMEOUT,
            follow_redirects=max_redirects > 0,
            max_redirects=max_redirects or 1,
        )
    except httpx.InvalidURL:
        raise ConfigurationError("NEXTHINK_API_URL or NEXTHINK_LOGIN_URL is not a URL") from None
