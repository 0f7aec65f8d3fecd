"""`nxp retry`: send again what of a sync is not acknowledged."""

from nxp.commands.sync import STAGES, print_report
from nxp.engine import run_reported
from nxp.options import Json, NoVerify, Prefect, Tenant


def retry(
    sync: str,
    *,
    no_verify: NoVerify = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Send again what of SYNC is open, unknown or rejected, as it was; no source is asked."""
    from tasks.sync.asked import SyncAsked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.sync.run import choose_sync  # noqa: PLC0415

    chosen = choose_sync(sync, tenant)

    def story() -> None:
        from tasks.stories import sync as stories  # noqa: PLC0415 - duckdb, after the checks

        stories.retry(chosen, SyncAsked(verify=not no_verify))

    def flow() -> None:
        from flows.enrichment import enrichment_retry  # noqa: PLC0415 - prefect, 2 s

        enrichment_retry(sync, tenant, verify=not no_verify)

    run_reported(
        chosen.settings,
        prefect,
        stages=STAGES,
        story=story,
        flow=flow,
        show=lambda report: print_report(report, as_json=as_json),
    )
