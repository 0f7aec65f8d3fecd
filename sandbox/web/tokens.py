"""The token endpoint, and the older one on the API host."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.access import SCOPE
from sandbox.tenant import Tenant
from sandbox.web.envelopes import NO_STORE, login


async def token(request: Request) -> Response:
    """Answer the client-credentials grant: Basic authentication, the rest in the form body."""
    tenant: Tenant = request.app.state.tenant
    form = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        form = {}
    credential = tenant.gate.credential(request.headers.get("authorization", ""))
    if credential is None:
        return login(401, "invalid_client", "No valid client credentials in the Basic header.")
    grant = form.get("grant_type", [""])[0]
    if not grant:
        message = "The request has no grant_type in its form body."
        return login(400, "invalid_request", message)
    if grant != "client_credentials":
        message = f"The grant type {grant!r} is not supported."
        return login(400, "unsupported_grant_type", message)
    scopes = form.get("scope", [""])[0].split()
    if scopes != [SCOPE]:
        message = "One or more scopes are not configured, or no scope was asked for."
        return login(400, "invalid_scope", message)
    return _granted(tenant, tenant.gate.issue(credential).text)


async def old_token(request: Request) -> Response:
    """Answer the older endpoint: Basic authentication, no body needed."""
    tenant: Tenant = request.app.state.tenant
    credential = tenant.gate.credential(request.headers.get("authorization", ""))
    if credential is None:
        return Response(status_code=401)
    return _granted(tenant, tenant.gate.issue(credential).text)


def _granted(tenant: Tenant, text: str) -> JSONResponse:
    body = {
        "token_type": "Bearer",
        "expires_in": int(tenant.options.token_ttl),
        "access_token": text,
        "scope": SCOPE,
    }
    return JSONResponse(body, headers=NO_STORE)
