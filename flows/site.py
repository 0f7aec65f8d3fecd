"""The site: static pages of what has landed, and of how runs, syncs and actions went.

Source: catalogue, lake and ledger. Target: a folder of the worker's machine. Safe to run again at
any time: the old pages stay until the new ones are complete. Triage: the run's log.
"""

from prefect import flow

from connectors.settings.installation import load_settings
from flows.naming import named
from tasks.runs.recorded import completed
from tasks.stories.site import SiteMade, make_site


@flow(name="site", flow_run_name=named("site", "out"), persist_result=False)
def site(out: str = "site", tenant: str | None = None) -> SiteMade:
    """Write the pages of a tenant into a folder.

    Args:
        out: the folder: new, empty, or one that this flow has made; in NXP_HOME, unless absolute.
        tenant: a profile of profiles.toml; without it, the NEXTHINK_* variables name the tenant.
    """
    made = make_site(load_settings().home / out, tenant)
    return completed(made, f"{made.pages} pages in {made.out}")
