"""Numbers that make a person look before anything is sent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connectors.errors import DataRefusedError
from connectors.syncs import Guards

# Of fewer keys every share is large.
FEWEST_KEYS: Final = 20


class Guard(StrEnum):
    """What is watched; the names that `--accept-guard` takes."""

    EMPTY = "empty"
    SHRINK = "shrink"
    CHANGES = "changes"
    CLEARS = "clears"


@dataclass(frozen=True, slots=True)
class GuardNumbers:
    """What a plan comes to, in keys.

    Attributes:
        rows: rows of the sources.
        keys: keys of the sources.
        is_full: all rows were pulled, so that their number means something.
        last_keys: the keys of the last full pull whose plan was applied, None before the first.
        known: keys that the ledger knows; `changed` of them get another value.
        with_value: keys of which Nexthink holds a value of ours; of `cleared` one is emptied.
    """

    rows: int
    keys: int
    is_full: bool
    last_keys: int | None
    known: int
    changed: int
    with_value: int
    cleared: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A guard that tripped: `count` of `whole` keys, where `limit` is the largest share."""

    guard: str
    count: int
    whole: int
    limit: float
    text: str


def findings(guards: Guards, numbers: GuardNumbers) -> list[Finding]:
    """Say which guards a plan trips."""
    if numbers.is_full and not numbers.keys:
        text = f"a full pull gave no key at all ({numbers.rows:,} rows)"
        return [Finding(Guard.EMPTY.value, 0, numbers.rows, 0.0, text)]
    last = numbers.last_keys or 0
    lost = max(last - numbers.keys, 0) if numbers.is_full else 0
    watched = (
        (Guard.SHRINK, lost, last, guards.shrink, "keys of the last full pull are gone"),
        (Guard.CHANGES, numbers.changed, numbers.known, guards.changes, "known keys change"),
        (
            Guard.CLEARS,
            numbers.cleared,
            numbers.with_value,
            guards.clears,
            "keys with a value have a field emptied",
        ),
    )
    return [
        Finding(guard.value, count, whole, limit, _text(count, whole, limit, words))
        for guard, count, whole, limit, words in watched
        if whole >= FEWEST_KEYS and count / whole > limit
    ]


def check_accepted(sync: str, found: Sequence[Finding], accepted: Collection[str]) -> None:
    """See that a person has accepted every guard that tripped.

    Raises:
        DataRefusedError: with the numbers, and what lets the plan pass.
    """
    open_ones = [finding for finding in found if finding.guard not in accepted]
    if not open_ones:
        return
    told = "; ".join(f"{finding.guard}: {finding.text}" for finding in open_ones)
    words = " ".join(f"--accept-guard {finding.guard}" for finding in open_ones)
    raise DataRefusedError(
        f"{sync}: {told}: nothing was sent; mend the source, or look at the plan and let it pass "
        f"with {words} --why TEXT"
    )


def _text(count: int, whole: int, limit: float, words: str) -> str:
    return f"{count:,} of {whole:,} {words} ({count / whole:.1%}, the limit is {limit:.0%})"
