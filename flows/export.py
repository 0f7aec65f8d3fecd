"""Land one dataset: what a schedule has to land, or the windows of a stretch of time.

Source: saved NQL queries of the tenant. Grain: as the query lists. Schedule: deployments/
prefect.yaml. Safe to run again at any time: a unit that is landed again replaces itself, and an
export that an interrupted run has begun is gone on with. Triage: `nxp runs`, then the unit's
last error in `nxp datasets NAME`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from prefect import flow, runtime
from pydantic import Field

from connectors.catalogue import DATASET_PATTERN, DURATION_PATTERN
from tasks.exports.windows import INSTANT_PATTERN
from tasks.land.backfill import begin_backfill, finish_backfill
from tasks.land.chunks import Chunk
from tasks.land.plan import CONCURRENCY, MOST_AT_ONCE, Asked, Only, plan_run
from tasks.land.report import raise_unless_complete, report_run
from tasks.land.run import open_run
from tasks.land.units import land

Dataset = Annotated[str, Field(pattern=DATASET_PATTERN)]
Instant = Annotated[str, Field(pattern=INSTANT_PATTERN)]
AtOnce = Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]


@flow(name="nql-export", flow_run_name="{dataset}", persist_result=False)
def nql_export(
    dataset: Dataset,
    window_from: Instant | None = None,
    window_to: Instant | None = None,
    tenant: str | None = None,
    accept_shrink: bool = False,
    full_refresh: bool = False,
    concurrency: AtOnce = CONCURRENCY,
) -> dict[str, Any]:
    """Export a dataset of the catalogue from Nexthink and land it.

    Without dates: a snapshot of now, or every window that is missing up to now, and those that
    late rows may still join; the watermark moves.

    Args:
        dataset: a name of deployments/datasets.
        window_from: first instant to land again, a date or a date-time with offset.
        window_to: the instant to stop before.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        accept_shrink: publish although far fewer rows came than are landed already.
        full_refresh: land all windows again, as far as the query reaches.
        concurrency: how many windows at once.
    """
    return _run(
        Asked(
            dataset,
            window_from,
            window_to,
            tenant,
            accept_shrink,
            full_refresh,
            concurrency=concurrency,
            scheduled_at=_scheduled_at(),
        )
    )


@flow(
    name="nql-backfill", flow_run_name="{dataset} {window_from} {window_to}", persist_result=False
)
def nql_backfill(
    dataset: Dataset,
    window_from: Instant,
    window_to: Instant,
    step: Annotated[str, Field(pattern=DURATION_PATTERN)] | None = None,
    only: Only = Only.MISSING,
    concurrency: AtOnce = CONCURRENCY,
    tenant: str | None = None,
    accept_shrink: bool = False,
    chunk: Chunk | None = None,
) -> dict[str, Any]:
    """Land a stretch of time, window by window; started again it does only what is left.

    The watermark of the schedule stays where it is.

    Args:
        dataset: a window dataset of deployments/datasets.
        window_from: first instant, a date or a date-time with offset.
        window_to: the instant to stop before.
        step: length of a window; without it the dataset's own.
        only: missing windows, those whose last try failed, or all of them.
        concurrency: how many windows at once.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        accept_shrink: publish although far fewer rows came than are landed already.
        chunk: leave it empty; `nxp backfill --on` says by it what a run lands first.
    """
    return _run(
        Asked(
            dataset,
            window_from,
            window_to,
            tenant,
            accept_shrink,
            step=step,
            only=only,
            concurrency=concurrency,
            chunk=chunk,
        )
    )


def _run(asked: Asked) -> dict[str, Any]:
    with open_run(plan_run(asked)) as run:
        run.ledger.begin_run(run.run_id, run.dataset, run.plan.trigger)
        begin_backfill(run)
        landed = land(run)
        report = report_run(run, landed)
        finish_backfill(run, landed)
        raise_unless_complete(landed, report)
        return report.plain()


def _scheduled_at() -> datetime | None:
    """Give the time that the run was scheduled for, so that a late run lands its own slot."""
    scheduled = runtime.flow_run.scheduled_start_time
    # Prefect's own date-time class does not compute with the standard library's.
    return None if scheduled is None else datetime.fromtimestamp(scheduled.timestamp(), UTC)
