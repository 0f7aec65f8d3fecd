"""An export: one dataset, or several, which land one after the other.

Its stages: plan; for each unit, several at once, start the export, await it, fetch and land the
result; report. A unit that is landed again replaces itself, and an export begun by an interrupted
run is resumed.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from connectors.catalogue import DATASETS, check_all_named
from connectors.clock import utc_now
from connectors.errors import (
    CredentialRefusedError,
    PartlyDoneError,
    PipelineError,
    UnreachableError,
)
from connectors.settings.installation import load_settings
from tasks.exports.export import await_export, start_export
from tasks.land.ahead import ExportsAhead
from tasks.land.asked import Asked
from tasks.land.backfill import begin_backfill, finish_backfill
from tasks.land.holding import held, landed_by_another
from tasks.land.outcome import UnitOutcome
from tasks.land.pieces import unit_request
from tasks.land.plan import Plan, Unit, plan_run
from tasks.land.report import raise_unless_complete, report_run
from tasks.land.run import Run, open_run
from tasks.land.run_report import RunReport
from tasks.land.unit import fetch_and_land
from tasks.land.units import land


def export_dataset(
    asked: Asked,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> RunReport:
    """Export a dataset and land it: what is missing up to now, or the windows between two dates.

    Raises:
        PipelineError: nothing landed, or (PartlyDoneError) something was left out.
    """
    return land_plan(plan_run(asked, clock), clock, sleep)


def land_plan(
    plan: Plan,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    following: Iterable[Plan] = (),
) -> RunReport:
    """Land all units of a plan; see `export_dataset`.

    Args:
        plan: what to land.
        clock: returns the current time.
        sleep: waits.
        following: plans that are landed next: their exports are started while this one waits.
    """
    with open_run(plan, clock, sleep) as run, ExitStack() as slots:
        begin_backfill(run)
        landed = land(run, partial(land_unit, ahead=ExportsAhead(following, slots)))
        report = report_run(run, landed)
        finish_backfill(run, landed)
        raise_unless_complete(landed, report)
        return report


def land_unit(run: Run, unit: Unit, ahead: ExportsAhead | None = None) -> UnitOutcome:
    """Land one unit: afterwards it has exactly the rows of the query, or nothing has changed.

    Raises:
        HeldError: another run holds this unit.
        DataRefusedError: the result is incomplete, truncated, or breaks a rule of the dataset.
        UnavailableError: the tenant cannot be reached in time; the export is kept for later.
    """
    tools, specification = run.tools, run.plan.specification
    with held(run, unit) as lease:
        if landed := landed_by_another(run, unit):
            return landed
        request = unit_request(run, unit)
        with start_export(tools, specification, request) as started:
            if ahead:
                ahead.start(run)
            ready = await_export(tools, specification, request, started)
        return fetch_and_land(run, unit, lease, ready)


_FAILS_ALL: Final = (UnreachableError, CredentialRefusedError)
# Of more datasets that fail for one reason, a message names this many.
_NAMED: Final = 5


@dataclass(slots=True)
class Exported:
    """The outcome of several datasets, each on its own."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, PipelineError] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return a dictionary with the reports of all runs, and why datasets failed."""
        return {
            "state": "partly" if self.failures else "landed",
            "datasets": self.reports,
            "failures": [
                {"dataset": name, "error": str(error), "exit_code": error.exit_code}
                for name, error in self.failures.items()
            ],
        }

    def reasons(self) -> str:
        """Return why datasets failed, each reason once with all of its datasets."""
        datasets: dict[str, list[str]] = {}
        for name, error in self.failures.items():
            # Without the request that failed: each dataset has its own.
            why = error.message.removeprefix(f"{name}: ").removeprefix(f"{name} ")
            datasets.setdefault(why, []).append(name)
        return "; ".join(f"{_listed(names)}: {why}" for why, names in datasets.items())

    def __str__(self) -> str:
        """Sum up for an operator."""
        rows = sum(report["rows_landed"] for report in self.reports)
        landed = sum(report["state"] == "landed" for report in self.reports)
        datasets = len({report["dataset"] for report in self.reports} | self.failures.keys())
        return f"{landed} of {datasets} datasets, {rows:,} rows"


def _listed(names: Sequence[str]) -> str:
    """Return names in words; of many only the first, since the report has an entry for each."""
    shown = (
        names if len(names) <= _NAMED + 1 else [*names[:_NAMED], f"{len(names) - _NAMED} others"]
    )
    return ", ".join(shown)


@dataclass(slots=True)
class _Plans:
    """The plans of several datasets, each made once: when it is landed, or its export started."""

    asked: Sequence[Asked]
    clock: Callable[[], datetime]
    made: dict[int, Plan | PipelineError] = field(default_factory=dict)

    def of(self, number: int) -> Plan:
        """Return a plan.

        Raises:
            PipelineError: as `plan_run`.
        """
        if number not in self.made:
            try:
                self.made[number] = plan_run(self.asked[number], self.clock)
            except PipelineError as error:
                self.made[number] = error
        plan = self.made[number]
        if isinstance(plan, PipelineError):
            raise plan
        return plan

    def after(self, number: int) -> Iterator[Plan]:
        """Yield the plans of those after one, as many as may be exported together with it."""
        last = min(number + self.asked[number].concurrency, len(self.asked))
        for later in range(number + 1, last):
            with suppress(PipelineError):
                yield self.of(later)


def export_datasets(
    asked: Sequence[Asked],
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> Exported:
    """Export datasets and land them one after the other; one that fails does not stop the others.

    While one waits for the tenant, the first exports of those after it are started, so that up to
    `concurrency` are in progress at once.

    A tenant that does not answer, or that refuses the credential, would fail every dataset, each
    after its own wait: the remaining ones are then not tried. A misspelt name is refused before
    anything runs; on a schedule, a dataset whose file is gone does not stop the others.

    Raises:
        UsageError: the catalogue does not have all of them.
        PartlyDoneError: some failed or are incomplete; its `report` has the outcome of each.
        PipelineError: the first dataset's error, if none has landed.
    """
    if not any(each.is_scheduled for each in asked):
        names = [each.dataset for each in asked]
        check_all_named(load_settings().catalog, names, DATASETS)
    done, plans = Exported(), _Plans(asked, clock)
    for number, each in enumerate(asked, 1):
        try:
            plan = plans.of(number - 1)
            report = land_plan(plan, clock, sleep, plans.after(number - 1))
            done.reports.append(report.plain())
        except PipelineError as error:
            done.failures[each.dataset] = error
            if isinstance(error, PartlyDoneError) and error.report:
                done.reports.append(dict(error.report))
            if isinstance(error.__cause__ or error, _FAILS_ALL):
                untried = f"not tried after {each.dataset}"
                done.failures |= {left.dataset: error.retold(untried) for left in asked[number:]}
                break
    if not done.failures:
        return done
    reasons = done.reasons()
    first = next(iter(done.failures.values()))
    if done.reports:
        raise PartlyDoneError(f"{done}: {reasons}", report=done.plain()) from first
    raise first.retold(reasons) from first
