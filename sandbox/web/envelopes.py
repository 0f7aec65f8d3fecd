"""How each API of the tenant answers a refusal: its status, its code and its message.

The APIs differ: `{message, code, source}` with a number, `{code, message}`, `{code, details}`,
`{message}` alone, and for some statuses an empty body. Where the specification has no body,
none is sent.
"""

from collections.abc import Callable
from typing import TypeAlias
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response

# Turns a status, a code (empty for the API's default) and a message into an answer.
Envelope: TypeAlias = Callable[[int, str, str], Response]

# A real tenant answers 100 for a missing query; the others are the sandbox's own.
NO_SUCH_QUERY = 100
MALFORMED = 101
MISSING_PARAMETER = 102
BAD_QUERY = 103
NOT_ALLOWED = 110
INTERNAL = 120

_NQL_CODES = {400: MALFORMED, 403: NOT_ALLOWED, 404: NO_SUCH_QUERY, 406: MALFORMED}

# Guesses: of a real tenant's codes only INVALID_CAMPAIGN_TRIGGER_TYPE has been seen.
_WORDS = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
}
_STORE_CODES = {
    400: "InvalidRequest",
    401: "AccessDenied",
    403: "AccessDenied",
    404: "NoSuchKey",
    429: "SlowDown",
    500: "InternalError",
    502: "InternalError",
    503: "SlowDown",
}
_LOGIN_CODES = {
    400: "invalid_request",
    401: "invalid_client",
    403: "access_denied",
    404: "not_found",
    429: "too_many_requests",
    500: "server_error",
    502: "server_error",
    503: "temporarily_unavailable",
}
NO_STORE = {"cache-control": "no-cache, no-store", "pragma": "no-cache"}


def nql(status: int, code: str, message: str) -> Response:
    """Return a refusal of the NQL API."""
    if status in (401, 429, 502, 503):
        return Response(status_code=status)
    return nql_error(status, int(code) if code else _NQL_CODES.get(status, INTERNAL), message)


def nql_error(status: int, code: int, message: str) -> JSONResponse:
    """Return a refusal of the NQL API with a given code."""
    return JSONResponse({"message": message, "code": code, "source": "nql"}, status_code=status)


def remote_actions(status: int, code: str, message: str) -> Response:
    """Return a refusal of the remote actions API."""
    if status == 401:  # noqa: PLR2004 - an HTTP status
        return Response(status_code=status)
    return JSONResponse({"code": code or _WORDS[status], "message": message}, status_code=status)


def workflows(status: int, code: str, message: str) -> Response:
    """Return a refusal of the workflows API."""
    if status == 401:  # noqa: PLR2004 - an HTTP status
        return Response(status_code=status)
    return JSONResponse({"code": code or _WORDS[status], "details": message}, status_code=status)


def campaigns(status: int, code: str, message: str) -> Response:
    """Return a refusal of the campaigns API: its 401 has a body, its 403 has none."""
    if status == 403:  # noqa: PLR2004 - an HTTP status
        return Response(status_code=status)
    return JSONResponse({"code": code or _WORDS[status], "message": message}, status_code=status)


def devices(status: int, code: str, message: str) -> Response:
    """Return a refusal of the data management API: its 403 says that the tenant lacks it."""
    if status == 401:  # noqa: PLR2004 - an HTTP status
        return Response(status_code=status)
    word = code or ("FEATURE_NOT_ENABLED" if status == 403 else _WORDS[status])  # noqa: PLR2004 - an HTTP status
    return JSONResponse({"code": word, "message": message}, status_code=status)


def spark(status: int, _code: str, message: str) -> Response:
    """Return a refusal of the Spark API, which has no codes, and words for two statuses only."""
    if status in (403, 404):
        return JSONResponse({"message": message}, status_code=status)
    return Response(status_code=status)


def enrichment(status: int, code: str, message: str) -> Response:
    """Return a refusal of a whole enrichment request; single objects have another form."""
    if status == 401:  # noqa: PLR2004 - an HTTP status
        return Response(status_code=status)
    if status == 403:  # noqa: PLR2004 - an HTTP status
        return JSONResponse({"message": message}, status_code=status)
    return JSONResponse({"message": message, "code": code or _WORDS[status]}, status_code=status)


def login(status: int, code: str, message: str) -> Response:
    """Return a refusal of the login host, in OAuth's form."""
    body = {"error": code or _LOGIN_CODES[status], "error_description": message}
    return JSONResponse(body, status_code=status, headers=NO_STORE)


def store(status: int, code: str, message: str) -> Response:
    """Return a refusal of the results store, in S3's form."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code or _STORE_CODES[status]}</Code>"
        f"<Message>{escape(message)}</Message></Error>"
    )
    return Response(body, status_code=status, media_type="application/xml")


def page(*, is_of_store: bool) -> Response:
    """Return a page that says with status 200 that nothing works, as XML from the results store."""
    if is_of_store:
        refused = store(503, "", "Please reduce your request rate.")
        return Response(refused.body, media_type="application/xml")
    text = "<!DOCTYPE html><html><body>Temporarily unavailable</body></html>"
    return Response(text, media_type="text/html")
