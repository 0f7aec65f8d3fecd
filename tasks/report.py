"""The report of a run: counts, bytes and seconds, for the terminal, `_runs`, ledger and UI.

Nothing of a row's values is in it: a report may be read by people who may not read the data.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from connectors.errors import PipelineError, StorageError
from connectors.lake.records import write_run
from tasks.land import Outcome
from tasks.run import Run

logger = logging.getLogger(__name__)

STAGES = ("wait", "download", "conform", "publish")
# Artifacts are kept in Prefect's database and have no size limit of their own.
ARTIFACT_ROWS = 100


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended. `state` is landed, partly or failed; bytes are as received and as read."""

    run_id: str
    tenant: str
    dataset: str
    trigger: str
    state: str
    started_at: datetime
    finished_at: datetime
    units: int
    rows_read: int
    rows_landed: int
    rows_rejected: int
    rows_outside: int
    repeated_hour: int
    wire_bytes: int
    csv_bytes: int
    parquet_bytes: int
    folder: str
    error: str | None
    seconds: dict[str, float]
    outcomes: list[dict[str, Any]]

    def plain(self) -> dict[str, Any]:
        """Give the report as a dictionary; date-times stay objects."""
        return asdict(self)


def build_report(
    run: Run, outcomes: Sequence[Outcome], error: PipelineError | None = None
) -> RunReport:
    """Sum up the outcomes of a run's units."""
    total = {
        name: sum(getattr(outcome, name) for outcome in outcomes)
        for name in (
            "rows_read",
            "rows_landed",
            "rows_rejected",
            "rows_outside",
            "repeated_hour",
            "wire_bytes",
            "csv_bytes",
            "parquet_bytes",
        )
    }
    complete = len(outcomes) == len(run.plan.units) and not total["rows_rejected"]
    return RunReport(
        run_id=run.run_id,
        tenant=run.plan.tenant.name,
        dataset=run.dataset,
        trigger=run.plan.trigger,
        state="landed" if complete else "partly" if outcomes else "failed",
        started_at=run.started_at,
        finished_at=run.tools.clock(),
        units=len(outcomes),
        folder=run.lake.location(run.dataset),
        error=str(error) if error else None,
        seconds={
            stage: round(sum(outcome.seconds.get(stage, 0.0) for outcome in outcomes), 3)
            for stage in STAGES
        },
        outcomes=[asdict(outcome) for outcome in outcomes],
        **total,
    )


def save_report(run: Run, report: RunReport) -> None:
    """Keep a report in the lake (`_runs`) and, last, in the ledger.

    A run that failed because the disk is full cannot keep its report there either: then the
    ledger alone has it, and the first error stays the one that is told.
    """
    try:
        write_run(run.lake, report.plain())
    except StorageError as error:
        if report.error is None:
            raise
        logger.warning("the report of run %s is in the ledger only: %s", run.run_id, error)
    run.ledger.finish_run(run.run_id, report.state, report.plain())


def markdown(report: RunReport) -> str:
    """Write a report for the Prefect UI."""
    lines = [
        f"# {report.dataset}: {report.state}",
        "",
        (
            f"{report.rows_landed:,} rows landed, {report.rows_rejected:,} rejected, "
            f"{report.rows_outside:,} outside the window, of {report.rows_read:,} read. "
            f"Run `{report.run_id}` of tenant `{report.tenant}`."
        ),
        "",
        "| unit | landed | rejected | received | Parquet | seconds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        (
            f"| {row['unit']} | {row['rows_landed']:,} | {row['rows_rejected']:,} | "
            f"{row['wire_bytes']:,} B | {row['parquet_bytes']:,} B | "
            f"{sum(row['seconds'].values()):.1f} |"
        )
        for row in report.outcomes[:ARTIFACT_ROWS]
    ]
    if report.error:
        lines += ["", f"**{report.error}**"]
    return "\n".join(lines)


@task(name="report", cache_policy=NO_CACHE, persist_result=False)
def report_run(
    run: Run, outcomes: Sequence[Outcome], error: PipelineError | None = None
) -> RunReport:
    """Save the report and show it as an artifact of the flow run."""
    report = build_report(run, outcomes, error)
    save_report(run, report)
    try:
        create_markdown_artifact(
            key=f"export-{report.dataset.replace('_', '-')}", markdown=markdown(report)
        )
    except Exception:  # noqa: BLE001 - what was published does not depend on the UI
        logger.warning("the report of run %s could not be shown in Prefect", run.run_id)
    return report
