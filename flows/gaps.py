"""The weekly back-fill check: windows of the last days that never landed are landed, or told.

Source: the ledger. Schedule: weekly. Safe to run again at any time, beside exports too: leases keep
two runs from one window. Triage: the artifact of the run, then `nxp datasets NAME`.
"""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from connectors.errors import PipelineError
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from flows.export import Dataset, nql_backfill
from tasks.runs.artifact import show_report
from tasks.upkeep.gaps import find_gaps, markdown, raise_unless_closed

LONGEST_DAYS = 400


@flow(name="nql-gaps", flow_run_name="{days} days", persist_result=False)
def nql_gaps(
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = 28,
    datasets: tuple[Dataset, ...] = (),
    land: bool = True,
    tenant: str | None = None,
) -> list[dict[str, Any]]:
    """Look for windows that never landed, and land those that the query still reaches.

    Args:
        days: how far to look back from now.
        datasets: window datasets of deployments/datasets; without any, all of them.
        land: land what is missing; without it only say so.
        tenant: a profile of profiles.toml; without it the NEXTHINK_* variables say the tenant.
    """
    found = find_gaps(days, datasets, tenant)
    failures = []
    for gaps in found if land else ():
        if gaps.missing:
            try:
                nql_backfill(gaps.dataset, *gaps.stretch, tenant=tenant)
            except PipelineError as error:
                failures.append(str(error))
    left = find_gaps(days, datasets, tenant) if land else found
    landed = sum(len(each.missing) for each in found) - sum(len(each.missing) for each in left)
    text = markdown(left, landed)
    show_report("gaps", load_tenant(load_settings(), tenant).name, "windows", text)
    raise_unless_closed(left, failures)
    return [{"dataset": each.dataset, "windows": each.expected} for each in left]
