"""Land one dataset: every unit that is asked for, one after the other.

Source: a saved NQL query of the tenant. Grain: as the query lists. Schedule: deployments/
prefect.yaml. Safe to run again at any time: a unit that is landed again replaces itself, and an
export that an interrupted run has begun is gone on with. Triage: `nxp runs`, then the unit's
last error in `nxp datasets NAME`.
"""

from datetime import UTC, datetime
from typing import Any

from prefect import flow, runtime

from connectors.errors import PartlyDoneError, PipelineError
from tasks.land import Outcome, land
from tasks.report import RunReport, report_run
from tasks.run import Asked, open_run, plan_run


@flow(name="nql-export", flow_run_name="{dataset}", persist_result=False)
def nql_export(
    dataset: str,
    window_from: str | None = None,
    window_to: str | None = None,
    tenant: str | None = None,
    accept_shrink: bool = False,
) -> dict[str, Any]:
    """Export a dataset of the catalogue from Nexthink and land it in the lake.

    Args:
        dataset: a name of deployments/datasets.
        window_from: first instant to land, a date or a date-time with offset; with window_to.
            Without dates a window dataset lands its last full window.
        window_to: the instant to stop before.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        accept_shrink: publish although far fewer rows came than are landed already.
    """
    asked = Asked(dataset, window_from, window_to, tenant, accept_shrink, _scheduled_at())
    with open_run(plan_run(asked)) as run:
        run.ledger.begin_run(run.run_id, run.dataset, run.plan.trigger)
        outcomes: list[Outcome] = []
        try:
            for unit in run.plan.units:
                outcomes.append(land(run, unit))  # noqa: PERF401 - kept when a later one fails
        except PipelineError as error:
            report_run(run, outcomes, error)
            if not outcomes:
                raise
            done, all_units = len(outcomes), len(run.plan.units)
            raise PartlyDoneError(f"{done} of {all_units} windows landed, then: {error}") from error
        return _complete(report_run(run, outcomes))


def _complete(report: RunReport) -> dict[str, Any]:
    """Let a run with rejected rows end as such: it must not look green."""
    if report.rows_rejected:
        raise PartlyDoneError(
            f"{report.dataset}: {report.rows_landed} rows landed, {report.rows_rejected} were "
            f"rejected: see the view _rejects of nxp sql, run_id {report.run_id}"
        )
    return report.plain()


def _scheduled_at() -> datetime | None:
    """Give the time that the run was scheduled for, so that a late run lands its own slot."""
    scheduled = runtime.flow_run.scheduled_start_time
    # Prefect's own date-time class does not compute with the standard library's.
    return None if scheduled is None else datetime.fromtimestamp(scheduled.timestamp(), UTC)
