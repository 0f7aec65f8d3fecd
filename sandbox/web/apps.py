"""The three origins of the tenant as applications: API, login, results."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from sandbox.tenant import Tenant
from sandbox.web import nql, results, tokens
from sandbox.web.observing import Observed


def api_app(tenant: Tenant) -> Starlette:
    """Return the API host."""
    return _app(
        tenant,
        "api",
        [
            ("token", "/api/v1/token", tokens.old_token, ["POST"]),
            ("execute", "/api/v1/nql/execute", nql.execute_v1, ["POST"]),
            ("execute", "/api/v2/nql/execute", nql.execute_v2, ["POST"]),
            ("export", "/api/v1/nql/export", nql.export, ["GET", "POST"]),
            ("status", "/api/v1/nql/status/{export_id}", nql.status, ["GET"]),
        ],
    )


def login_app(tenant: Tenant) -> Starlette:
    """Return the login host."""
    return _app(tenant, "login", [("token", "/oauth2/default/v1/token", tokens.token, ["POST"])])


def results_app(tenant: Tenant) -> Starlette:
    """Return the results store."""
    path = "/results/{export_id}/{name}"
    return _app(tenant, "results", [("download", path, results.download, ["GET", "HEAD"])])


def _app(
    tenant: Tenant, origin: str, routes: list[tuple[str, str, nql.Endpoint, list[str]]]
) -> Starlette:
    known = [
        Route(path, endpoint, methods=methods, middleware=[_observed(tenant, name, origin)])
        for name, path, endpoint, methods in routes
    ]
    rest = Route(
        "/{path:path}",
        _nothing,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        middleware=[_observed(tenant, "unknown", origin)],
    )
    app = Starlette(routes=[*known, rest])
    app.state.tenant = tenant
    return app


def _observed(tenant: Tenant, name: str, origin: str) -> Middleware:
    return Middleware(Observed, tenant=tenant, route=name, origin=origin)


async def _nothing(request: Request) -> Response:
    """Answer what no route took: 405 where another method would have done, else 404."""
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            return Response(status_code=405, headers={"allow": ", ".join(sorted(route.methods))})
    return Response(status_code=404)
