"""OAuth2 client credentials of a ServiceNow instance: a token, renewed before it expires."""

import logging
from collections.abc import Callable, Generator
from datetime import datetime, timedelta

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.errors import AccessError, PipelineError, UnavailableError
from connectors.http.client import unreachable
from connectors.http.exchanges import exchange_of
from connectors.http.policy import Retry, limit_reached
from connectors.sources.connection import Connection

log = logging.getLogger(__name__)

TOKEN_PATH = "/oauth_token.do"  # noqa: S105 - a path, not a token
# While a token is valid the instance returns the same one again, with less and less time left.
RENEWAL_MARGIN = timedelta(seconds=60)
RENEWAL_SHARE = 0.2
# Servers accept headers of 8 to 16 KiB.
LONGEST_TOKEN = 16_384
OK = 200
UNAUTHORIZED = 401
REFUSED = frozenset({400, 401, 403})
HTTP_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError)


class _TokenAnswer(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    token_type: str = Field(pattern=r"^(?i:bearer)$")
    # Only what a header can hold: httpx would quote anything else in its error.
    access_token: str = Field(pattern=r"^[\x21-\x7e]+$", max_length=LONGEST_TOKEN, repr=False)
    expires_in: float = Field(ge=0, le=timedelta(days=365).total_seconds())


class InstanceCredentials(httpx.Auth):
    """Adds a bearer token, and requests a new one before it expires or when it is refused.

    Args:
        source: the source's name, for errors.
        connection: holds id and secret of the OAuth client.
        login: client of the instance that has no credential.
        clock: returns the current time.
    """

    def __init__(
        self,
        source: str,
        connection: Connection,
        login: httpx.Client,
        clock: Callable[[], datetime],
    ) -> None:
        self._source = source
        self._connection = connection
        self._login = login
        self._clock = clock
        self._token = ""
        self._renew_at: datetime | None = None

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with a token, and once more with a new one if the token is refused."""
        if self._renew_at is None or self._clock() >= self._renew_at:
            self._renew()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == UNAUTHORIZED:
            self._renew()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _renew(self) -> None:
        asked_at = self._clock()
        response = self._ask()
        try:
            answer = _TokenAnswer.model_validate_json(response.content)
        except ValidationError:
            raise UnavailableError(
                f"source {self._source}: the answer at {TOKEN_PATH} contains no token: check "
                f"{self._connection.variable('url')} and proxies",
                exchange=exchange_of(response.request, response),
            ) from None
        life = timedelta(seconds=answer.expires_in)
        log.info("source %s: got a token, valid for %d s", self._source, life.total_seconds())
        self._token = answer.access_token
        self._renew_at = asked_at + life - min(RENEWAL_MARGIN, life * RENEWAL_SHARE)

    def _ask(self) -> httpx.Response:
        request = self._login.build_request(
            "POST",
            TOKEN_PATH,
            data={
                "grant_type": "client_credentials",
                "client_id": self._connection.client_id,
                "client_secret": self._connection.client_secret.get_secret_value(),
            },
            extensions={"retry": Retry.READ},
        )
        try:
            response = self._login.send(request)
        except HTTP_FAULTS as fault:
            advice = f"check the network and {self._connection.variable('url')}"
            raise unreachable(fault, request, advice=advice) from None
        if response.status_code != OK:
            raise self._refusal(response)
        return response

    def _refusal(self, response: httpx.Response) -> PipelineError:
        exchange = exchange_of(response.request, response)
        if response.status_code in REFUSED:
            return AccessError(
                f"source {self._source}: the instance refuses the OAuth client: check "
                f"{self._connection.variable('client_id')} and _CLIENT_SECRET, and that the "
                "client credentials grant is allowed there",
                exchange=exchange,
            )
        if limit := limit_reached(response.request, response, self._clock()):
            return limit
        return UnavailableError(
            f"source {self._source}: the instance issues no token: try again later",
            exchange=exchange,
        )
