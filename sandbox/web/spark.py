"""The Spark route: handing a conversation off."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sandbox.actions.handoffs import Handoff
from sandbox.tenant import Tenant
from sandbox.web import envelopes
from sandbox.web.admission import Refused, admit, answering, body_of
from sandbox.web.requests import HandoffBody

_USER = "user-principal-name"


@answering(envelopes.spark)
async def handoff(request: Request) -> Response:
    """Pass a person's message on to Spark, which answers them in Teams: 204 without a body."""
    tenant = admit(request, "spark", envelopes.spark)
    upn = request.headers.get(_USER, "").strip()
    if not upn:
        raise Refused(envelopes.spark(400, "", "There is no User-Principal-Name."))
    asked = await body_of(request, HandoffBody, envelopes.spark)
    zone = request.headers.get("timezone")
    return await run_in_threadpool(_handed_off, tenant, upn, zone, asked)


def _handed_off(tenant: Tenant, upn: str, zone: str | None, asked: HandoffBody) -> Response:
    # A guess: the specification does not say what it does not find with 404.
    if not tenant.directory.find("user", "upn", upn):
        return envelopes.spark(404, "", "There is no user of this name.")
    parts = tuple(each.model_dump(by_alias=True) for each in asked.message.parts)
    tenant.handoffs.append(
        Handoff(tenant.clock.now(), upn, zone, parts, dict(asked.metadata or {}))
    )
    return Response(status_code=204)
