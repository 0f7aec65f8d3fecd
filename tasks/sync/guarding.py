"""The numbers that guards judge: of a plan, and of the plans before it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.ledger import Ledger, PlanRecord
from connectors.ledger.enriched import EnrichedCounts
from connectors.syncs import SyncMode
from tasks.sync.guards import GuardNumbers
from tasks.sync.plan_rows import DiffCounts
from tasks.sync.wanted import SourceCounts


@dataclass(frozen=True, slots=True)
class Losses:
    """Keys with a value that are missing from the sources.

    Attributes:
        lost: since the last full pull.
        still: of all that are missing, those whose values this plan leaves.
    """

    lost: int
    still: int


def losses(ledger: Ledger, sync: str, counts: DiffCounts, mode: SyncMode) -> Losses:
    """Return which keys went missing with a full pull: those that did before are known."""
    last = ledger.plans.last_full(sync)
    before = last.summary.get("still_lost") if last else 0
    if before is None:
        # A plan of an earlier release did not count them. In an upsert all may be long gone.
        before = ledger.absences.count(sync) if mode is SyncMode.MIRROR else counts.missing_keys
    lost = max(counts.missing_keys - before, 0)
    return Losses(lost, counts.missing_keys - counts.gone_keys)


def numbers_of(
    source: SourceCounts,
    counts: DiffCounts,
    known: EnrichedCounts,
    *,
    keys: int,
    last_keys: int | None,
    found: Losses | None,
    lately: "Lately",
) -> GuardNumbers:
    """Return what the guards judge.

    Args:
        source: the counts of the sources.
        counts: the counts of the comparison.
        known: what the ledger knew.
        keys: the keys that the sources have.
        last_keys: those of the last full pull that was applied.
        found: what is missing from a full pull; None if it was not one.
        lately: what the plans of the last days took away.
    """
    return GuardNumbers(
        rows=source.rows,
        keys=keys,
        is_full=found is not None,
        last_keys=last_keys,
        known=known.keys,
        changed=counts.changed_keys,
        with_value=known.keys_with_value,
        cleared=counts.cleared_keys,
        lost=found.lost if found else 0,
        new=counts.new_keys,
        first_values=counts.first_keys,
        lost_lately=lately.lost,
        cleared_lately=lately.cleared,
    )


@dataclass(frozen=True, slots=True)
class Lately:
    """What the plans of the last days took away, since a person last accepted one; in keys."""

    lost: int = 0
    cleared: int = 0


def lately(ledger: Ledger, sync: str, now: datetime, over: timedelta) -> Lately:
    """Return what the plans begun within `over` took away."""
    plans = list[PlanRecord]()
    for plan in ledger.plans.begun_since(sync, now - over):
        if plan.accepted:
            # A person has looked at the numbers up to this one.
            break
        plans.append(plan)
    return Lately(
        lost=sum(plan.summary.get("lost") or 0 for plan in plans),
        # A person asks for each plan that takes another one back.
        cleared=sum(
            plan.summary["counts"].get("cleared_keys", 0)
            for plan in plans
            if not plan.summary.get("undoes")
        ),
    )
