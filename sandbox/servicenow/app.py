"""The Table API over HTTP: lists, single records, tokens."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs, urlencode
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.servicenow import encoded_query
from sandbox.servicenow.instance import ServiceNow
from sandbox.servicenow.rendering import Style, known_paths, render
from sandbox.servicenow.schema import TABLES
from sandbox.servicenow.store import RowPage
from sandbox.tenant import Leak, Tenant
from sandbox.web.observing import Observed

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 10_000
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_NO_RECORD = ("No Record found", "Record doesn't exist or ACL restricts the record retrieval")
_RESTRICTED = ("User Not Authorized", "Failed API level ACL Validation")


class RequestRefused(Exception):  # noqa: N818 - carries an answer, not a failure
    """Raised to answer a request without reading any row."""

    def __init__(self, response: Response) -> None:
        """Keep the answer."""
        self.response = response
        super().__init__(response.status_code)


def servicenow_app(tenant: Tenant) -> Starlette:
    """Return the instance's host."""
    token = _observed(tenant, "servicenow_token")
    routes = [Route("/oauth_token.do", _token, methods=_METHODS, middleware=token)]
    for prefix in ("/api/now/table", "/api/now/{version}/table"):
        for path, answer in ((f"{prefix}/{{table}}", _list), (f"{prefix}/{{table}}/{{id}}", _one)):
            routes.append(
                Route(path, _guarded(answer), methods=_METHODS, middleware=_observed(tenant))
            )
    rest = Route("/{path:path}", _nothing, methods=_METHODS, middleware=_observed(tenant))
    app = Starlette(routes=[*routes, rest])
    app.state.tenant = tenant
    return app


def _observed(tenant: Tenant, route: str = "servicenow") -> list[Middleware]:
    return [Middleware(Observed, tenant=tenant, route=route, origin="servicenow")]


