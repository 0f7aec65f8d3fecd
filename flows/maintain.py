"""Maintain one dataset: drop what is past its retention, delete what was replaced long ago.

Source and target: the lake. Schedule: daily, outside the exports' own time if you can; beside a
running export it is safe. Safe to run again at any time: a run that was killed is gone on with by
the next. Triage: `nxp runs DATASET`, trigger maintain.
"""

from typing import Any

from prefect import flow

from tasks.upkeep import maintain_task


@flow(name="maintain", flow_run_name="{dataset}", persist_result=False)
def maintain(dataset: str, tenant: str | None = None, grace: str = "7d") -> dict[str, Any]:
    """Drop a dataset's units past their retention, and clear away what nobody reads any more.

    Args:
        dataset: a name of deployments/datasets.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
        grace: how long what left the manifest is kept in `_old`, such as 12h or 7d.
    """
    return maintain_task(dataset, grace, tenant)
