"""What the runs of the last year noted in the ledger: changed columns, and repeated keys."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.ledger import Ledger
from tasks.site.facts import ColumnChange

SHOWN_DAYS: Final = 366
# A landing's own words: tasks.columns.contract.
_PART: Final = re.compile(
    r"(?:^|, )(?:(?P<what>adds|stops filling) (?P<name>\w+)"
    r"|changes (?P<column>\w+) from (?P<before>.+?) to (?P<after>.+?))"
    r"(?=$|, (?:adds|stops filling|changes|nxp lake rewrite) )"
)
_WHAT: Final = {"adds": "appeared", "stops filling": "no longer filled"}
# Names of columns in NQL, and of headers that the tenant sends.
_NAME: Final = re.compile(r"[\w.#() -]{1,100}")
_FLAWS: Final = {
    "columns_absent": "not sent by the tenant",
    "columns_dropped": "sent by the tenant, and left out: it is not declared",
}


def noting_runs(ledger: Ledger, now: datetime) -> list[dict[str, Any]]:
    """Return the runs of the last year that noted something, oldest first.

    Raises:
        UnavailableError: the ledger cannot be read.
    """
    return ledger.runs_with_changes(now - timedelta(days=SHOWN_DAYS))


def repeated_keys(runs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Return how many rows had the key of another row, by run and unit, where some had."""
    return {
        (run["run_id"], outcome["unit"]): outcome["repeated_keys"]
        for run in runs
        for outcome in _outcomes(run)
        if outcome.get("repeated_keys")
    }


def schema_changes(runs: Iterable[Mapping[str, Any]]) -> dict[str, tuple[ColumnChange, ...]]:
    """Return the changes of each dataset that had some, newest first."""
    found: dict[str, list[ColumnChange]] = defaultdict(list)
    repeated: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for run in runs:
        said: dict[ColumnChange, None] = {}
        at = run["started_at"]
        for outcome in _outcomes(run):
            said |= dict.fromkeys(_changes(outcome, at))
            for flaw, words in _FLAWS.items():
                for name in filter(_NAME.fullmatch, outcome.get(flaw, ())):
                    repeated[run["dataset"], name, words].append(at)
        found[run["dataset"]] += said
    for (dataset, name, words), times in repeated.items():
        found[dataset].append(ColumnChange(times[0], name, words, times[-1]))
    return {
        name: tuple(sorted(changes, key=lambda each: each.at, reverse=True))
        for name, changes in found.items()
        if changes
    }


def _outcomes(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the outcomes of a run's units; those of an action are counts by name."""
    outcomes = run["report"].get("outcomes")
    return outcomes if isinstance(outcomes, list) else []


def _changes(outcome: Mapping[str, Any], at: datetime) -> Iterator[ColumnChange]:
    for warning in outcome.get("warnings", ()):
        # Other warnings are those of checks, which may have a value.
        if not re.match(r"(adds|stops filling|changes) \w", warning):
            continue
        for part in _PART.finditer(warning):
            if part["what"]:
                yield ColumnChange(at, part["name"], _WHAT[part["what"]])
            else:
                yield ColumnChange(at, part["column"], f"from {part['before']} to {part['after']}")
