"""The NQL routes: execute (two versions), export (two methods) and status."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import polars as pl
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nql.errors import NqlError
from sandbox.engine import PreparedQuery
from sandbox.nql.evaluator import head
from sandbox.rendering import csv_header, csv_rows, style_of, written
from sandbox.tenant import Tenant
from sandbox.web import asking, envelopes
from sandbox.web.admission import admit, answering
from sandbox.web.asking import SavedQueryRequest


@answering(envelopes.nql)
async def execute_v1(request: Request) -> Response:
    """Run a saved query at once; return rows as lists, with a list of headers."""
    return await _execute(request, _shape_v1)


@answering(envelopes.nql)
async def execute_v2(request: Request) -> Response:
    """Run a saved query at once; return rows as objects."""
    return await _execute(request, _shape_v2)


@answering(envelopes.nql)
async def export(request: Request) -> Response:
    """Start an export and return its id."""
    tenant = admit(request, "nql", envelopes.nql)
    if request.method == "GET":
        if not tenant.options.export_get:
            return Response(status_code=405, headers={"allow": "POST"})
        question = asking.question_of_address(request, tenant)
    else:
        question = await asking.question_of_body(request, tenant)
    started = tenant.exports.start(
        question.query_id, question.text, question.parameters, question.compression
    )
    return JSONResponse({"exportId": started.id})


@answering(envelopes.nql)
async def status(request: Request) -> Response:
    """Return the state of an export and, once it is done, a newly signed URL of its file."""
    tenant = admit(request, "nql", envelopes.nql)
    found = tenant.exports.find(request.path_params["export_id"])
    if found is None:
        message = "There is no export with this id."
        return envelopes.nql(404, "", message)
    progress = tenant.exports.progress(found)
    url = None
    if progress.file is not None:
        url = tenant.results_url + tenant.signer.sign(f"/results/{found.id}/{found.file_name}")
    body = {
        "status": progress.status,
        "resultsFileUrl": url,
        "errorDescription": progress.error,
    }
    truncated = progress.file is not None and progress.file.truncated
    return JSONResponse(body, status_code=206 if truncated else 200)


_Shape: TypeAlias = Callable[
    [SavedQueryRequest, PreparedQuery, pl.DataFrame, datetime], dict[str, Any]
]


async def _execute(request: Request, shape: _Shape) -> Response:
    tenant = admit(request, "nql", envelopes.nql)
    kind = asking.accepted_type(request)
    question = await asking.question_of_body(request, tenant)
    in_utc = request.headers.get("x-utc-times", "").strip().lower() == "true"
    return await run_in_threadpool(_run, tenant, question, kind, shape, in_utc)


def _run(
    tenant: Tenant,
    question: SavedQueryRequest,
    kind: str,
    shape: _Shape,
    in_utc: bool,
) -> Response:
    options = tenant.options
    style = style_of(options)
    zone = ZoneInfo(options.time_zone)
    if in_utc:
        style, zone = style.in_utc(), ZoneInfo("UTC")
    now = tenant.clock.now()
    try:
        with tenant.engine.recorded(question.query_id, "execute", now) as run:
            prepared = tenant.engine.prepare(question.text, question.parameters, now)
            rows = pl.concat(head(tenant.engine.rows(prepared), options.execute_row_limit))
            run.rows = rows.height
    except NqlError as error:
        return envelopes.nql_error(options.malformed_status, envelopes.BAD_QUERY, str(error))
    if kind == "text/csv":
        return Response(csv_header(rows) + csv_rows(rows, style), media_type=kind)
    moment = prepared.now.astimezone(zone)
    answer = shape(question, prepared, written(rows, style), moment)
    return JSONResponse(answer if rows.height else _without_rows(answer, options.empty_result))


def _without_rows(answer: dict[str, Any], form: str) -> dict[str, Any]:
    """Return the answer of a result without rows as some tenants are reported to send it."""
    if form in ("null-data", "neither"):
        answer = {**answer, "data": None}
    if form in ("no-rows", "neither"):
        del answer["rows"]
    return answer


def _shape_v1(
    question: SavedQueryRequest, prepared: PreparedQuery, rows: pl.DataFrame, moment: datetime
) -> dict[str, Any]:
    parts = ("year", "month", "day", "hour", "minute", "second")
    return {
        "queryId": question.query_id,
        "executedQuery": prepared.plan.executed,
        "rows": rows.height,
        "executionDateTime": {part: getattr(moment, part) for part in parts},
        "headers": rows.columns,
        "data": [list(row) for row in rows.iter_rows()],
    }


def _shape_v2(
    question: SavedQueryRequest, prepared: PreparedQuery, rows: pl.DataFrame, moment: datetime
) -> dict[str, Any]:
    return {
        "queryId": question.query_id,
        "executedQuery": prepared.plan.executed,
        "rows": rows.height,
        "executionDateTime": moment.strftime("%Y-%m-%dT%H:%M:%S"),
        "data": rows.to_dicts(),
    }
