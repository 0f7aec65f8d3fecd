"""Credentials, tokens and presigned URLs: who may do what, and until when."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from urllib.parse import urlencode

from sandbox.clock import TenantClock
from sandbox.options import Credential, SandboxOptions

SCOPE = "service:integration"
_AMZ_DATE = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token that was issued."""

    text: str
    credential: Credential
    expires: datetime


class TokenIssuer:
    """Knows the credentials, issues tokens and recognises them."""

    def __init__(self, options: SandboxOptions, clock: TenantClock) -> None:
        """Read the credentials from the options."""
        own = Credential(options.client_id, options.client_secret)
        self._credentials = {c.client_id: c for c in (own, *options.credentials)}
        self._ttl = options.token_ttl
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._tokens: dict[str, IssuedToken] = {}

    def credential(self, authorization: str) -> Credential | None:
        """Return the credential of a Basic header, or None if it is unknown."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            pair = base64.b64decode(encoded, validate=True).decode()
        except ValueError:
            return None
        name, _, secret = pair.partition(":")
        known = self._credentials.get(name)
        same = known and hmac.compare_digest(known.client_secret.encode(), secret.encode())
        return known if same else None

    def rotate(self, client_secret: str) -> None:
        """Replace the secret of the tenant's own credential, as an administrator does.

        Tokens issued before are refused from now on.
        """
        (first, *_) = self._credentials
        self._credentials[first] = replace(self._credentials[first], client_secret=client_secret)
        self._tokens.clear()

    def issue(self, credential: Credential) -> IssuedToken:
        """Issue a token."""
        now = self._clock.now()
        expires = now + timedelta(seconds=self._ttl)
        claims = {
            "sub": credential.client_id,
            "scp": [SCOPE],
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": secrets.token_hex(8),
        }
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
        digest = hmac.digest(self._key, signed.encode(), "sha256")
        token = IssuedToken(f"{signed}.{_encoded(digest)}", credential, expires)
        self._tokens = {t: k for t, k in self._tokens.items() if k.expires > now}
        self._tokens[token.text] = token
        return token

    def holder(self, authorization: str) -> Credential | None:
        """Return the credential of a bearer token, or None if it is unknown or expired."""
        scheme, _, text = authorization.partition(" ")
        token = self._tokens.get(text.strip()) if scheme.lower() == "bearer" else None
        if token is None or token.expires <= self._clock.now():
            return None
        return token.credential


def _part(value: object) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Refusal(Enum):
    """Why the results store refuses a presigned URL."""

    UNSIGNED = "Access Denied"
    EXPIRED = "Request has expired"
    MISMATCH = "The request signature we calculated does not match the signature you provided."


class Signer:
    """Signs URLs of result files as S3 does, and checks them."""

    def __init__(self, ttl: float, clock: TenantClock) -> None:
        """Create a key that lives as long as the tenant."""
        self._ttl = ttl
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def sign(self, path: str) -> str:
        """Return the path with a fresh signature."""
        now = self._clock.now()
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"SANDBOX/{now:%Y%m%d}/sandbox-1/s3/aws4_request",
            "X-Amz-Date": now.strftime(_AMZ_DATE),
            # Whole seconds, as in S3; the exact instant is in the token.
            "X-Amz-Expires": str(max(1, round(self._ttl))),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Security-Token": f"{now.timestamp():.6f}-{secrets.token_hex(8)}",
        }
        return f"{path}?{urlencode(query | {'X-Amz-Signature': self._signature(path, query)})}"

    def refusal(self, path: str, query: Mapping[str, str]) -> Refusal | None:
        """Return why a URL is refused, or None if it is valid."""
        signature = query.get("X-Amz-Signature")
        if signature is None:
            return Refusal.UNSIGNED
        rest = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
        if not hmac.compare_digest(signature.encode(), self._signature(path, rest).encode()):
            return Refusal.MISMATCH
        signed = float(query["X-Amz-Security-Token"].partition("-")[0])
        expires = datetime.fromtimestamp(signed, UTC) + timedelta(seconds=self._ttl)
        return Refusal.EXPIRED if self._clock.now() >= expires else None

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        text = f"{path}\n{urlencode(sorted(query.items()))}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
