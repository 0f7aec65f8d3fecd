"""An enrichment request that a person wrote: checked before it is sent, then sent unchanged.

Problems name a position: names and values in the file may be people's data.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from connectors.errors import DataRefusedError, UsageError
from connectors.nexthink.fields import (
    IDENTIFICATIONS,
    LONGEST_TEXT,
    FieldError,
    check_field,
    check_value,
)
from connectors.nexthink.models import MOST_OBJECTS
from connectors.text_files import decode_text

_PROBLEMS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class EnrichmentRequest:
    """One request: its body, and what identifies its objects, in the same order."""

    body: bytes = field(repr=False)
    domain: str
    objects: tuple[tuple[str, str], ...] = field(repr=False)
    fields: frozenset[str]


def read_request(
    text: bytes, domain: str | None = None, *, longest: int = LONGEST_TEXT
) -> EnrichmentRequest:
    """Return the request in a JSON text with `enrichments`, and with `domain` unless passed in.

    The text may also be the list of enrichments alone, and have a byte order mark.

    Raises:
        DataRefusedError: the API would not accept it; says what is wrong, and where.
        UsageError: there is no domain, or two different ones.
    """
    given = _parsed(text)
    enrichments = given.get("enrichments")
    if not isinstance(enrichments, list) or not enrichments:
        raise DataRefusedError(
            'the file has no list "enrichments" with objects in it, and is not such a list itself'
        )
    if len(enrichments) > MOST_OBJECTS:
        raise DataRefusedError(
            f"{len(enrichments):,} objects are more than the {MOST_OBJECTS:,} of one request"
        )
    problems = [
        f"enrichments[{position}]{problem}"
        for position, each in enumerate(enrichments)
        for problem in _problems(each, longest)
    ]
    if problems:
        more = len(problems) - _PROBLEMS_SHOWN
        shown = "; ".join(problems[:_PROBLEMS_SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
        raise DataRefusedError(f"nothing was sent: {shown}")
    known = _domain(given, domain)
    return EnrichmentRequest(
        _encoded({**given, "domain": known}),
        known,
        tuple(
            (_identification(each)["name"], _identification(each)["value"]) for each in enrichments
        ),
        frozenset(field["name"] for each in enrichments for field in each["fields"]),
    )


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        given = json.loads(decode_text(text), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise DataRefusedError("the file is not JSON in UTF-8, or UTF-16 with its mark") from None
    if isinstance(given, list):
        return {"enrichments": given}
    if not isinstance(given, dict):
        raise DataRefusedError(
            'the file is neither a JSON object with a list "enrichments" nor such a list'
        )
    return given


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _domain(given: Mapping[str, Any], asked: str | None) -> str:
    written = given.get("domain", asked)
    if not isinstance(written, str) or not written:
        raise UsageError(
            "set a domain, as a parameter or in the file: a text that names the source"
        )
    if asked is not None and written != asked:
        raise UsageError(
            "the parameter domain and the file name different domains: set one of them"
        )
    return written


def _encoded(request: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        # Escaped halves of characters, which UTF-8 cannot encode.
        raise DataRefusedError(
            "a text in the file is not Unicode: it contains half a character"
        ) from None


def _identification(given: Mapping[str, Any]) -> dict[str, Any]:
    identification: dict[str, Any] = given["identification"][0]
    return identification


def _problems(given: object, longest: int) -> Iterator[str]:
    """Yield the problems of one object, worded to follow its position."""
    if not isinstance(given, dict):
        yield " is not an object"
        return
    object_type = _object_type(given.get("identification"))
    if object_type is None:
        yield ".identification is not one name and value that identify an object"
        return
    fields = given.get("fields")
    if not isinstance(fields, list) or not fields:
        yield ".fields is not a list of one field or more"
        return
    seen: set[str] = set()
    for position, each in enumerate(fields):
        if problem := _problem_of_field(each, object_type, seen, longest):
            yield f".fields[{position}] {problem}"


def _object_type(given: object) -> str | None:
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        return None
    name, value = given[0].get("name"), given[0].get("value")
    if not isinstance(value, str) or not value:
        return None
    return next((kind for kind, names in IDENTIFICATIONS.items() if name in names), None)


def _problem_of_field(given: object, object_type: str, seen: set[str], longest: int) -> str | None:
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        return "has no name"
    name = given["name"]
    try:
        known = check_field(object_type, name, longest=longest)
    except FieldError:
        return f"is not a field of a {object_type} that can be written"
    if name in seen:
        return f"({name}) is listed twice"
    seen.add(name)
    problem = check_value(known, given.get("value"))
    return None if problem is None else f"({name}): {problem}"
