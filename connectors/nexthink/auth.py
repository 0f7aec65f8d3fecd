"""The tenant's bearer token: taken from the login host, renewed in time, sent only to the API."""

import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.errors import AccessError, CredentialRefusedError, PipelineError, UnavailableError
from connectors.http.client import unreachable
from connectors.http.exchanges import exchange_of
from connectors.http.policy import SERVER_ERRORS, Retry, limit_reached
from connectors.nexthink.api import HTTP_FAULTS, read_answer
from connectors.nexthink.refusal import answered

log = logging.getLogger(__name__)

TOKEN_PATH: Final = "/oauth2/default/v1/token"  # noqa: S105 - a path, not a token

# Renewed before it expires, so that a request in flight does not outlive its token; for tokens that
# live a few seconds the margin is a share of their life.
RENEWAL_MARGIN: Final = timedelta(seconds=60)
RENEWAL_SHARE: Final = 0.2
# Servers accept headers of 8 to 16 KiB.
LONGEST_TOKEN: Final = 16_384

_OK: Final = 200
_REFUSED: Final = frozenset({400, 401, 403})
_UNAUTHORIZED: Final = 401


class TokenSettings(Protocol):
    """What the client needs to know about a tenant."""

    @property
    def name(self) -> str:
        """The name under which ledger and lake store its data."""

    @property
    def api_url(self) -> str:
        """Origin of the API, without path."""

    @property
    def login_url(self) -> str:
        """Origin of the login host, without path."""

    @property
    def client_id(self) -> str:
        """Id of the API credential."""

    @property
    def client_secret(self) -> SecretStr:
        """Secret of the API credential."""

    @property
    def scope(self) -> str:
        """OAuth scope to ask for."""

    @property
    def time_zone(self) -> str:
        """Zone in which the tenant reads and writes date-times."""


class _TokenAnswer(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    token_type: str = Field(pattern=r"^(?i:bearer)$")
    # Only what a header can hold: httpx would quote anything else in its error.
    access_token: str = Field(pattern=r"^[\x21-\x7e]+$", max_length=LONGEST_TOKEN, repr=False)
    expires_in: float = Field(gt=0, le=timedelta(days=365).total_seconds())


@dataclass(frozen=True)
class Token:
    """A bearer token and the time from which a new one is requested."""

    value: str = field(repr=False)
    renew_at: datetime


class ClientCredentials(httpx.Auth):
    """OAuth client credentials; one instance serves all threads of a client.

    Times come from the injected wall clock, since the monotonic clock stops while a laptop
    sleeps. A wall clock that jumps costs at most one 401, which renews the token anyway.
    """

    def __init__(
        self,
        tenant: TokenSettings,
        login: httpx.Client,
        clock: Callable[[], datetime],
        reread: Callable[[], TokenSettings] | None = None,
    ) -> None:
        self._tenant = tenant
        self._reread = reread
        self._login = login
        self._clock = clock
        self._origin = _origin(httpx.URL(tenant.api_url))
        self._lock = threading.Lock()
        self._token: Token | None = None

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with a token, and once more with a new one if the token is refused."""
        if _origin(request.url) != self._origin:
            raise AccessError(
                f"{request.url.host} is not the tenant's API, so the token is not sent to it",
                exchange=exchange_of(request),
            )
        token = self.token()
        request.headers["Authorization"] = f"Bearer {token.value}"
        response = yield request
        if response.status_code == _UNAUTHORIZED:
            log.info("%s, requesting a new token", exchange_of(request, response))
            token = self.token(refused=token)
            request.headers["Authorization"] = f"Bearer {token.value}"
            yield request

    def token(self, *, refused: Token | None = None) -> Token:
        """Return a valid token other than the refused one, requesting a new one if necessary."""
        # Threads wait here while one renews, and then use its token.
        with self._lock:
            known = self._token
            if known is None or known is refused or self._clock() >= known.renew_at:
                self._token = known = self._take_token()
            return known

    def renew(self) -> None:
        """Request a new token, regardless of the age of the known one."""
        with self._lock:
            self._token = self._take_token()

    def _take_token(self) -> Token:
        if self._reread and self._token:
            # The credential may have changed since the last token.
            self._tenant = self._reread()
        # The life counts from before the request: how long the answer took is unknown.
        asked_at = self._clock()
        answer = read_answer(_TokenAnswer, self._ask(), setting=self._named("login_url"))
        life = timedelta(seconds=answer.expires_in)
        log.info("got a token for %s, valid for %d s", self._tenant.name, life.total_seconds())
        return Token(
            answer.access_token,
            renew_at=asked_at + life - min(RENEWAL_MARGIN, life * RENEWAL_SHARE),
        )

    def _ask(self) -> httpx.Response:
        request = self._login.build_request(
            "POST",
            TOKEN_PATH,
            data={"grant_type": "client_credentials", "scope": self._tenant.scope},
            extensions={"retry": Retry.READ},
        )
        secret = self._tenant.client_secret.get_secret_value()
        try:
            response = self._login.send(
                request, auth=httpx.BasicAuth(self._tenant.client_id, secret)
            )
        except HTTP_FAULTS as fault:
            advice = f"check the network or {self._named('login_url')}"
            raise unreachable(fault, request, advice=advice) from None
        if response.status_code != _OK:
            raise self._refusal(response)
        return response

    def _named(self, *fields: str) -> str:
        return named(self._tenant, *fields)

    def _refusal(self, response: httpx.Response) -> PipelineError:
        exchange = answered(response, with_code=True)
        host = response.request.url.host
        if response.status_code in _REFUSED:
            return CredentialRefusedError(
                f"{host} refuses the credential: check {self._named('client_id', 'client_secret')}"
                f", and {self._named('scope')} if set",
                exchange=exchange,
            )
        if limit := limit_reached(response.request, response, self._clock()):
            return limit
        advice = "try again later"
        if response.status_code not in SERVER_ERRORS:
            advice = f"check {self._named('instance', 'region', 'login_url')}"
        return UnavailableError(f"{host} issues no token: {advice}", exchange=exchange)


def named(tenant: TokenSettings, *fields: str) -> str:
    """Return how the user has set these fields; not every tenant comes from settings."""
    own = getattr(tenant, "named", None)
    return own(*fields) if own else " and ".join(f"NEXTHINK_{field.upper()}" for field in fields)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    # httpx drops the scheme's default port, so equal origins compare equal.
    return url.scheme, url.host, url.port
