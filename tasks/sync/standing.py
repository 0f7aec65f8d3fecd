"""What is not as the sources want it after a run, whichever run tried it: read from the ledger.

A refused value waits silently between its runs; so every report counts what waits, and a run of a
sync whose field is refused as a whole never shows as successful.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.counting import number_doing, number_of
from connectors.ledger.enriched import ValueState
from tasks.sync.run import SyncRun
from tasks.sync.settled import READ_BACK, is_no_such_object

# A share of fewer values or objects says nothing.
FEW: Final = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """Values of mapped fields that Nexthink does not hold, or may not hold.

    Attributes:
        open: sent again by the next run.
        missing: of objects that Nexthink does not have; `objects` is the number of these objects,
            and `held` of those that have a value of this sync or of others, counted only if any is
            missing.
        not_read_back: they read back differently, and are tried again after some days.
        unexplained: refused without a reason, and tried again after some days.
        refused_fields: by field, values that wait for another value or mapping.
        refused_whole: the fields whose values are all refused, or more of them than allowed.
        theirs: values of others that are left alone although the sources want another one.
    """

    open: int = 0
    missing: int = 0
    objects: int = 0
    held: int = 0
    not_read_back: int = 0
    unexplained: int = 0
    refused_fields: Mapping[str, int] = field(default_factory=dict)
    refused_whole: tuple[str, ...] = ()
    theirs: int = 0

    @property
    def refused(self) -> int:
        """How many values are refused."""
        return sum(self.refused_fields.values())

    @property
    def waiting(self) -> int:
        """How many values wait for anything but another value or mapping."""
        return self.open + self.missing + self.not_read_back + self.unexplained

    @property
    def words(self) -> str:
        """What is left, in one line; empty if nothing is."""
        return standing_words(self.plain())

    def plain(self) -> dict[str, Any]:
        """Return it as the ledger's JSON keeps it."""
        return {
            "open": self.open,
            "missing": self.missing,
            "missing_objects": self.objects,
            "not_read_back": self.not_read_back,
            "unexplained": self.unexplained,
            "refused": dict(self.refused_fields),
            "refused_whole": list(self.refused_whole),
            "theirs": self.theirs,
        }


def standing_words(left: Mapping[str, Any]) -> str:
    """Return in one line what is left of `Standing.plain`, empty if nothing is."""
    objects = number_of(left["missing_objects"], "object")
    kinds = {
        "missing": f"for {objects} that Nexthink does not have",
        "open": "for the next run",
        "not_read_back": "because they read back differently",
        "unexplained": "after a refusal without a reason",
    }
    parts = [f"{left[kind]:,} {words}" for kind, words in kinds.items() if left[kind]]
    waiting = sum(left[kind] for kind in kinds)
    said = (
        [f"{number_doing(waiting, 'value', 'waits', 'wait')}: {', '.join(parts)}"]
        if waiting
        else []
    )
    refused = left["refused"]
    if refused:
        fields = ", ".join(f"{name} {count:,}" for name, count in refused.items())
        values = number_doing(sum(refused.values()), "value", "is refused", "are refused")
        said.append(f"{values}: {fields}")
    # Reports of earlier releases do not count them.
    if theirs := left.get("theirs"):
        said.append(number_doing(theirs, "value", "of others is", "of others are") + " left alone")
    return "; ".join(said)


def read_standing(run: SyncRun) -> Standing:
    """Return what is left of a sync, over all its runs."""
    specification, enriched = run.specification, run.ledger.enriched
    counts: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    of_others: Counter[str] = Counter()
    for each in enriched.left_over(run.sync):
        if each.field not in specification.fields:
            continue
        match each.state:
            case ValueState.THEIRS | ValueState.SAME:
                of_others[each.field] += each.values
                counts[each.state] += each.values
            case ValueState.REJECTED:
                refused[each.field] += each.values
            case ValueState.UNKNOWN if each.code == READ_BACK:
                counts["not_read_back"] += each.values
            case ValueState.UNKNOWN if is_no_such_object(each.code, None):
                missing[each.field] += each.values
            case ValueState.UNKNOWN:
                counts["unexplained"] += each.values
            case _:
                counts["open"] += each.values
    share = specification.max_reject_share
    whole = [
        name
        for name, count in refused.items()
        if _is_whole(count, enriched.acknowledged(run.sync, name) + of_others[name], share)
    ]
    return Standing(
        open=counts["open"],
        missing=missing.total(),
        objects=max(missing.values(), default=0),
        held=enriched.held_keys(run.sync) if missing else 0,
        not_read_back=counts["not_read_back"],
        unexplained=counts["unexplained"],
        refused_fields=dict(refused),
        refused_whole=tuple(whole),
        theirs=counts[ValueState.THEIRS],
    )


def _is_whole(refused: int, held: int, share: float) -> bool:
    """Return whether a field takes hardly any value: others' values show too that it does."""
    every = refused + held
    return not held or (every >= FEW and refused > share * every)
