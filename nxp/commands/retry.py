"""`nxp retry`: send again what of a sync is not acknowledged."""

from nxp.commands.sync import STAGES, print_report
from nxp.engine import run_shown
from nxp.options import Json, NoVerify, Tenant


def retry(
    sync: str, *, no_verify: NoVerify = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Send what of SYNC is open, unknown or rejected once more, as it was; no source is asked."""
    from tasks.sync.run import choose  # noqa: PLC0415 - polars and httpx, not for --help

    chosen = choose(sync, tenant)

    def start() -> None:
        from flows.enrichment import enrichment_retry  # noqa: PLC0415 - prefect, 2 s

        enrichment_retry(sync, tenant, verify=not no_verify)

    run_shown(chosen.settings, STAGES, start, lambda report: print_report(report, as_json=as_json))
