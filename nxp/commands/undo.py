"""`nxp undo`: plan the way back from a plan that was applied; nothing is sent."""

from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import SYNCS, check_named
from connectors.errors import UsageError
from connectors.ledger import open_ledger
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.options import Json, Prefect, Tenant
from nxp.output import say
from nxp.syncing import print_plan, run_sync


def undo(
    plan: Annotated[str, Parameter(help="The id of the plan to take back.")],
    *,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Plan to take back what PLAN has set: what stood there before it is written again.

    Only values that are still as the plan left them are taken back. Nothing is sent before
    nxp apply.
    """
    settings = load_settings()
    sync = _sync_of(plan, tenant)
    check_named(settings.catalog, sync, SYNCS)
    from tasks.sync.run import choose_sync  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.sync.tenant_values import check_readable  # noqa: PLC0415

    chosen = choose_sync(sync, tenant)
    check_readable(chosen.specification)

    def story() -> None:
        from tasks.stories import sync as stories  # noqa: PLC0415 - duckdb, after the checks

        stories.undo(chosen, plan)

    def flow() -> None:
        from flows.enrichment import enrichment_undo  # noqa: PLC0415 - prefect, 2 s

        enrichment_undo(sync, plan, tenant)

    run_sync(
        chosen,
        prefect,
        story=story,
        flow=flow,
        show=lambda report: _print(report, as_json=as_json),
    )


def _sync_of(plan: str, tenant: str | None) -> str:
    settings = load_settings()
    name = tenant_name(settings, tenant)
    with open_ledger(settings.ledger_url.get_secret_value(), name) as ledger:
        record = ledger.plans.get(plan)
    if record is None:
        raise UsageError(f"the ledger has no plan {plan}: nxp plan and nxp sync print their ids")
    return record.sync


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    print_plan(report, as_json=as_json)
    if as_json or not report["planned"]:
        return
    for field, count in report["planned"]["not_emptied"].items():
        say(f"{count:,} values of {field} stay: no value empties it")
    say(
        f"the next run of {report['dataset']} sends again what its sources say: correct them, or "
        "switch the sync off, before you apply this"
    )
