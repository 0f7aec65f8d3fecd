"""The weekly gap check: land, or report, windows of the last days that never landed.

Source: the ledger. Schedule: weekly. Safe to run again at any time, even during exports: leases
keep two runs from landing the same window. Triage: the run's artifact, then `nxp datasets NAME`.
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.export import Dataset
from flows.naming import named
from tasks.runs.recorded import completed
from tasks.stories.gaps import close_gaps

LONGEST_DAYS = 400


@flow(name="nql-gaps", flow_run_name=named("gaps", "datasets"), persist_result=False)
def nql_gaps(
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = 28,
    datasets: tuple[Dataset, ...] = (),
    land: bool = True,
    tenant: str | None = None,
) -> list[dict[str, Any]]:
    """Look for windows that never landed, and land those that the query still reaches.

    Args:
        days: how far to look back from now.
        datasets: window datasets of deployments/datasets; by default, all of them.
        land: land what is missing; otherwise only report it.
        tenant: a profile of nxp.toml or profiles.toml; without it, the NEXTHINK_* variables count.
    """
    left = close_gaps(days, datasets, tenant, land=land)
    found = [{"dataset": each.dataset, "windows": each.expected} for each in left]
    return completed(found, f"no gaps in {len(found)} datasets")
