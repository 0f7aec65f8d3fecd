"""Land datasets: what is missing up to now, or the windows of a period.

Source: saved NQL queries of the tenant. Grain: one row per row of the query. Schedule: each
dataset's own. Safe to run again at any time: a unit that is landed again replaces itself, and an
export begun by an interrupted run is resumed. Triage: `nxp runs`, then the unit's last error in
`nxp datasets NAME`.
"""

from typing import Annotated, Any

from prefect import flow, runtime
from pydantic import Field

from connectors.catalogue import DATASET_PATTERN, DURATION_PATTERN
from flows.naming import is_scheduled, named, scheduled_at, subjects
from tasks.exports.windows import INSTANT_PATTERN
from tasks.land.asked import CONCURRENCY, MOST_AT_ONCE, Asked, Only
from tasks.land.chunks import Chunk
from tasks.land.run_report import summary
from tasks.runs.recorded import completed
from tasks.stories.export import export_dataset, export_datasets

Dataset = Annotated[str, Field(pattern=DATASET_PATTERN)]
Datasets = Annotated[list[Dataset], Field(min_length=1)]
Instant = Annotated[str, Field(pattern=INSTANT_PATTERN)]
AtOnce = Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]


@flow(name="nql-export", flow_run_name=named("export", "dataset"), persist_result=False)
def nql_export(
    dataset: Dataset | Datasets,
    window_from: Instant | None = None,
    window_to: Instant | None = None,
    tenant: str | None = None,
    accept_shrink: bool = False,
    full_refresh: bool = False,
    concurrency: AtOnce = CONCURRENCY,
) -> dict[str, Any]:
    """Export datasets of the catalogue from Nexthink and land them.

    Without dates: a snapshot of now, or every window that is missing up to now, and those that
    late rows may still join; the watermark moves. Each dataset lands on its own: one that fails
    does not stop the others.

    Args:
        dataset: a name of deployments/datasets, or several.
        window_from: first instant to land again, a date or a date-time with offset.
        window_to: the instant to stop before.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
        accept_shrink: publish even if far fewer rows came than have landed already.
        full_refresh: land all windows again, as far back as the query reaches.
        concurrency: how many windows to land at once.
    """
    asked = [
        Asked(
            name,
            window_from,
            window_to,
            tenant,
            accept_shrink,
            full_refresh,
            concurrency=concurrency,
            scheduled_at=scheduled_at(),
            is_scheduled=is_scheduled(),
        )
        for name in ([dataset] if isinstance(dataset, str) else dataset)
    ]
    if len(asked) == 1:
        report = export_dataset(asked[0])
        return completed(report.plain(), summary(report))
    exported = export_datasets(asked)
    return completed(exported.plain(), str(exported))


def _backfill_name() -> str:
    given = runtime.flow_run.parameters
    dates = "..".join(subjects(given, "window_from", "window_to"))
    return " ".join(["back-fill", *subjects(given, "dataset"), dates])


@flow(name="nql-backfill", flow_run_name=_backfill_name, persist_result=False)
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
    """Land a period, window by window; run again, it lands only what is left.

    The watermark of the scheduled export stays where it is.

    Args:
        dataset: a window dataset of deployments/datasets.
        window_from: first instant, a date or a date-time with offset.
        window_to: the instant to stop before.
        step: length of a window; by default, the dataset's own.
        only: missing windows, those whose last try failed, or all of them.
        concurrency: how many windows to land at once.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
        accept_shrink: publish even if far fewer rows came than have landed already.
        chunk: leave this empty; `nxp backfill --on` sets it to the windows the run lands first.
    """
    asked = Asked(
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
    report = export_dataset(asked)
    return completed(report.plain(), summary(report))
