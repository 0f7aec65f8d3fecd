"""The answer of `nxp enrich`: people's names and values are not in it, only positions."""

from dataclasses import dataclass
from typing import Annotated

from nxp.answers.sources import api, derived, ours
from tasks.sync.outcomes import ObjectOutcome


@dataclass(frozen=True, slots=True)
class TenantError:
    """One thing that the tenant says about an object."""

    code: Annotated[str, api("errors[].errors[].code", "Its code; of the request, if it has one.")]
    message: Annotated[str, api("errors[].errors[].message", "Its words, empty if there are none.")]


@dataclass(frozen=True, slots=True)
class EntryOutcome:
    """What became of one object of the request."""

    position: Annotated[int, ours("Its place in the file, from 0.")]
    identified_by: Annotated[str, ours("The field that identifies it, such as device/device/name.")]
    outcome: Annotated[
        ObjectOutcome,
        derived("status 200 or 207, and whether the answer lists it", "See docs/enrichment.md."),
    ]
    code: Annotated[str | None, api("errors[].errors[].code", "The first code; null if accepted.")]
    reason: Annotated[
        str | None, derived("the code", "Our explanation of the code; may be empty or null.")
    ]
    errors: Annotated[list[TenantError], api("errors[].errors", "All that the tenant says of it.")]


@dataclass(frozen=True, slots=True)
class CodeCount:
    """The objects with one outcome and code."""

    outcome: Annotated[ObjectOutcome, derived("the answer", "Their outcome.")]
    code: Annotated[str | None, api("errors[].errors[].code", "Their code.")]
    reason: Annotated[str | None, derived("the code", "Our explanation of the code.")]
    objects: Annotated[int, derived("the answer", "How many they are.")]
    positions: Annotated[list[int], ours("Their places in the file, from 0.")]


@dataclass(frozen=True, slots=True)
class EnrichmentOutcome:
    """What the tenant did with an enrichment request."""

    domain: Annotated[str, ours("The source that the tenant records.")]
    objects: Annotated[int, ours("Number of objects sent.")]
    acknowledged: Annotated[int, derived("status 200 or 207", "Accepted; shows in Nexthink later.")]
    rejected: Annotated[int, derived("errors, or status 400", "Not accepted.")]
    unknown: Annotated[int, derived("errors that name no object", "May have been accepted or not.")]
    codes: Annotated[list[CodeCount], derived("errors", "Those not acknowledged, by code.")]
    entries: Annotated[list[EntryOutcome], ours("The confirmation of each object, in order.")]
