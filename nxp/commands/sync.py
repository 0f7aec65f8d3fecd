"""`nxp sync`: plan and apply a sync under its guards; and how reports of syncs are printed."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from connectors.catalogue import SYNCS, check_named
from connectors.errors import NotApprovedError, UsageError
from connectors.settings.installation import load_settings
from nxp.engine import require_prefect
from nxp.options import AcceptGuards, Full, Json, NoVerify, Prefect, Sync, Tenant, Why
from nxp.syncing import print_report, run_sync

if TYPE_CHECKING:
    from tasks.sync.asked import SyncAsked
    from tasks.sync.run import ChosenSync


def sync(
    sync: Sync,
    *,
    full: Full = False,
    accept_guard: AcceptGuards = (),
    why: Why = None,
    approve: Annotated[
        bool, Parameter(negative="", help="Wait until a person approves the plan in Prefect.")
    ] = False,
    no_verify: NoVerify = False,
    retire: Annotated[
        bool, Parameter(negative="", help="Empty all that SYNC has set; its file may be gone.")
    ] = False,
    adopt: Annotated[
        str | None, Parameter(help="Take over the values of this sync, whose file is gone.")
    ] = None,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Plan SYNC and send what differs, unless a guard trips; then read back what Nexthink holds."""
    if retire and (adopt or full):
        raise UsageError("--retire reads no source: it takes neither --adopt nor --full")
    if not retire:
        check_named(load_settings().catalog, sync, SYNCS)
    from tasks.sync.asked import SyncAsked  # noqa: PLC0415 - polars and httpx, not for --help

    # What can be checked without source and tenant is checked before a run begins.
    asked = SyncAsked(
        full=full, accept_guards=accept_guard, why=why, verify=not no_verify, adopt=adopt
    )
    chosen = _chosen(sync, asked, tenant, retire=retire)
    if approve:
        require_prefect(chosen.settings, prefect, "--approve")

    def story() -> None:
        from tasks.stories import sync as stories  # noqa: PLC0415 - duckdb, after the checks

        (stories.retire if retire else stories.sync)(chosen, asked)

    run_sync(
        chosen,
        prefect,
        story=story,
        flow=lambda: _flow(sync, asked, tenant, approve=approve, retire=retire),
        show=lambda report: print_report(report, as_json=as_json),
    )


def _chosen(sync: str, asked: "SyncAsked", tenant: str | None, *, retire: bool) -> "ChosenSync":
    """Read settings and catalogue, and check what the run needs before it begins."""
    from tasks.sync.ready import check_inventory  # noqa: PLC0415 - polars and httpx
    from tasks.sync.retiring import check_adoption, choose_retired  # noqa: PLC0415
    from tasks.sync.run import choose_sync  # noqa: PLC0415
    from tasks.sync.tenant_values import check_readable  # noqa: PLC0415

    if retire:
        return choose_retired(sync, tenant)
    chosen = choose_sync(sync, tenant)
    check_readable(chosen.specification)
    check_inventory(chosen)
    if asked.adopt:
        check_adoption(chosen, asked.adopt)
    return chosen


def _flow(
    sync: str, asked: "SyncAsked", tenant: str | None, *, approve: bool, retire: bool
) -> None:
    from prefect.exceptions import CancelledRun  # noqa: PLC0415 - prefect, 2 s

    from flows.enrichment import enrichment_sync  # noqa: PLC0415 - prefect

    try:
        enrichment_sync(
            sync,
            tenant,
            asked.full,
            asked.guards,
            asked.why,
            approve,
            verify=asked.verify,
            adopt=asked.adopt,
            retire=retire,
        )
    except CancelledRun as error:
        raise NotApprovedError(str(error)) from None
