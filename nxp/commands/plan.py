"""`nxp plan`: what a sync would send, kept as a plan; nothing is sent."""

from typing import Annotated

from cyclopts import Parameter

from connectors.catalogue import SYNCS, check_named
from connectors.errors import UsageError
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from nxp.options import AcceptGuards, Full, Json, Prefect, Sync, Tenant, Why
from nxp.output import print_json, print_table, say
from nxp.syncing import print_plan, run_sync

SHOW = "show"
PlanId = Annotated[str | None, Parameter(name="--plan", help="With show: id of the plan.")]


def plan(
    sync: Sync,
    of: Annotated[str | None, Parameter(help="With show: the sync.")] = None,
    /,
    *,
    full: Full = False,
    plan_id: PlanId = None,
    accept_guard: AcceptGuards = (),
    why: Why = None,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Plan SYNC: pull its sources, compare, and keep what differs for nxp apply.

    Prints counts, the guards that trip, and samples that show only the length of a value.
    `nxp plan show SYNC` shows a plan that was made, for the person who approves it; with --full
    also frequent changes and whole objects, which are personal data.
    """
    if of is not None:
        if sync != SHOW:
            raise UsageError(f"nxp plan takes one sync: nxp plan {sync}, or nxp plan show {sync}")
        _print_view(of, plan_id, tenant, full=full, as_json=as_json)
        return
    if plan_id:
        raise UsageError("--plan is for nxp plan show SYNC")
    check_named(load_settings().catalog, sync, SYNCS)
    from tasks.sync.asked import SyncAsked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.sync.ready import check_inventory  # noqa: PLC0415
    from tasks.sync.run import choose_sync  # noqa: PLC0415

    # What can be checked without source and tenant is checked before a run begins.
    asked = SyncAsked(full=full, accept_guards=accept_guard, why=why)
    chosen = choose_sync(sync, tenant)
    check_inventory(chosen)

    def story() -> None:
        from tasks.stories import sync as stories  # noqa: PLC0415 - duckdb, after the checks

        stories.plan(chosen, asked)

    def flow() -> None:
        from flows.enrichment import enrichment_plan  # noqa: PLC0415 - prefect, 2 s

        enrichment_plan(sync, tenant, full, asked.guards, why)

    run_sync(
        chosen,
        prefect,
        story=story,
        flow=flow,
        show=lambda report: print_plan(report, as_json=as_json),
    )


def _print_view(
    sync: str, plan_id: str | None, tenant: str | None, *, full: bool, as_json: bool
) -> None:
    """Print a plan that was made; by default the newest one."""
    from tasks.sync.shown_plan import open_view  # noqa: PLC0415 - polars

    settings = load_settings()
    view, page = open_view(settings, tenant_name(settings, tenant), sync, plan_id)
    private = {"pairs": view.pairs, "examples": view.examples} if full else {}
    if as_json:
        kept = {"plan_id": view.record.plan_id, "sync": sync, "state": view.record.state}
        said = {"verdict": view.verdict, "fields": view.fields, "page": page}
        said["findings"] = view.findings
        print_json({**kept, **said, **private})
        return
    for rows in (view.fields, *private.values()):
        if rows:
            print_table(list(rows[0]), [list(row.values()) for row in rows])
            print()
    for line in view.findings:
        say(line)
    say(f"plan {view.record.plan_id}: {view.verdict}")
    say(f"with all values, for its owner only: {page}")
