"""Limits beyond which a person has to look at a plan before anything is sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from connectors.errors import DataRefusedError
from connectors.syncs import Guards

# With fewer keys every share is large.
FEWEST_KEYS: Final = 20


class Guard(StrEnum):
    """What is watched; `accept_guards` takes these names."""

    EMPTY = "empty"
    SHRINK = "shrink"
    CHANGES = "changes"
    CLEARS = "clears"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardNumbers:
    """The numbers of a plan that guards judge, in keys.

    Attributes:
        rows: rows of the sources.
        keys: keys of the sources.
        is_full: all rows were pulled, so that their number means something.
        last_keys: the keys of the last full pull whose plan was applied, None before the first.
        known: keys that the ledger knows; `changed` of them get another value.
        with_value: keys for which Nexthink holds a value of ours; `cleared` of them lose one.
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
class GuardFinding:
    """A guard that tripped: `count` of `whole` keys, while `limit` is the largest allowed share."""

    guard: str
    count: int
    whole: int
    limit: float
    text: str


def findings(guards: Guards, numbers: GuardNumbers) -> list[GuardFinding]:
    """Return the guards that a plan trips."""
    if numbers.is_full and not numbers.keys:
        text = f"a full pull gave no key at all ({numbers.rows:,} rows)"
        return [
            GuardFinding(guard=Guard.EMPTY.value, count=0, whole=numbers.rows, limit=0.0, text=text)
        ]
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
        GuardFinding(
            guard=guard.value,
            count=count,
            whole=whole,
            limit=limit,
            text=f"{count:,} of {whole:,} {words} ({count / whole:.1%}, the limit is {limit:.0%})",
        )
        for guard, count, whole, limit, words in watched
        if whole >= FEWEST_KEYS and count / whole > limit
    ]


class GuardError(DataRefusedError):
    """Guards tripped that nobody has accepted, so nothing was sent; `guards` are their names."""

    def __init__(self, message: str, *, guards: Sequence[str]) -> None:
        super().__init__(message)
        self.guards = tuple(guards)


def guard_words(found: Sequence[Mapping[str, Any]], names: Collection[str]) -> str:
    """Return the findings of some guards in one line, from the form that the ledger keeps."""
    tripped = [each for each in found if each["guard"] in names]
    return "; ".join(f"guard {each['guard']}: {each['text']}" for each in tripped)


def check_accepted(sync: str, found: Sequence[GuardFinding], accepted: Collection[str]) -> None:
    """Raise unless a person has accepted every guard that tripped.

    Raises:
        GuardError: with the numbers, and how to accept the plan.
    """
    open_ones = [finding for finding in found if finding.guard not in accepted]
    if not open_ones:
        return
    names = [finding.guard for finding in open_ones]
    options = " ".join(f"--accept-guard {name}" for name in names)
    raise GuardError(
        f"{sync}: nothing was sent: {guard_words([asdict(each) for each in open_ones], names)}; "
        f"correct the source, or look at the plan and accept it: nxp apply {sync} {options} "
        "--why TEXT",
        guards=names,
    )
