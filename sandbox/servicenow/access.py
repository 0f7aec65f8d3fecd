"""Access: basic authentication, OAuth tokens and rate limits."""

import base64
import hmac
import math
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.clock import TenantClock
from sandbox.servicenow.options import ServiceNowOptions

SCOPE = "useraccount"
# The refresh tokens of a real instance are valid for a hundred days.
_REFRESH_LIFE = timedelta(days=100)


@dataclass(frozen=True, slots=True)
class Grant:
    """A token that was issued."""

    text: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """The state of a user's rate limit in the current window."""

    limit: int
    resets: int
    # Seconds to wait; None if the request may pass.
    wait: int | None


class Access:
    """Recognises the only account, issues tokens and counts requests."""

    def __init__(self, options: ServiceNowOptions, clock: TenantClock) -> None:
        """Read the credentials from the options."""
        self._options = options
        self._clock = clock
        self._tokens: dict[str, Grant] = {}
        self._refresh: Grant | None = None
        self._counts: Counter[int] = Counter()
        self.rule = secrets.token_hex(16)

    def allows(self, authorization: str) -> bool:
        """Return whether an Authorization header is valid."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() == "basic":
            return self._is_user(*_pair(text))
        if scheme.lower() != "bearer":
            return False
        now = self._clock.now()
        return any(g.text == text.strip() and g.expires > now for g in self._tokens.values())

    def grant(self, form: Mapping[str, str], authorization: str) -> dict[str, object] | None:
        """Return the answer to a token request, or None if it is refused."""
        if not self._is_client(form, authorization):
            return None
        match form.get("grant_type"):
            case "password" if self._is_user(form.get("username", ""), form.get("password", "")):
                return self._granted("user", self._new_refresh())
            case "refresh_token" if self._is_refresh(form.get("refresh_token", "")):
                return self._granted("user", self._refresh)
            case "client_credentials":
                return self._granted("client", None)
        return None

    def quota(self) -> Quota | None:
        """Count a request and return the quota, or None if there is no limit."""
        limit, window = self._options.rate_limit, self._options.rate_window
        if limit is None:
            return None
        now = self._clock.now().timestamp()
        current = math.floor(now / window)
        self._counts = Counter({current: self._counts[current] + 1})
        ends = (current + 1) * window
        wait = max(1, math.ceil(ends - now)) if self._counts[current] > limit else None
        return Quota(limit, math.ceil(ends), wait)

    def _granted(self, whose: str, refresh: Grant | None) -> dict[str, object]:
        now = self._clock.now()
        token = self._tokens.get(whose)
        # While it is valid, the issued token is returned again, with the time that is left.
        if token is None or token.expires <= now:
            life = timedelta(seconds=self._options.token_ttl)
            token = self._tokens[whose] = Grant(secrets.token_urlsafe(48), now + life)
        body: dict[str, object] = {
            "access_token": token.text,
            "scope": SCOPE,
            "token_type": "Bearer",
            "expires_in": int((token.expires - now).total_seconds()),
        }
        if refresh is not None:
            body["refresh_token"] = refresh.text
        return body

    def _new_refresh(self) -> Grant:
        now = self._clock.now()
        if self._refresh is None or self._refresh.expires <= now:
            self._refresh = Grant(secrets.token_urlsafe(48), now + _REFRESH_LIFE)
        return self._refresh

    def _is_refresh(self, text: str) -> bool:
        held = self._refresh
        return held is not None and held.expires > self._clock.now() and _same(text, held.text)

    def _is_client(self, form: Mapping[str, str], authorization: str) -> bool:
        """Return whether the client in the form or the Basic header is valid."""
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() == "basic" and not secret:
            name, secret = _pair(text)
        return _same(name, self._options.client_id) and _same(secret, self._options.client_secret)

    def _is_user(self, name: str, password: str) -> bool:
        return _same(name, self._options.user) and _same(password, self._options.password)


def _pair(encoded: str) -> tuple[str, str]:
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return name, secret


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
