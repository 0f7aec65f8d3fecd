"""The gap check: land, or report, windows of the last days that never landed."""

from collections.abc import Callable, Sequence
from datetime import datetime

from connectors.catalogue import read_datasets
from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from tasks.land.asked import Asked, Only
from tasks.runs.artifact import show_report
from tasks.stories.export import export_dataset
from tasks.upkeep.gaps import Gaps, find_gaps, markdown, raise_unless_closed


def close_gaps(
    days: int,
    datasets: Sequence[str] = (),
    tenant: str | None = None,
    *,
    land: bool = True,
    clock: Callable[[], datetime] = utc_now,
) -> list[Gaps]:
    """Land the windows of the last days that never landed; return what is still missing.

    Args:
        days: how far to look back from now.
        datasets: window datasets; by default, all of the catalogue.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.
        land: land what is missing; otherwise only report it.
        clock: returns the current time.

    Raises:
        PartlyDoneError: windows are still missing; the message names the datasets and what to do.
    """
    found = find_gaps(days, datasets, tenant, clock)
    # Whether windows of a broken dataset are missing is not known.
    failures = [] if datasets else read_datasets(load_settings().catalog).listed
    for gaps in found if land else ():
        if gaps.missing:
            asked = Asked(gaps.dataset, *gaps.stretch, tenant, only=Only.MISSING)
            try:
                export_dataset(asked, clock)
            except PipelineError as error:
                failures.append(str(error))
    left = find_gaps(days, datasets, tenant, clock) if land else found
    landed = sum(len(each.missing) for each in found) - sum(len(each.missing) for each in left)
    name = load_tenant(load_settings(), tenant).name
    show_report("gaps", name, "windows", markdown(left, landed))
    raise_unless_closed(left, failures)
    return left
