"""Reporting a run: sum up its units, settle doubts, move the watermark, keep the report."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from connectors.counting import number_of
from connectors.errors import PartlyDoneError, PipelineError
from connectors.ledger import Doubt
from tasks.columns.reasons import most_frequent
from tasks.land.doubts import DoubtsFound, changed_doubts
from tasks.land.outcome import UnitOutcome
from tasks.land.plan import Unit
from tasks.land.remaining import landed_of
from tasks.land.run import Run
from tasks.land.run_report import RunReport, markdown, summary
from tasks.land.schedule import Coverage
from tasks.land.units import LandedUnits
from tasks.runs import metrics
from tasks.runs.artifact import show_report
from tasks.runs.emptiness import conspicuous
from tasks.runs.events import emit_outcome
from tasks.runs.overview import show_freshness
from tasks.runs.recorded import recorded

logger = logging.getLogger(__name__)

STAGES = ("wait", "download", "conform", "check", "publish")
SUMMED = (
    "calls",
    "rows_read",
    "rows_landed",
    "rows_rejected",
    "rows_outside",
    "rows_filtered",
    "duplicates",
    "repeated_hour",
    "wire_bytes",
    "csv_bytes",
    "parquet_bytes",
)


def build_report(run: Run, landed: LandedUnits, watermark: datetime | None = None) -> RunReport:
    """Return the report of a run, summed up from its units."""
    outcomes = sorted(landed.outcomes, key=lambda outcome: outcome.unit)
    total = {name: sum(getattr(outcome, name) for outcome in outcomes) for name in SUMMED}
    planned = len(run.plan.units) - landed.left
    doubts = _doubts(run, outcomes)
    complete = len(outcomes) == planned and not total["rows_rejected"] and not doubts.any
    return RunReport(
        run_id=run.run_id,
        tenant=run.plan.tenant.name,
        dataset=run.dataset,
        trigger=run.plan.trigger,
        state="landed" if complete else "failed" if _first(landed) and not outcomes else "partly",
        started_at=run.started_at,
        finished_at=run.tools.clock(),
        planned=planned,
        units=len(outcomes),
        folder=run.lake.dataset_location(run.dataset),
        watermark=watermark,
        error=_error(run.dataset, landed)
        or doubts.said(run.dataset, run.plan.tenant.named("tenant_retention")),
        seconds={
            stage: round(sum(outcome.seconds.get(stage, 0.0) for outcome in outcomes), 3)
            for stage in STAGES
        },
        expired=[str(window) for window in doubts.expired],
        partial=list(doubts.partial),
        unproven=list(doubts.unproven),
        empty=_empty(run, outcomes),
        failures=[
            {"unit": failure.unit, "error": str(failure.error)} for failure in landed.failures
        ],
        outcomes=[asdict(outcome) for outcome in outcomes],
        **total,
    )


@recorded("report", says=summary)
def report_run(run: Run, landed: LandedUnits) -> RunReport:
    """Move the watermark, and keep the report in the lake (`_runs`), Prefect and the ledger."""
    _settle_doubts(run, landed)
    report = build_report(run, landed, move_watermark(run))
    row = report.plain()
    plain = {**row, "exit_code": _exit_code(landed, report)}
    run.parts.keep_report(report.state, plain, row)
    metrics.watermark_moved(report.watermark, report.finished_at)
    logger.info("%s", summary(report))
    emit_outcome(row)
    show_report("export", report.tenant, report.dataset, markdown(report))
    show_freshness(run.plan.settings, run.ledger, report.tenant, report.finished_at)
    return report


def _exit_code(landed: LandedUnits, report: RunReport) -> int:
    """Return the run's exit code as a command, for those who wait for it on another machine."""
    first = _first(landed)
    if first is not None and not landed.outcomes:
        return first.exit_code
    left_out = first is not None or report.rows_rejected or _is_in_doubt(report)
    return PartlyDoneError.exit_code if left_out else 0


