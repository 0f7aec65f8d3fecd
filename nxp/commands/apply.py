"""`nxp apply`: send exactly what a sync's plan says."""

from typing import Annotated

from cyclopts import Parameter

from connectors.catalogue import SYNCS, check_named
from connectors.settings.installation import load_settings
from nxp.options import AcceptGuards, Json, NoVerify, Prefect, Sync, Tenant, Why
from nxp.syncing import print_report, run_sync


def apply(
    sync: Sync,
    *,
    plan: Annotated[
        str | None, Parameter(help="The plan's id; by default, the newest plan.")
    ] = None,
    accept_guard: AcceptGuards = (),
    why: Why = None,
    no_verify: NoVerify = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Send exactly what a plan of SYNC says, once; resume a plan that was interrupted.

    A plan is refused as stale once the sync's YAML or the ledger has changed, or after 24 hours.
    """
    check_named(load_settings().catalog, sync, SYNCS)
    from tasks.sync.asked import SyncAsked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.sync.run import choose_sync  # noqa: PLC0415

    asked = SyncAsked(accept_guards=accept_guard, why=why, verify=not no_verify)
    chosen = choose_sync(sync, tenant)

    def story() -> None:
        from tasks.stories import sync as stories  # noqa: PLC0415 - duckdb, after the checks

        stories.apply(chosen, plan, asked)

    def flow() -> None:
        from flows.enrichment import enrichment_apply  # noqa: PLC0415 - prefect, 2 s

        enrichment_apply(sync, plan, tenant, asked.guards, why, verify=not no_verify)

    run_sync(
        chosen,
        prefect,
        story=story,
        flow=flow,
        show=lambda report: print_report(report, as_json=as_json),
    )
