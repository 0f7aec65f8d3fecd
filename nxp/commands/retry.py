"""`nxp retry`: send again what a sync has sent without an acknowledgement."""

from connectors.catalogue import SYNCS, check_named
from connectors.settings.installation import load_settings
from nxp.options import Json, NoVerify, Prefect, Sync, Tenant
from nxp.syncing import print_report, run_sync


def retry(
    sync: Sync,
    *,
    no_verify: NoVerify = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Send SYNC's open, unknown and rejected values again, unchanged; no source is read."""
    check_named(load_settings().catalog, sync, SYNCS)
    from tasks.sync.asked import SyncAsked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.sync.run import choose_sync  # noqa: PLC0415

    chosen = choose_sync(sync, tenant)

    def story() -> None:
        from tasks.stories import sync as stories  # noqa: PLC0415 - duckdb, after the checks

        stories.retry(chosen, SyncAsked(verify=not no_verify))

    def flow() -> None:
        from flows.enrichment import enrichment_retry  # noqa: PLC0415 - prefect, 2 s

        enrichment_retry(sync, tenant, verify=not no_verify)

    run_sync(
        chosen,
        prefect,
        story=story,
        flow=flow,
        show=lambda report: print_report(report, as_json=as_json),
    )
