"""The limits of the vendor's specifications for requests that act, and checks against them.

Problems name a position, not the value: SIDs, UPNs, names and values are people's data.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from connectors.errors import UsageError

# The vendor's specifications, read 2026-06-02.
MOST_TARGETS: Final = 10_000
MOST_DELETIONS: Final = 100
EXPIRY_MINUTES: Final = range(60, 10_080 + 1)
CAMPAIGN_EXPIRY_MINUTES: Final = range(1, 525_600 + 1)
CAMPAIGN_DEFAULT_EXPIRY_MINUTES: Final = 1_440
MOST_CAMPAIGN_PARAMETERS: Final = 30
LONGEST_REASON: Final = 500
# Starts the reason, and is followed by the journal's intent id.
INTENT_PREFIX: Final = "nxp:"

UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SID: Final = re.compile(r"S(?:-[0-9]+){2,10}|0")
UPN: Final = re.compile(r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}")
# No pattern is published; the ids seen in saved queries and tenants match this one.
NQL_ID: Final = re.compile(r"#[A-Za-z0-9_]{1,254}")
_HEADER: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_PROBLEMS_SHOWN: Final = 5

COLLECTOR_ID: Final = "not a collector id (device.collector.uid, a UUID)"
NO_SID: Final = "not a SID"


def make_sure(what: str, *problems: Iterable[str]) -> None:
    """Raise one UsageError with all problems, if there are any."""
    found = [each for some in problems for each in some]
    if not found:
        return
    more = len(found) - _PROBLEMS_SHOWN
    rest = f"; and {more:,} more" if more > 0 else ""
    raise UsageError(f"{what}: {'; '.join(found[:_PROBLEMS_SHOWN])}{rest}; nothing was sent")


def id_problems(of_what: str, given: str) -> Iterator[str]:
    """Yield why a text is not an NQL id, without quoting it: it may be somebody's name."""
    if not isinstance(given, str) or not NQL_ID.fullmatch(given):
        yield f"the id of {of_what} is not # and up to 254 of A-Z, a-z, 0-9 and _"


def workflow_id_problems(given: str) -> Iterator[str]:
    """Yield why a text is neither an NQL id nor a UUID."""
    if not (isinstance(given, str) and UUID.fullmatch(given)):
        yield from id_problems("a workflow", given)


def count_problems(
    name: str, given: Sequence[Any], *, least: int = 0, most: int = MOST_TARGETS
) -> Iterator[str]:
    """Yield whether there are too few or too many targets."""
    if len(given) < least:
        yield f"there are no {name}"
    if len(given) > most:
        yield f"{len(given):,} {name} are more than {most:,}"


def pattern_problems(
    name: str, given: Sequence[str], pattern: re.Pattern[str], problem: str
) -> Iterator[str]:
    """Yield the position of each text that does not match."""
    for position, each in enumerate(given):
        if not isinstance(each, str) or not pattern.fullmatch(each):
            yield f"{name}[{position}] is {problem}"


def repeats(name: str, given: Sequence[str]) -> Iterator[str]:
    """Yield the targets that would be acted on twice."""
    seen: set[str] = set()
    for position, each in enumerate(given):
        key = str(each).lower()
        if key in seen:
            yield f"{name}[{position}] is listed twice"
        seen.add(key)


def name_problems(
    name: str, given: Sequence[Mapping[str, str]], patterns: Mapping[str, re.Pattern[str]]
) -> Iterator[str]:
    """Yield the objects without a name, with a wrong name, or listed twice."""
    seen: set[tuple[tuple[str, str], ...]] = set()
    for position, each in enumerate(given):
        where = f"{name}[{position}]"
        key = tuple((kind, value.lower()) for kind, value in each.items())
        if not any(each.values()):
            yield f"{where} has no name"
        elif key in seen:
            yield f"{where} is listed twice"
        seen.add(key)
        for kind, value in each.items():
            if kind in patterns and not patterns[kind].fullmatch(value):
                yield f"{where} is not a valid {kind}"


def parameter_problems(parameters: Mapping[str, str]) -> Iterator[str]:
    """Yield the parameters that are not text."""
    for name, value in parameters.items():
        if not isinstance(name, str) or not name:
            yield "a parameter has no name"
        elif not isinstance(value, str):
            yield f"parameter {name[:80]} is not text"


def expiry_problems(minutes: int | None, allowed: range) -> Iterator[str]:
    """Yield that an expiry is outside its allowed range."""
    if minutes is not None and minutes not in allowed:
        yield f"the expiry of {minutes} minutes is not within {allowed[0]:,} to {allowed[-1]:,}"


def reason_problems(reason: str | None) -> Iterator[str]:
    """Yield that a reason is too long."""
    if reason is not None and len(reason) > LONGEST_REASON:
        yield f"the reason has {len(reason):,} characters, more than {LONGEST_REASON}"


def source_problems(source: str | None) -> Iterator[str]:
    """Yield that a source cannot be sent in a header."""
    yield from header_problems("the source", source)


def header_problems(name: str, given: str | None) -> Iterator[str]:
    """Yield that a text cannot be sent in a header, without quoting it."""
    if given is not None and not _HEADER.fullmatch(given):
        yield f"{name} cannot be sent in a header: it must be ASCII, and not empty"
