"""Maintain one dataset: drop what is past its retention, delete what was replaced long ago.

Source and target: the lake. Schedule: daily, outside the exports' own time if you can; beside a
running export it is safe. Safe to run again at any time: a run that was killed is gone on with by
the next. Triage: `nxp runs DATASET`, trigger maintain.
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from connectors.catalogue import DATASET_PATTERN, DURATION_PATTERN
from tasks.upkeep.upkeep import maintain_task


@flow(name="maintain", flow_run_name="{dataset}", persist_result=False)
def maintain(
    dataset: Annotated[str, Field(pattern=DATASET_PATTERN)],
    tenant: str | None = None,
    grace: Annotated[str, Field(pattern=DURATION_PATTERN)] = "7d",
) -> dict[str, Any]:
    """Drop what of a dataset is past its retention, and clear away what nobody reads any more.

    Args:
        dataset: a name of deployments/datasets, or of deployments/syncs.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        grace: how long what left the manifest is kept in `_old`, such as 12h or 7d.
    """
    return maintain_task(dataset, grace, tenant)
