"""The facts of runs, syncs and actions, by what the ledger keeps: counts and times only.

Reports also have errors, and names of people who asked or approved: these are not taken over.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from connectors.actions import ActionSpecification, read_actions
from connectors.catalogue import DATASET_PATTERN
from connectors.ledger import CallKind, Ledger
from connectors.ledger.counters import ADVISED, NAMES
from connectors.settings.tenants import TenantSettings
from connectors.syncs import read_syncs
from connectors.syncs.specification import SyncSpecification
from tasks.site.facts import ActionFacts, DailyLimit, RunFacts, SyncFacts, problem_of

SHOWN_DAYS: Final = 30
# A month of two hundred datasets a day.
_MOST_RUNS: Final = 6_000
_MOST_OF_ONE: Final = 200
# Counts of a sync's or an action's report, with what people read.
_COUNTS: Final = {
    "targets": "targets",
    "requested": "requested",
    "in_doubt": "in doubt",
    "acknowledged": "accepted",
    "rejected": "rejected",
    "refused": "refused",
    "unknown": "outcome unknown",
    "not_sent": "not sent",
    "confirmed": "read back the same",
    "waiting": "waiting",
}
_FAILED: Final = frozenset({"failed", "partly", "interrupted", "abandoned"})
_OTHER: Final = "other"


def recent_runs(ledger: Ledger, now: datetime) -> tuple[RunFacts, ...]:
    """Return the runs of the last days, newest first."""
    since = now - timedelta(days=SHOWN_DAYS)
    return tuple(
        _run(each) for each in ledger.runs(limit=_MOST_RUNS) if each["started_at"] >= since
    )


def limits_of(ledger: Ledger, tenant: TenantSettings | None) -> tuple[DailyLimit, ...]:
    """Return what the tenant was asked in the last 24 hours, with the limit that is known."""
    ours = {
        CallKind.EXPORTS: tenant.daily_exports if tenant else None,
        CallKind.EXECUTES: tenant.daily_executes if tenant else None,
        CallKind.CALLS: tenant.daily_calls if tenant else None,
    }
    found = []
    for kind in CallKind:
        known, advised = ledger.limits.known(kind), ADVISED.get(kind)
        if ours[kind] is not None:
            most, whose = ours[kind], "limit of the settings"
        elif known is not None:
            most, whose = known, "as many as the tenant has shown to take"
        else:
            most, whose = advised, "advised by the vendor" if advised else ""
        found.append(DailyLimit(NAMES[kind], ledger.limits.made(kind), most, whose))
    return tuple(found)


def sync_facts(catalog: Path, ledger: Ledger) -> Iterator[SyncFacts]:
    """Yield every sync of the catalogue."""
    loaded = read_syncs(catalog)
    for name in loaded.names:
        problem = problem_of(loaded.problems.get(name, ()))
        sync = loaded.found.get(name)
        yield SyncFacts(
            name,
            writes=_writes(sync) if sync else "",
            keys=ledger.enriched.counts(name).keys,
            fields=tuple(sync.fields) if sync else (),
            runs=_oldest_first(ledger, name),
            problem=problem,
        )


def action_facts(catalog: Path, ledger: Ledger) -> Iterator[ActionFacts]:
    """Yield every action of the catalogue."""
    loaded = read_actions(catalog)
    for name in loaded.names:
        action = loaded.found.get(name)
        facts = ActionFacts(
            name,
            kind=action.kind.value.replace("_", " ") if action else "",
            does=_does(action) if action else "",
            requests=0,
            targets=0,
            outcomes={},
            runs=_oldest_first(ledger, name),
            problem=problem_of(loaded.problems.get(name, ())),
        )
        if action:
            before = ledger.actions.history.of(action.kind.value, action.id)
            outcomes = {key.replace("_", " "): count for key, count in before.outcomes.items()}
            facts = replace(
                facts, requests=before.requests, targets=before.targets, outcomes=outcomes
            )
        yield facts


def _run(record: Mapping[str, Any]) -> RunFacts:
    report = record["report"] or {}
    started, finished = record["started_at"], record["finished_at"]
    outcomes = report.get("outcomes")
    counts = {said: report.get(name) for name, said in _COUNTS.items()}
    if isinstance(outcomes, Mapping):
        counts |= {str(name).replace("_", " "): count for name, count in outcomes.items()}
    is_export = "rows_read" in report
    return RunFacts(
        run_id=record["run_id"],
        name=_name(record["dataset"]),
        kind=_word(record["trigger"]),
        state=_word(record["state"]),
        started_at=started,
        seconds=(finished - started).total_seconds() if finished else None,
        rows=report.get("rows_landed") if is_export else None,
        rejected=report.get("rows_rejected") if is_export else None,
        calls=report.get("calls"),
        objects=report.get("objects"),
        counts={} if is_export else {n: c for n, c in counts.items() if isinstance(c, int) and c},
        convergence=report.get("convergence"),
        failed=bool(report.get("error")) or record["state"] in _FAILED,
    )


def _oldest_first(ledger: Ledger, name: str) -> tuple[RunFacts, ...]:
    return tuple(_run(each) for each in reversed(ledger.runs(name, _MOST_OF_ONE)))


def _name(text: str) -> str:
    """Return the name of a dataset, sync or action; raw operations have other texts."""
    return text if re.fullmatch(DATASET_PATTERN, text) else _OTHER


def _word(text: str) -> str:
    """Return a state or the kind of a run for people; anything but words is left out."""
    return text.replace("_", " ") if re.fullmatch(r"[a-z_ -]{1,40}", text) else _OTHER


def _writes(sync: SyncSpecification) -> str:
    fields = f"{len(sync.fields)} field{'' if len(sync.fields) == 1 else 's'}"
    return f"{fields} of each {sync.object_type}, mode {sync.mode.value}"


def _does(action: ActionSpecification) -> str:
    dry = ", plans only (dry_run)" if action.dry_run else ""
    scenario = f", {action.scenario.value.replace('_', ' ')}" if action.scenario else ""
    return f"{action.id}{scenario}{dry}"
