"""`nxp plan`: what a sync would send, kept as a plan; nothing is sent."""

from typing import Any

from connectors.catalogue import SYNCS, check_named
from connectors.settings.installation import load_settings
from nxp.commands.sync import STAGES, say_source
from nxp.engine import run_reported
from nxp.options import AcceptGuards, Full, Json, Prefect, Tenant, Why
from nxp.output import print_json, print_table, say


def plan(
    sync: str,
    *,
    full: Full = False,
    accept_guard: AcceptGuards = (),
    why: Why = None,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Plan SYNC: pull its sources, compare, and keep what differs for nxp apply.

    Prints counts, the guards that trip, and samples that show only the length of a value.
    """
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

    run_reported(
        chosen.settings,
        prefect,
        stages=STAGES,
        story=story,
        flow=flow,
        show=lambda report: print_plan(report, as_json=as_json),
    )


def print_plan(report: dict[str, Any], *, as_json: bool) -> None:
    """Print a plan: counts, masked samples, and what would stop it."""
    if as_json:
        print_json(report)
    if as_json or not report["planned"]:
        return
    planned = report["planned"]
    counts = planned["counts"]
    actions = ("set", "change", "clear", "settle")
    print_table(["action", "values"], [[action, counts[action]] for action in actions])
    if report["samples"]:
        print()
        print_table(
            list(report["samples"][0]), [list(sample.values()) for sample in report["samples"]]
        )
    say_plan(report)


def say_plan(report: dict[str, Any]) -> None:
    """Print in a few lines what a plan was made from, and what would stop it."""
    planned = report["planned"]
    counts = planned["counts"]
    say_source(report)
    waiting, absent = counts["waiting"], counts["absent_keys"] - counts["gone_keys"]
    if waiting:
        say(f"{waiting:,} values were refused before and are not sent for now")
    if absent:
        say(f"{absent:,} objects were missing; after a second time their fields are emptied")
    for finding in planned["findings"]:
        say(f"guard {finding['guard']}: {finding['text']}")
    from tasks.sync.report import left_of  # noqa: PLC0415 - loaded by the run already

    say(f"plan {report['plan_id']}: {_verdict(report)}{left_of(report)}")


def _verdict(report: dict[str, Any]) -> str:
    """Return what applying the plan would do."""
    planned = report["planned"]
    if not planned["rows"]:
        return "nothing to send"
    found = f"{planned['rows']:,} values of {planned['keys']:,} objects"
    if report["stopped_by"]:
        return f"{found}; nothing was sent: guard {', '.join(report['stopped_by'])}"
    return f"{found}; nxp apply {report['dataset']} sends it within 24 hours"
