"""The enrichment route: the intake's decisions as API answers."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.enrichment.intake import MALFORMED, Decision, RequestRefusedError
from sandbox.enrichment.store import Received
from sandbox.tenant import Tenant
from sandbox.web import envelopes
from sandbox.web.admission import Refused, admit, answering, json_of


@answering(envelopes.enrichment)
async def enrich(request: Request) -> Response:
    """Write values to fields: 200 if all objects were accepted, 207 if some were, 400 if none."""
    tenant = admit(request, "enrichment", envelopes.enrichment)
    try:
        body = await json_of(request)
    except ValueError as error:
        raise Refused(envelopes.enrichment(400, MALFORMED, "The body is not JSON.")) from error
    return await run_in_threadpool(_enrich, tenant, body)


def _enrich(tenant: Tenant, body: object) -> Response:
    try:
        domain, decisions = tenant.intake.decide(body)
    except RequestRefusedError as refusal:
        return envelopes.enrichment(400, refusal.code, refusal.message)
    refused = [decision for decision in decisions if decision.problems]
    received = Received(tenant.clock.now(), domain, len(decisions), len(refused))
    writes = (write for decision in decisions for write in decision.writes)
    tenant.enrichment.accept(received, writes)
    if not refused:
        return JSONResponse({"status": "success"})
    none_taken = len(refused) == len(decisions)
    body = {
        "status": "error" if none_taken else "partial_success",
        "errors": [_told(decision) for decision in refused],
    }
    return JSONResponse(body, status_code=400 if none_taken else 207)


def _told(decision: Decision) -> dict[str, Any]:
    errors = [{"message": each.message, "code": each.code} for each in decision.problems]
    return {"identification": [decision.identification], "errors": errors}
