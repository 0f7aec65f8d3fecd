"""The tenant's three origins as applications: API, login, results."""

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from sandbox.tenant import Tenant
from sandbox.web import (
    campaigns,
    devices,
    enrichment,
    envelopes,
    nql,
    remote_actions,
    results,
    spark,
    tokens,
    workflows,
)
from sandbox.web.admission import Endpoint
from sandbox.web.envelopes import Envelope
from sandbox.web.faulty import Faulty
from sandbox.web.limited import Limited
from sandbox.web.observing import Observed


@dataclass(frozen=True, slots=True)
class _Entry:
    """One route: `name` is its name in faults and in the count of requests."""

    name: str
    path: str
    endpoint: Endpoint
    envelope: Envelope
    methods: tuple[str, ...] = ("POST",)


_GET = ("GET",)
_DELETIONS = "/api/v1/data-management/device/deletions"
_RESUME = "/api/v1/workflows/workflows/{workflow_uuid}/execution/{execution_uuid}/trigger"

_API = (
    _Entry("token", "/api/v1/token", tokens.old_token, envelopes.login),
    _Entry("execute", "/api/v1/nql/execute", nql.execute_v1, envelopes.nql),
    _Entry("execute", "/api/v2/nql/execute", nql.execute_v2, envelopes.nql),
    _Entry("export", "/api/v1/nql/export", nql.export, envelopes.nql, ("GET", "POST")),
    _Entry("status", "/api/v1/nql/status/{export_id}", nql.status, envelopes.nql, _GET),
    _Entry("enrich", "/api/v1/enrichment/data/fields", enrichment.enrich, envelopes.enrichment),
    _Entry("act", "/api/v1/act/execute", remote_actions.execute, envelopes.remote_actions),
    _Entry(
        "list",
        "/api/v1/act/remote-action",
        remote_actions.listing,
        envelopes.remote_actions,
        _GET,
    ),
    _Entry(
        "list",
        "/api/v1/act/remote-action/details",
        remote_actions.details,
        envelopes.remote_actions,
        _GET,
    ),
    _Entry("act", "/api/v1/workflows/execute", workflows.execute_v1, envelopes.workflows),
    _Entry("act", "/api/v2/workflows/execute", workflows.execute_v2, envelopes.workflows),
    _Entry("act", _RESUME, workflows.trigger, envelopes.workflows),
    _Entry("list", "/api/v1/workflows", workflows.listing, envelopes.workflows, _GET),
    _Entry("list", "/api/v1/workflows/details", workflows.details, envelopes.workflows, _GET),
    _Entry("act", "/api/v1/euf/campaign/trigger", campaigns.trigger, envelopes.campaigns),
    _Entry("act", _DELETIONS, devices.delete, envelopes.devices),
    _Entry("act", "/api/v1/spark/handoff", spark.handoff, envelopes.spark),
)
_LOGIN = (_Entry("token", "/oauth2/default/v1/token", tokens.token, envelopes.login),)
_RESULTS = (
    _Entry(
        "download",
        "/results/{export_id}/{name}",
        results.download,
        envelopes.store,
        ("GET", "HEAD"),
    ),
)


def api_app(tenant: Tenant) -> Starlette:
    """Return the API host."""
    return _app(tenant, "api", _API)


def login_app(tenant: Tenant) -> Starlette:
    """Return the login host."""
    return _app(tenant, "login", _LOGIN)


def results_app(tenant: Tenant) -> Starlette:
    """Return the results store."""
    return _app(tenant, "results", _RESULTS)


def _app(tenant: Tenant, origin: str, entries: tuple[_Entry, ...]) -> Starlette:
    def observed(name: str) -> Middleware:
        return Middleware(Observed, tenant=tenant, route=name, origin=origin)

    known = [
        Route(
            entry.path,
            entry.endpoint,
            methods=list(entry.methods),
            middleware=[
                observed(entry.name),
                Middleware(Faulty, tenant=tenant, route=entry.name, envelope=entry.envelope),
                Middleware(Limited, tenant=tenant, route=entry.name, envelope=entry.envelope),
            ],
        )
        for entry in entries
    ]
    rest = Route(
        "/{path:path}",
        _nothing,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        middleware=[observed("unknown")],
    )
    app = Starlette(routes=[*known, rest])
    app.state.tenant = tenant
    return app


async def _nothing(request: Request) -> Response:
    """Answer a request without a route: 405 if the path has another method, otherwise 404."""
    for route in request.app.routes:
        match, _ = route.matches(request.scope)
        if match is Match.PARTIAL:
            return Response(status_code=405, headers={"allow": ", ".join(sorted(route.methods))})
    return Response(status_code=404)
