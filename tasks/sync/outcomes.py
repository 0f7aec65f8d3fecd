"""The outcome of each object of an enrichment request: read from the answer, by identification.

A tenant's message can quote what it was sent. So reports and logs get only the code, with its
documented meaning and the fields that the message names; the message itself is in `errors`, for the
person who asks and for the protected file of rejects.
"""

import json
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final

import polars as pl

from connectors.nexthink import EnrichmentAnswer, ObjectError, Taken
from connectors.nexthink.enrichment import UNSPECIFIED, fields_named, meaning


class ObjectOutcome(StrEnum):
    """The outcome of an object: taken, refused, or unknown, so that it must be sent again."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


# A null `outcome` is an object that its answer leaves open.
# `errors` is JSON: a list of the tenant's codes and messages, null if there are none.
OUTCOMES: Final = dict.fromkeys(("outcome", "code", "reason", "errors"), pl.String)
_NAMES: Final = ["name", "value"]


def judge(objects: pl.DataFrame, answer: EnrichmentAnswer, fields: Collection[str]) -> pl.DataFrame:
    """Return `objects` (columns name and value) with an outcome, code, reason and errors each.

    The outcome is null if the answer leaves open what happened to an object: either the request was
    refused because of objects that the answer does not name, or one of its errors names no object
    of the request and could be about any of them. If a request has one object, every error is
    about it.

    Args:
        objects: the identification of each object of the request.
        answer: what the tenant says.
        fields: the names of the fields that were sent; a reason has no other words of a message.
    """
    if answer.taken is Taken.ALL:
        return _with(objects, ObjectOutcome.ACKNOWLEDGED)
    if objects.height == 1:
        return _judge_one(objects, answer, fields)
    named = _matched(objects, _by_object(answer.errors))
    foreign = answer.unread + len(answer.errors) - len(named)
    are_all_named = answer.taken is Taken.SOME and answer.errors and not foreign
    rejected = ObjectOutcome.REJECTED.value
    problems = _problems(named)
    refused = pl.DataFrame(
        [
            (
                *key,
                rejected,
                error.code,
                _reason(error.code, error.message, fields),
                as_errors(problems[key]),
            )
            for key, error in named
        ],
        schema=dict.fromkeys(_NAMES, pl.String) | OUTCOMES,
        orient="row",
    ).unique(_NAMES, keep="first")
    rest = pl.lit(ObjectOutcome.ACKNOWLEDGED.value if are_all_named else None, pl.String)
    joined = objects.join(refused, on=_NAMES, how="left", maintain_order="left")
    return joined.with_columns(pl.col("outcome").fill_null(rest))


def without_answer(objects: pl.DataFrame, code: str, reason: str) -> pl.DataFrame:
    """Return `objects` as unknown, all for the same reason."""
    return _with(objects, ObjectOutcome.UNKNOWN, code, reason)


def _judge_one(
    objects: pl.DataFrame, answer: EnrichmentAnswer, fields: Collection[str]
) -> pl.DataFrame:
    if answer.taken is Taken.SOME and not answer.errors and not answer.unread:
        return _with(objects, ObjectOutcome.UNKNOWN, UNSPECIFIED, "partly taken, without an error")
    code, message = answer.code or UNSPECIFIED, answer.message
    problems = [(code, message)]
    if answer.errors:
        code, message = answer.errors[0].code, answer.errors[0].message
        problems = [problem for error in answer.errors for problem in _said(error)]
    reason = _reason(code, message, fields)
    return _with(objects, ObjectOutcome.REJECTED, code, reason, as_errors(problems))


def _with(
    objects: pl.DataFrame,
    outcome: ObjectOutcome,
    code: str | None = None,
    reason: str | None = None,
    errors: str | None = None,
) -> pl.DataFrame:
    values = {"outcome": outcome.value, "code": code, "reason": reason, "errors": errors}
    return objects.with_columns(pl.lit(values[name], pl.String).alias(name) for name in OUTCOMES)


def as_errors(problems: Iterable[tuple[str, str]]) -> str:
    """Return the tenant's codes and messages as the column `errors` has them."""
    found = [{"code": code, "message": message} for code, message in problems]
    return json.dumps(found, ensure_ascii=False)


def errors_of(text: str | None) -> list[dict[str, str]]:
    """Return the entries of the column `errors`: code and message; a message may be empty."""
    found: list[dict[str, str]] = json.loads(text) if text else []
    return found


def in_words(errors: Iterable[Mapping[str, str]]) -> str:
    """Return the tenant's codes and messages in one line."""
    return "; ".join(
        f"{each['code']}: {each['message']}" if each["message"] else each["code"] for each in errors
    )


def _said(error: ObjectError) -> tuple[tuple[str, str], ...]:
    return error.problems or ((error.code, error.message),)


def _problems(
    named: Iterable[tuple[tuple[str, str], ObjectError]],
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return all problems of each object, in the order of the answer."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key, error in named:
        found.setdefault(key, []).extend(_said(error))
    return found


def _reason(code: str, message: str, fields: Collection[str]) -> str:
    named = ", ".join(name for name in fields_named(message) if name in fields)
    return ": ".join(part for part in (meaning(code), named) if part)


def _by_object(errors: Iterable[ObjectError]) -> list[tuple[tuple[str, str], ObjectError]]:
    return [((error.name, error.value), error) for error in errors]


def _matched(
    objects: pl.DataFrame, errors: list[tuple[tuple[str, str], ObjectError]]
) -> list[tuple[tuple[str, str], ObjectError]]:
    """Return the errors whose object is in the request, with the object's name there."""
    known = set(objects.select(_NAMES).iter_rows())
    exact = [(key, error) for key, error in errors if key in known]
    if len(exact) == len(errors):
        return exact
    # A tenant may answer in its own spelling.
    spellings: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for key in known:
        spellings.setdefault(_folded(key), set()).add(key)
    others = (
        (next(iter(found)), error)
        for key, error in errors
        if key not in known and len(found := spellings.get(_folded(key), set())) == 1
    )
    return [*exact, *others]


def _folded(key: tuple[str, str]) -> tuple[str, str]:
    name, value = key
    return name, unicodedata.normalize("NFC", value).strip().casefold()