def raise_unless_complete(landed: LandedUnits, report: RunReport) -> None:
    """Raise unless everything landed, so that an incomplete run never shows as successful.

    Raises:
        PipelineError: the first failure, if nothing has landed.
        PartlyDoneError: something has landed, and something was left out.
    """
    first = _first(landed)
    if first is not None:
        several = len(landed.failures) > 1
        message = (
            f"{report.dataset}: {report.units} of {report.planned} windows landed, "
            f"{'' if several else 'then: '}{report.error}"
        )
        if landed.outcomes:
            raise PartlyDoneError(message, report=report.plain()) from first
        if several:
            raise first.retold(message) from first
        raise first
    if report.rows_rejected:
        reasons = sum((Counter(outcome.reasons) for outcome in landed.outcomes), Counter[str]())
        raise PartlyDoneError(
            f"{report.dataset}: {number_of(report.rows_landed, 'row')} landed, "
            f"{report.rows_rejected:,} were "
            f"rejected{most_frequent(reasons, report.rows_rejected)}: see nxp rejects "
            f"{report.dataset}, run {report.run_id}",
            report=report.plain(),
        )
    if _is_in_doubt(report):
        raise PartlyDoneError(report.error or "", report=report.plain())


def _error(dataset: str, landed: LandedUnits) -> str | None:
    """Return why windows did not land: the reason of one, and how many there are."""
    first, failed = _first(landed), len(landed.failures)
    if first is None or failed <= 1:
        return str(first) if first else None
    which = "what stopped the run" if landed.stopped else "the first"
    return f"{failed} failed, {which}: {first}; see nxp datasets {dataset}"


def _doubts(run: Run, outcomes: Sequence[UnitOutcome]) -> DoubtsFound:
    """Return what a run found that may lack rows, or has expired."""

    def landed(doubt: Doubt) -> list[str]:
        return [outcome.unit for outcome in outcomes if outcome.doubt is doubt]

    known = [Unit.of_window(window).name for window in run.plan.in_part]
    return DoubtsFound(
        run.plan.expired,
        tuple(sorted({*known, *landed(Doubt.PARTIAL)})),
        tuple(landed(Doubt.UNPROVEN)),
    )


def _settle_doubts(run: Run, landed: LandedUnits) -> None:
    """Record expired windows, and doubts that other windows have settled or raised."""
    expired = [Unit.of_window(window) for window in run.plan.expired]
    if expired:
        planned = [(unit.name, unit.starts_at, unit.ends_at) for unit in expired]
        run.ledger.plan_units(run.dataset, planned)
        run.ledger.doubts.mark_expired(run.dataset, [unit.name for unit in expired])
    if run.plan.calendar is None:
        return
    records = run.ledger.units(run.dataset)
    began = run.ledger.began({each.run_id for each in records if each.run_id})
    changed = changed_doubts(records, run.plan.calendar, began)
    for doubt in (None, *Doubt):
        names = [unit for unit, now in changed.items() if now is doubt]
        run.ledger.doubts.set(run.dataset, names, doubt)
    for outcome in landed.outcomes:
        outcome.doubt = changed.get(outcome.unit, outcome.doubt)


def _empty(run: Run, outcomes: Sequence[UnitOutcome]) -> list[str]:
    """Return the units of a run that are conspicuously empty."""
    # One that `where` has emptied is not conspicuous.
    ours = {
        outcome.unit
        for outcome in outcomes
        if not outcome.rows_landed and not outcome.rows_filtered
    }
    if not ours or run.plan.calendar is None:
        return []
    return [each.unit for each in conspicuous(run.ledger.units(run.dataset)) if each.unit in ours]


def _is_in_doubt(report: RunReport) -> bool:
    return bool(report.expired or report.partial or report.unproven)


def _first(landed: LandedUnits) -> PipelineError | None:
    """Return the error to report: what stopped the run, otherwise that of the first window."""
    return landed.stopped or (landed.failures[0].error if landed.failures else None)


def move_watermark(run: Run) -> datetime | None:
    """Move the watermark to the end of the contiguous landed time; a back-fill only reads it.

    What back-fills have landed counts from the next scheduled export on.
    """
    if run.plan.origin is None:
        known = run.ledger.marks.watermark(run.dataset)
        return known.position if known else None
    coverage = Coverage(known.window for known in landed_of(run.ledger.units(run.dataset)))
    position = coverage.end_from(run.plan.origin)
    run.ledger.marks.set_watermark(run.dataset, run.plan.origin, position)
    return position
