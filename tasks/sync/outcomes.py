"""What became of each object of an enrichment request: read from the answer, by identification.

A tenant's message can quote what it was sent. So only the code is passed on, with its documented
meaning and the fields that the message names.
"""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

import polars as pl

from connectors.nexthink import EnrichmentAnswer, ObjectError, Taken
from connectors.nexthink.enrichment import UNSPECIFIED, fields_named, meaning


class ObjectOutcome(StrEnum):
    """What became of an object: taken, refused, or unknown, so that it has to be sent again."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


# A null `outcome` is an object that its answer leaves open.
OUTCOMES: Final = {"outcome": pl.String, "code": pl.String, "reason": pl.String}
_NAMES: Final = ["name", "value"]


def judge(objects: pl.DataFrame, answer: EnrichmentAnswer, fields: Collection[str]) -> pl.DataFrame:
    """Return `objects` (columns name and value) with an outcome, a code and a reason each.

    The outcome is null if the answer does not say what became of an object: either the request was
    refused because of objects that the answer does not name, or one of its errors names no object
    of the request and could be about any of them. If a request has one object, every error is
    about it.

    Args:
        objects: the identification of each object of the request.
        answer: what the tenant says.
        fields: the names of the fields that were sent; no other words of a message are passed on.
    """
    if answer.taken is Taken.ALL:
        return _with(objects, ObjectOutcome.ACKNOWLEDGED)
    if objects.height == 1:
        return _judge_one(objects, answer, fields)
    named = _matched(objects, _by_object(answer.errors))
    foreign = answer.unread + len(answer.errors) - len(named)
    are_all_named = answer.taken is Taken.SOME and answer.errors and not foreign
    rejected = ObjectOutcome.REJECTED.value
    refused = pl.DataFrame(
        [
            (*key, rejected, error.code, _reason(error.code, error.message, fields))
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
    if answer.errors:
        code, message = answer.errors[0].code, answer.errors[0].message
    return _with(objects, ObjectOutcome.REJECTED, code, _reason(code, message, fields))


def _with(
    objects: pl.DataFrame,
    outcome: ObjectOutcome,
    code: str | None = None,
    reason: str | None = None,
) -> pl.DataFrame:
    values = {"outcome": outcome.value, "code": code, "reason": reason}
    return objects.with_columns(pl.lit(values[name], pl.String).alias(name) for name in OUTCOMES)


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
    # Case does not matter in device names and UPNs; a tenant may answer in its own spelling.
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
    return name, value.strip().casefold()
