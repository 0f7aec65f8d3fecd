"""What every API route does first: authenticate the client and read the request."""

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from sandbox.tenant import Tenant
from sandbox.web.envelopes import Envelope

logger = logging.getLogger(__name__)

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body", bound=BaseModel)

# Listing more problems than this helps nobody.
_PROBLEMS_SHOWN = 5


class Refused(Exception):  # noqa: N818 - carries an answer, not a failure
    """Raised to answer a request without doing anything."""

    def __init__(self, response: Response) -> None:
        """Keep the answer."""
        self.response = response
        super().__init__(response.status_code)


def answering(envelope: Envelope) -> Callable[[Endpoint], Endpoint]:
    """Return a route that turns refusals into answers, and any other error into the API's 500."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except Refused as refused:
                return refused.response
            except Exception:
                logger.exception("a request failed")
                return envelope(500, "", "Internal server error.")

        return answer

    return decorate


def admit(request: Request, permission: str, envelope: Envelope) -> Tenant:
    """Return the tenant; refuse with 401 without a valid token, 403 without the permission."""
    tenant: Tenant = request.app.state.tenant
    holder = tenant.gate.holder(request.headers.get("authorization", ""))
    if holder is None:
        raise Refused(envelope(401, "", "There is no valid bearer token."))
    if permission not in holder.permissions:
        message = f"The credential has no permission for this API ({permission})."
        raise Refused(envelope(403, "", message))
    return tenant


async def json_of(request: Request) -> Any:
    """Return a JSON body, or raise ValueError."""
    return from_json(await request.body(), allow_inf_nan=False)


async def body_of(request: Request, model: type[Body], envelope: Envelope) -> Body:
    """Return a body of a known form, or refuse it with 400 and what is wrong with it."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise Refused(envelope(400, "", _told(error))) from error


def _told(error: ValidationError) -> str:
    """Return what is wrong and where, but no value: it may be personal data."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    told = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}"
        for problem in problems[:_PROBLEMS_SHOWN]
    ]
    more = len(problems) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")