def _failure(
    status: int, message: str, detail: str | None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the error envelope."""
    body = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return JSONResponse(body, status_code=status, headers=headers)


async def _token(request: Request) -> Response:
    """Answer the password, refresh_token and client_credentials grants from a form body."""
    tenant: Tenant = request.app.state.tenant
    text = (await request.body()).decode("utf-8", "replace")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form: dict[str, str] = {}
    if request.method == "POST" and content_type == "application/x-www-form-urlencoded":
        form = {name: values[0] for name, values in parse_qs(text).items()}
    body = tenant.servicenow.access.grant(form, request.headers.get("authorization", ""))
    headers = {"cache-control": "no-store", "pragma": "no-cache"}
    if body is None:
        refused = {"error_description": "access_denied", "error": "server_error"}
        return JSONResponse(refused, status_code=401, headers=headers)
    return JSONResponse(body, headers=headers)


_Answer = Callable[[Request, ServiceNow], Response]


def _guarded(answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    """Check credentials, rate limit and table, then answer from a thread."""

    async def endpoint(request: Request) -> Response:
        tenant: Tenant = request.app.state.tenant
        instance = tenant.servicenow
        headers: dict[str, str] = {}
        _look_for_leaks(request, tenant)
        try:
            _require_reader(request, instance)
            headers = _require_quota(instance)
            _require_table(request, instance)
            response = await run_in_threadpool(answer, request, instance)
        except RequestRefused as refused:
            response = refused.response
        except Exception:
            logger.exception("a request failed")
            response = _failure(500, "Internal server error", None)
        response.headers.update(headers)
        return response

    return endpoint


def _look_for_leaks(request: Request, tenant: Tenant) -> None:
    """Record a leak if a credential of the tenant was sent to this other system."""
    header = request.headers.get("authorization", "")
    if tenant.gate.credential(header):
        tenant.leaks.append(Leak("servicenow", request.url.path, "client secret"))
    if tenant.gate.holder(header):
        tenant.leaks.append(Leak("servicenow", request.url.path, "bearer token"))


def _require_reader(request: Request, instance: ServiceNow) -> None:
    if not instance.access.allows(request.headers.get("authorization", "")):
        headers = {"www-authenticate": 'BASIC realm="Service-now"'}
        message = "User Not Authenticated"
        detail = "Required to provide Auth information"
        raise RequestRefused(_failure(401, message, detail, headers))


def _require_quota(instance: ServiceNow) -> dict[str, str]:
    quota = instance.access.quota()
    if quota is None:
        return {}
    headers = {
        "x-ratelimit-limit": str(quota.limit),
        "x-ratelimit-reset": str(quota.resets),
        "x-ratelimit-rule": instance.access.rule,
    }
    if quota.wait is not None:
        headers["retry-after"] = str(quota.wait)
        detail = f"The limit of {quota.limit} requests is used up."
        raise RequestRefused(_failure(429, "Rate limit exceeded", detail, headers))
    return headers


def _require_table(request: Request, instance: ServiceNow) -> None:
    version = request.path_params.get("version", "v2")
    if version not in ("v1", "v2"):
        raise RequestRefused(_no_resource(request))
    if request.method not in ("GET", "HEAD"):
        detail = "This stand-in for an instance can only be read."
        raise RequestRefused(_failure(405, "Method not supported", detail, {"allow": "GET, HEAD"}))
    table = request.path_params["table"]
    if table in instance.options.denied_tables:
        raise RequestRefused(_failure(403, *_RESTRICTED))
    if table not in TABLES:
        raise RequestRefused(_failure(400, f"Invalid table {table}", None))
    accept = request.headers.get("accept", "*/*")
    if not any(kind in accept for kind in ("application/json", "*/*", "application/*")):
        detail = "This stand-in writes application/json only."
        raise RequestRefused(_failure(406, "Not acceptable", detail))


def _list(request: Request, instance: ServiceNow) -> Response:
    """Answer a query; limit and offset apply before the access rules."""
    asked = request.query_params
    table = request.path_params["table"]
    limit = _number(asked.get("sysparm_limit", ""), DEFAULT_LIMIT, least=1)
    offset = _number(asked.get("sysparm_offset", ""), 0, least=0)
    page = instance.store.find(
        table,
        encoded_query.parse(asked.get("sysparm_query", "")),
        instance.reader(),
        range(offset, offset + limit),
        strict=instance.options.invalid_query_returns_no_rows,
    )
    shown = [not instance.is_hidden(key) for key in page.view.values("sys_id")]
    if not all(shown):
        page.view.rows = page.view.rows.filter(shown)
    response = _written_list(request, instance, page, limit, offset)
    instance.answered(table)
    return response


def _written_list(
    request: Request, instance: ServiceNow, page: RowPage, limit: int, offset: int
) -> Response:
    asked = request.query_params
    table = TABLES[request.path_params["table"]]
    if not page.view.rows.height and request.path_params.get("version") == "v1":
        return _failure(404, *_NO_RECORD)
    paths = known_paths(table, asked.get("sysparm_fields", ""))
    response = JSONResponse({"result": render(page.view, table, paths, _style(request, instance))})
    is_counted = asked.get("sysparm_no_count") != "true"
    if is_counted:
        response.headers["x-total-count"] = str(page.total)
    if asked.get("sysparm_suppress_pagination_header") != "true":
        links = _links(request, instance, page.total, limit, offset, is_counted=is_counted)
        if links:
            response.headers["link"] = links
    return response


def _one(request: Request, instance: ServiceNow) -> Response:
    """Answer a request for one record."""
    table, key = TABLES[request.path_params["table"]], request.path_params["id"]
    view = instance.store.record(table.name, key)
    if view is None or instance.is_hidden(key):
        return _failure(404, *_NO_RECORD)
    paths = known_paths(table, request.query_params.get("sysparm_fields", ""))
    (row,) = render(view, table, paths, _style(request, instance))
    return JSONResponse({"result": row})


def _style(request: Request, instance: ServiceNow) -> Style:
    asked = request.query_params
    display = asked.get("sysparm_display_value", "false").lower()
    version = request.path_params.get("version")
    return Style(
        display=display if display in ("true", "all") else "false",
        with_links=asked.get("sysparm_exclude_reference_link", "false").lower() != "true",
        tables_url=f"{instance.url}/api/now/{version + '/' if version else ''}table",
        zone=ZoneInfo(instance.options.time_zone),
    )


def _links(
    request: Request,
    instance: ServiceNow,
    total: int,
    limit: int,
    offset: int,
    *,
    is_counted: bool,
) -> str:
    """Return the Link header, or an empty text if everything is on one page."""
    if offset == 0 and total <= limit:
        return ""
    offsets = {"first": 0}
    if offset > 0:
        offsets["prev"] = max(0, offset - limit)
    if offset + limit < total:
        offsets["next"] = offset + limit
    if is_counted and total:
        offsets["last"] = (total - 1) // limit * limit
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in ("sysparm_limit", "sysparm_offset")
    ]
    address = f"{instance.url}{request.url.path}"
    return ",".join(
        f"<{address}?{urlencode([*kept, ('sysparm_limit', limit), ('sysparm_offset', at)])}>"
        f';rel="{rel}"'
        for rel, at in offsets.items()
    )


def _number(text: str, default: int, *, least: int) -> int:
    """Return the number in a parameter; an invalid or too small one counts as absent."""
    try:
        number = int(text)
    except ValueError:
        return default
    return number if number >= least else default


async def _nothing(request: Request) -> Response:
    return _no_resource(request)


def _no_resource(request: Request) -> JSONResponse:
    path = request.url.path.removeprefix("/api")
    return _failure(400, f"Requested URI does not represent any resource: {path}", None)
