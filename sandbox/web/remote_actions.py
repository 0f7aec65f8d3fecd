"""The remote actions routes: list, details and execute."""

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.actions.remote_actions import REMOTE_ACTIONS, RemoteActionDefinition
from sandbox.actions.store import DEFAULT_EXPIRY_MINUTES
from sandbox.options import SandboxOptions
from sandbox.web import envelopes
from sandbox.web.admission import Refused, admit, answering, body_of
from sandbox.web.requests import RemoteActionBody, TriggerInfo

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")


@answering(envelopes.remote_actions)
async def listing(request: Request) -> Response:
    """List all remote actions; the specification has no filter."""
    tenant = admit(request, "remote_actions", envelopes.remote_actions)
    if _BROKEN_ESCAPE.search(request.scope["query_string"]):
        raise _bad("", "The address is not well-formed.")
    described = [action.describe() for action in REMOTE_ACTIONS.values()]
    return JSONResponse(listed(described, tenant.options))


def listed(described: list[dict[str, object]], options: SandboxOptions) -> list[dict[str, object]]:
    """Return the entries of a list as the tenant writes ids in it."""
    if not options.bare_ids:
        return described
    return [{**each, "id": str(each["id"]).removeprefix("#")} for each in described]


@answering(envelopes.remote_actions)
async def details(request: Request) -> Response:
    """Describe one remote action, by its NQL id with or without the #."""
    admit(request, "remote_actions", envelopes.remote_actions)
    name = request.query_params.get("nql-id", "")
    found = REMOTE_ACTIONS.get(f"#{name.removeprefix('#')}")
    if found is None:
        return envelopes.remote_actions(404, "", "There is no remote action of this NQL id.")
    return JSONResponse(found.describe())


@answering(envelopes.remote_actions)
async def execute(request: Request) -> Response:
    """Accept a request for devices; unknown ones are accepted too, but nothing happens to them."""
    tenant = admit(request, "remote_actions", envelopes.remote_actions)
    asked = await body_of(request, RemoteActionBody, envelopes.remote_actions)
    action = _executable(asked)
    info = asked.trigger_info or TriggerInfo()
    expiry = asked.expires_in_minutes or DEFAULT_EXPIRY_MINUTES
    accepted = await run_in_threadpool(
        tenant.actions.accept,
        "remote_action",
        action.id,
        [(device, None) for device in dict.fromkeys(asked.devices)],
        parameters=asked.params,
        expires_in_minutes=expiry,
        source=info.external_source,
        reason=info.reason,
        reference=info.external_reference,
    )
    return JSONResponse({"requestId": accepted.id, "expiresInMinutes": expiry})


def _executable(asked: RemoteActionBody) -> RemoteActionDefinition:
    action = REMOTE_ACTIONS.get(asked.remote_action_id)
    if action is None:
        raise _bad("REMOTE_ACTION_NOT_FOUND", "There is no remote action of this id.")
    if not action.api:
        message = "The remote action may not be triggered by the API."
        raise _bad("REMOTE_ACTION_NOT_API_ENABLED", message)
    inputs = {each.id: each for each in action.inputs}
    unknown = sorted(set(asked.params) - set(inputs))
    if unknown:
        message = f"The remote action has {len(inputs)} inputs; {len(unknown)} others were given."
        raise _bad("INVALID_PARAMETERS", message)
    for name, value in asked.params.items():
        if not inputs[name].takes(value):
            raise _bad("INVALID_PARAMETERS", f"The input {name} takes only its options.")
    return action


def _bad(code: str, message: str) -> Refused:
    return Refused(envelopes.remote_actions(400, code, message))
