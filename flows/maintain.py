"""Maintain a dataset or a sync: delete data past its retention, and superseded files.

Source and target: the lake. Schedule: daily, preferably outside the exports' own time; it is safe
while an export runs. Safe to run again at any time: the next run finishes what a killed one left.
Triage: `nxp runs DATASET`, trigger maintain.
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from connectors.catalogue import DATASET_PATTERN, DURATION_PATTERN
from flows.naming import named
from tasks.runs.recorded import completed
from tasks.stories.maintain import maintain as maintain_now
from tasks.upkeep.maintain import plan_upkeep


@flow(name="maintain", flow_run_name=named("maintain", "dataset"), persist_result=False)
def maintain(
    dataset: Annotated[str, Field(pattern=DATASET_PATTERN)],
    tenant: str | None = None,
    grace: Annotated[str, Field(pattern=DURATION_PATTERN)] = "7d",
) -> dict[str, Any]:
    """Delete a dataset's data past its retention, and files that are no longer read.

    Args:
        dataset: a name of deployments/datasets, or of deployments/syncs.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
        grace: how long superseded files are kept in `_old`, such as 12h or 7d.
    """
    report = maintain_now(plan_upkeep(dataset, grace, tenant))
    gone = f"{report['units']} units past retention, {report['files_deleted']} files deleted"
    return completed(report, f"{dataset} {report['state']}: {gone}")
