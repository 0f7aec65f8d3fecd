"""Limits beyond which a person has to look at a plan before anything is sent."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from connectors.errors import DataRefusedError
from connectors.syncs import Guards

# With fewer keys every share is large: there a number of keys has to be exceeded too.
FEWEST_KEYS: Final = 20
_DAY: Final = 86_400


class Guard(StrEnum):
    """What is watched; `accept_guards` takes these names."""

    EMPTY = "empty"
    SHRINK = "shrink"
    CHANGES = "changes"
    CLEARS = "clears"
    SETS = "sets"
    NEW = "new"
    FIRST = "first"
    CUMULATIVE = "cumulative"
    RETIRE = "retire"
    OVERWRITES = "overwrites"
    SWAPPED = "swapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardNumbers:
    """The numbers of a plan that guards judge, in keys.

    Attributes:
        rows: rows of the sources.
        keys: keys of the sources.
        is_full: all rows were pulled, so that their number means something.
        last_keys: the keys of the last full pull whose plan was applied, None before the first.
        known: keys that the ledger knows; `changed` of them get another value, and `first_values`
            of them a first value in a field.
        with_value: keys for which Nexthink holds a value of ours; `cleared` of them lose one, and
            `lost` of them are missing from the sources since the last full pull.
        new: keys that get values and that the ledger does not know.
        lost_lately, cleared_lately: likewise, by the plans of the last days that nobody accepted.
    """

    rows: int
    keys: int
    is_full: bool
    last_keys: int | None
    known: int
    changed: int
    with_value: int
    cleared: int
    lost: int = 0
    new: int = 0
    first_values: int = 0
    lost_lately: int = 0
    cleared_lately: int = 0


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """A guard that tripped: `count` of `whole` keys, while `limit` is the largest allowed share.

    For a first run `limit` is the largest number of keys.
    """

    guard: str
    count: int
    whole: int
    limit: float
    text: str


@dataclass(frozen=True, slots=True)
class _Watched:
    guard: Guard
    count: int
    whole: int
    limit: float
    words: str


def findings(guards: Guards, numbers: GuardNumbers) -> list[GuardFinding]:
    """Return the guards that a plan trips, each at most once."""
    if numbers.is_full and not numbers.keys:
        text = f"a full pull gave no key at all ({numbers.rows:,} rows)"
        return [
            GuardFinding(guard=Guard.EMPTY.value, count=0, whole=numbers.rows, limit=0.0, text=text)
        ]
    found: dict[str, GuardFinding] = {}
    for each in (*_of_run(guards, numbers), *_of_days(guards, numbers)):
        if _is_beyond(each, guards.few):
            found.setdefault(each.guard.value, _finding(each))
    if (first := _of_first(guards, numbers)) is not None:
        found[first.guard] = first
    return list(found.values())


def retire_finding(keys: int, whole: int, values: int) -> GuardFinding:
    """Return the finding of a plan that empties a sync: a person always looks at it."""
    text = f"{values:,} values of {keys:,} objects are emptied, all that the sync has set"
    return GuardFinding(Guard.RETIRE.value, keys, whole, 0.0, text)


def _of_run(guards: Guards, numbers: GuardNumbers) -> Iterator[_Watched]:
    last, known, held = numbers.last_keys or 0, numbers.known, numbers.with_value
    if numbers.is_full:
        fewer = max(last - numbers.keys, 0)
        words = "keys of the last full pull are gone"
        yield _Watched(Guard.SHRINK, fewer, last, guards.shrink, words)
        words = "objects with a value of this sync are missing from the sources"
        yield _Watched(Guard.SHRINK, numbers.lost, held, guards.shrink, words)
    yield _Watched(Guard.CHANGES, numbers.changed, known, guards.changes, "known keys change")
    words = "keys with a value have a field emptied"
    yield _Watched(Guard.CLEARS, numbers.cleared, held, guards.clears, words)
    if _is_first(numbers):
        return
    sets = guards.changes if guards.sets is None else guards.sets
    words = "known objects get a first value in a field"
    yield _Watched(Guard.SETS, numbers.first_values, known, sets, words)
    new = guards.changes if guards.new is None else guards.new
    words = "objects get values for the first time, measured against those known"
    yield _Watched(Guard.NEW, numbers.new, max(known, last), new, words)


def _of_days(guards: Guards, numbers: GuardNumbers) -> Iterator[_Watched]:
    """Yield what adds up over the last days, where each day stayed below its limit."""
    days = f"within {guards.over.total_seconds() / _DAY:g} days"
    if numbers.cleared and numbers.cleared_lately:
        cleared = numbers.cleared + numbers.cleared_lately
        whole, limit = numbers.with_value + numbers.cleared_lately, guards.clears
        words = f"keys with a value have a field emptied {days}"
        yield _Watched(Guard.CUMULATIVE, cleared, whole, guards.cumulative * limit, words)
    if numbers.is_full and numbers.lost and numbers.lost_lately:
        lost = numbers.lost + numbers.lost_lately
        whole = max(numbers.with_value + numbers.cleared_lately, lost)
        words = f"objects with a value of this sync went missing from the sources {days}"
        yield _Watched(Guard.CUMULATIVE, lost, whole, guards.cumulative * guards.shrink, words)


def _of_first(guards: Guards, numbers: GuardNumbers) -> GuardFinding | None:
    """Return the finding of a large first run: there is nothing that it could be measured by."""
    if not _is_first(numbers) or numbers.new <= guards.first:
        return None
    text = (
        f"{numbers.new:,} objects get values in a first run (without a person's look, "
        f"{guards.first:,} at most)"
    )
    return GuardFinding(Guard.FIRST.value, numbers.new, numbers.new, float(guards.first), text)


def _is_first(numbers: GuardNumbers) -> bool:
    return numbers.last_keys is None or not numbers.known


def _is_beyond(each: _Watched, few: int) -> bool:
    if not each.whole or each.limit >= 1 or each.count / each.whole <= each.limit:
        return False
    return each.whole >= FEWEST_KEYS or each.count > few


def _finding(each: _Watched) -> GuardFinding:
    share = each.count / each.whole
    text = (
        f"{each.count:,} of {each.whole:,} {each.words} ({share:.1%}, the limit is "
        f"{each.limit:.0%})"
    )
    return GuardFinding(each.guard.value, each.count, each.whole, each.limit, text)


class GuardError(DataRefusedError):
    """Guards tripped that nobody has accepted, so nothing was sent; `guards` are their names."""

    def __init__(self, message: str, *, guards: Sequence[str]) -> None:
        super().__init__(message)
        self.guards = tuple(guards)


def guard_words(found: Sequence[Mapping[str, Any]], names: Collection[str]) -> str:
    """Return the findings of some guards in one line, from the form that the ledger keeps."""
    tripped = [each for each in found if each["guard"] in names]
    return "; ".join(f"guard {each['guard']}: {each['text']}" for each in tripped)


def overwrite_findings(guards: Guards, count: int, others: int) -> list[GuardFinding]:
    """Return the guard of overwrites if a plan trips it, whatever the number of keys.

    Args:
        guards: the sync's limits.
        count: values of others that are overwritten.
        others: values of others in all cells that the plan looked at.
    """
    share = count / others if others else 0.0
    if share <= guards.overwrites:
        return []
    return [
        GuardFinding(
            guard=Guard.OVERWRITES.value,
            count=count,
            whole=others,
            limit=guards.overwrites,
            text=(
                f"{count:,} of {others:,} values of others are overwritten ({share:.1%}, the limit "
                f"is {guards.overwrites:.0%})"
            ),
        )
    ]


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
    advice = f"correct the source, or look at the plan and accept it: nxp apply {sync}"
    if Guard.RETIRE in names:
        advice = f"if that is right: nxp sync {sync} --retire"
    raise GuardError(
        f"{sync}: nothing was sent: {guard_words([asdict(each) for each in open_ones], names)}; "
        f"{advice} {options} --why TEXT",
        guards=names,
    )
