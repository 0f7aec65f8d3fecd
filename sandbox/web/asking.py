"""Reads NQL requests: which saved query, with which parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import from_json
from starlette.requests import Request

from nql.errors import NqlError
from sandbox.rendering import SUFFIXES
from sandbox.tenant import Tenant
from sandbox.web.admission import Refused, json_of
from sandbox.web.envelopes import MALFORMED, MISSING_PARAMETER, NO_SUCH_QUERY, nql_error

QUERY_ID = re.compile(r"#[a-z0-9_]{2,255}")
MAX_QUERY_ID = 255


@dataclass(frozen=True, slots=True)
class SavedQueryRequest:
    """A well-formed request for a saved query."""

    query_id: str
    text: str
    parameters: dict[str, str]
    compression: str = "NONE"


def accepted_type(request: Request) -> str:
    """Return the content type for an answer of execute, or refuse with 406."""
    accept = request.headers.get("accept", "")
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for kind in kinds:
        if kind in ("", "*/*", "application/*", "application/json"):
            return "application/json"
        if kind == "text/csv":
            return kind
    message = "The Accept header is neither application/json nor text/csv."
    raise Refused(nql_error(406, MALFORMED, message))


async def question_of_body(request: Request, tenant: Tenant) -> SavedQueryRequest:
    """Return the request in a body, or refuse: the specification has only a 404 for it."""
    try:
        body = await json_of(request)
    except ValueError as error:
        raise _malformed(tenant, "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise _malformed(tenant, "The body is not a JSON object.")
    return _question(tenant, body)


def question_of_address(request: Request, tenant: Tenant) -> SavedQueryRequest:
    """Return the request in a URL: parameters as one JSON object or one by one."""
    named = dict(request.query_params)
    try:
        parameters = from_json(named.pop("parameters", "{}"), allow_inf_nan=False)
    except ValueError as error:
        raise _malformed(tenant, "parameters is not a JSON object.") from error
    if not isinstance(parameters, dict):
        raise _malformed(tenant, "parameters is not a JSON object.")
    body: dict[str, object] = {
        name: named.pop(name) for name in ("queryId", "compression") if name in named
    }
    return _question(tenant, {**body, "parameters": {**named, **parameters}})


def _question(tenant: Tenant, body: Mapping[str, object]) -> SavedQueryRequest:
    query_id = body.get("queryId")
    if not isinstance(query_id, str) or not QUERY_ID.fullmatch(query_id):
        raise _malformed(tenant, "queryId is missing or is not of the form #name.")
    if len(query_id) > MAX_QUERY_ID:
        raise _malformed(tenant, f"queryId is longer than {MAX_QUERY_ID} characters.")
    given = body.get("parameters")
    parameters = {} if given is None else given
    if not isinstance(parameters, dict) or not _all_text(parameters):
        raise _malformed(tenant, "parameters is not an object of texts.")
    compression = body.get("compression")
    is_known = isinstance(compression, str) and compression in SUFFIXES
    if compression is not None and not is_known:
        raise _malformed(tenant, "compression is not one of ZSTD, GZIP, NONE.")
    text = tenant.queries.text(query_id)
    if text is None:
        message = f"There is no NQL API query with the id {query_id}."
        raise Refused(nql_error(404, NO_SUCH_QUERY, message))
    _require_parameters(tenant, text, parameters)
    return SavedQueryRequest(query_id, text, parameters, str(compression or "NONE"))


def _require_parameters(tenant: Tenant, text: str, parameters: Mapping[str, str]) -> None:
    try:
        missing = tenant.engine.missing_parameters(text, parameters)
    except NqlError:
        # A query that cannot be parsed fails, with its reason, when it is run.
        return
    if missing:
        names = ", ".join(sorted(missing))
        raise Refused(nql_error(404, MISSING_PARAMETER, f"Parameters without a value: {names}."))


def _all_text(parameters: Mapping[object, object]) -> bool:
    return all(isinstance(k, str) and isinstance(v, str) for k, v in parameters.items())


def _malformed(tenant: Tenant, message: str) -> Refused:
    return Refused(nql_error(tenant.options.malformed_status, MALFORMED, message))
