"""The enrichment API: values for fields of devices, users, binaries and packages.

Request bodies, identifications and values are people's data: they never get into an error, a log
or a `repr` here.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
from pydantic import ValidationError

from connectors.http.policy import Retry
from connectors.nexthink.api import Api, read_answer
from connectors.nexthink.models import EnrichmentAnswer, EnrichmentReply, ObjectError, Taken
from connectors.nexthink.refusal import code_of

PERMISSION: Final = "Enrichment"
ENRICHMENT_PATH: Final = "/api/v1/enrichment/data/fields"

_OK: Final = 200
_PARTIAL: Final = 207
_BAD_REQUEST: Final = 400
_TOO_LARGE: Final = 413
_REFUSALS: Final = frozenset({_BAD_REQUEST, _TOO_LARGE})
_JSON: Final = {"Content-Type": "application/json"}

UNSPECIFIED: Final = "unspecified"
# Codes of our own, for refusals without one.
REFUSED: Final = "HTTP_400"
TOO_LARGE: Final = "HTTP_413"
# The vendor's examples explain these codes; of the others only the names are known.
MEANINGS: Final = {
    "ENRICH_001": "a required part is missing",
    "ENRICH_011": "a value is of the wrong type for its field",
    "ENRICH_042": "too many objects in one request",
    REFUSED: "the request as a whole is refused, without a code",
    TOO_LARGE: "the request is too large",
}
# Messages name fields by their documented path; the last part is lower case or a custom name.
_FIELD: Final = re.compile(r"\b(?:device|user|binary|package)/[a-z]+(?:/[a-z_]+)*/#?[A-Za-z0-9_]+")


class EnrichmentApi:
    """The operation of this API, as `client.enrichment`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def push(self, body: bytes) -> EnrichmentAnswer:
        """Send one request made by `encode`; return what the tenant answers about its objects.

        It is sent again after any transient fault: writing the same values twice changes nothing.
        A refusal of the whole request is returned as an answer: the caller knows its content.

        Raises:
            AccessError: the credential is refused, or lacks the permission.
            UnavailableError: no answer from the API; whether values were written is unknown.
            DataRefusedError: this version does not know the answer's shape or status.
        """
        response = self._api.call(
            "POST",
            ENRICHMENT_PATH,
            permission=PERMISSION,
            retry=Retry.ALL,
            accepted=frozenset({_OK, _PARTIAL, *_REFUSALS}),
            json=body,
            headers=_JSON,
        )
        if response.status_code in _REFUSALS:
            return _refusal(response)
        return _answer(read_answer(EnrichmentReply, response), response.status_code)


def meaning(code: str) -> str:
    """Return our explanation of a code, empty if it is not known."""
    return MEANINGS.get(code, "")


def fields_named(message: str) -> tuple[str, ...]:
    """Return the field names in a tenant's message: only these may be shown, they are settings."""
    return tuple(dict.fromkeys(_FIELD.findall(message)))


def _answer(reply: EnrichmentReply, status: int) -> EnrichmentAnswer:
    errors, unread = _errors(reply)
    if status == _OK and not errors and not unread and reply.status in (None, "success"):
        return EnrichmentAnswer(Taken.ALL)
    return EnrichmentAnswer(Taken.SOME, errors=errors, unread=unread)


def _refusal(response: httpx.Response) -> EnrichmentAnswer:
    """Read a refusal leniently: a gateway's refusal may have any form."""
    plain = TOO_LARGE if response.status_code == _TOO_LARGE else REFUSED
    try:
        reply = EnrichmentReply.model_validate_json(response.content)
    except ValidationError:
        return EnrichmentAnswer(Taken.NOTHING, code=plain)
    errors, unread = _errors(reply)
    code = _code(reply.code)
    return EnrichmentAnswer(
        Taken.NOTHING,
        errors=errors,
        unread=unread,
        code=plain if code == UNSPECIFIED else code,
        message=_text(reply.message),
    )


def _errors(reply: EnrichmentReply) -> tuple[tuple[ObjectError, ...], int]:
    """Return the errors that name an object, and the number of other errors."""
    alone = [] if reply.errors is None else [reply.errors]
    entries = reply.errors if isinstance(reply.errors, list) else alone
    read = tuple(error for entry in entries if (error := _object_error(entry)))
    return read, len(entries) - len(read)


def _object_error(entry: object) -> ObjectError | None:
    """Return one entry of an answer's list, None if it does not identify an object."""
    if not isinstance(entry, dict):
        return None
    named = next(_dicts(entry.get("identification")), {})
    name, value = named.get("name"), named.get("value")
    if not isinstance(name, str) or not isinstance(value, str):
        return None
    problems = tuple(
        (_code(each.get("code")), _text(each.get("message")))
        for each in _dicts(entry.get("errors"))
    )
    code = problems[0][0] if problems else UNSPECIFIED
    return ObjectError(name, value, code, " ".join(said for _, said in problems), problems)


def _dicts(given: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list; a single object without a list is accepted too."""
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, dict):
            yield each


def _code(given: object) -> str:
    return code_of(given) or UNSPECIFIED


def _text(given: object) -> str:
    # JSON can hold halves of characters, which no file or terminal takes.
    return given.encode(errors="replace").decode() if isinstance(given, str) else ""
