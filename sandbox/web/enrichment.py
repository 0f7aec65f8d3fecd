"""The enrichment route: the intake's decisions as API answers."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.enrichment.intake import (
    MALFORMED,
    WRONG_TYPE,
    Decision,
    ObjectProblem,
    RequestRefusedError,
)
from sandbox.enrichment.store import Received
from sandbox.tenant import Tenant
from sandbox.web import envelopes
from sandbox.web.admission import Refused, admit, answering, json_of
from sandbox.web.faulty import ORDERED

_ORDERED = "This is a fault, as ordered."


@answering(envelopes.enrichment)
async def enrich(request: Request) -> Response:
    """Write values to fields: 200 if all objects were accepted, 207 if some were, 400 if none."""
    tenant = admit(request, "enrichment", envelopes.enrichment)
    try:
        body = await json_of(request)
    except ValueError as error:
        raise Refused(envelopes.enrichment(400, MALFORMED, "The body is not JSON.")) from error
    return await run_in_threadpool(_enrich, tenant, body, request.scope.get(ORDERED))


def _enrich(tenant: Tenant, body: object, ordered: str | None = None) -> Response:
    try:
        domain, decisions = tenant.intake.decide(body)
    except RequestRefusedError as refusal:
        return envelopes.enrichment(400, refusal.code, refusal.message)
    if ordered:
        # The second of each two for 207, so that it has a part that was accepted.
        step = 2 if ordered == "207" else 1
        decisions = [
            _refused(decision) if number % step == step - 1 else decision
            for number, decision in enumerate(decisions)
        ]
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


def _refused(decision: Decision) -> Decision:
    """Return the refusal of an object that was ordered as a fault."""
    return Decision(decision.identification, (), (ObjectProblem(WRONG_TYPE, _ORDERED),))


def _told(decision: Decision) -> dict[str, Any]:
    errors = [{"message": each.message, "code": each.code} for each in decision.problems]
    return {"identification": [decision.identification], "errors": errors}
