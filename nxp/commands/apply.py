"""`nxp apply`: send what a plan says."""

from typing import Annotated

from cyclopts import Parameter

from nxp.commands.sync import STAGES, print_report
from nxp.engine import run_shown
from nxp.options import AcceptGuards, Json, NoVerify, Tenant, Why


def apply(
    sync: str,
    *,
    plan: Annotated[str | None, Parameter(help="Its id; without it the newest plan.")] = None,
    accept_guard: AcceptGuards = (),
    why: Why = None,
    no_verify: NoVerify = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Send exactly what a plan of SYNC says, once; a plan that was interrupted is gone on with.

    A plan is refused as stale when the sync's YAML, the ledger or 24 hours have moved on.
    """
    from tasks.sync.asked import Asked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.sync.run import choose  # noqa: PLC0415

    asked = Asked(accept_guards=accept_guard, why=why)
    chosen = choose(sync, tenant)

    def start() -> None:
        from flows.enrichment import enrichment_apply  # noqa: PLC0415 - prefect, 2 s

        enrichment_apply(sync, plan, tenant, asked.guards, why, verify=not no_verify)

    run_shown(chosen.settings, STAGES, start, lambda report: print_report(report, as_json=as_json))
