"""The data management route: deleting devices."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.actions.deletions import SCHEDULED
from sandbox.tenant import Tenant
from sandbox.web import envelopes
from sandbox.web.admission import Refused, admit, answering, body_of
from sandbox.web.requests import DeletionRequest


@answering(envelopes.devices)
async def delete(request: Request) -> Response:
    """Queue devices for deletion; 202 says for each whether it is queued."""
    tenant = admit(request, "data_management", envelopes.devices)
    asked = await body_of(request, DeletionRequest, envelopes.devices)
    if not asked.devices:
        raise _bad("EMPTY_REQUEST", "The request names no device.")
    if len(asked.devices) > tenant.deletions.limit:
        raise _bad("BATCH_SIZE_EXCEEDED", f"At most {tenant.deletions.limit} devices a request.")
    if any(not each.name.strip() for each in asked.devices):
        raise _bad("INVALID_REQUEST", "The name of a device is blank.")
    return await run_in_threadpool(_scheduled, tenant, asked)


def _scheduled(tenant: Tenant, asked: DeletionRequest) -> Response:
    deletion = tenant.deletions.schedule([(each.uid, each.name) for each in asked.devices])
    statuses = [
        {"uid": uid, "name": name, "status": outcome} for uid, name, outcome in deletion.devices
    ]
    body = {
        "scheduledCount": sum(each["status"] == SCHEDULED for each in statuses),
        "status": "ACCEPTED",
        "devices": statuses,
    }
    return JSONResponse(body, status_code=202)


def _bad(code: str, message: str) -> Refused:
    return Refused(envelopes.devices(400, code, message))
