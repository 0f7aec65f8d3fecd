"""`nxp plan`: what a sync would send, kept as a plan; nothing is sent."""

from typing import Any

from nxp.commands.sync import STAGES, say_source
from nxp.engine import run_shown
from nxp.options import AcceptGuards, Full, Json, Tenant, Why
from nxp.output import print_json, print_table, say


def plan(
    sync: str,
    *,
    full: Full = False,
    accept_guard: AcceptGuards = (),
    why: Why = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Plan SYNC: pull its sources, compare, and keep what differs for nxp apply.

    Prints counts, the guards that trip, and samples with nothing left of a value but its length.
    """
    from tasks.sync.asked import Asked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.sync.run import choose  # noqa: PLC0415

    # What can be known without source and tenant is checked before a server is started.
    asked = Asked(full=full, accept_guards=accept_guard, why=why)
    chosen = choose(sync, tenant)

    def start() -> None:
        from flows.enrichment import enrichment_plan  # noqa: PLC0415 - prefect, 2 s

        enrichment_plan(sync, tenant, full, asked.guards, why)

    run_shown(chosen.settings, STAGES, start, lambda report: print_plan(report, as_json=as_json))


def print_plan(report: dict[str, Any], *, as_json: bool) -> None:
    """Print what a plan comes to."""
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
    """Say in a few lines from what a plan was made, and what stands in its way."""
    planned = report["planned"]
    counts = planned["counts"]
    say_source(report)
    waiting, absent = counts["waiting"], counts["absent_keys"] - counts["gone_keys"]
    if waiting:
        say(f"{waiting:,} values were refused before and wait")
    if absent:
        say(f"{absent:,} objects did not come; what is gone twice is emptied")
    for finding in planned["findings"]:
        say(f"guard {finding['guard']}: {finding['text']}")
    say(
        f"plan {report['plan_id']}: {planned['rows']:,} values of {planned['keys']:,} objects; "
        f"nxp apply {report['dataset']} sends it within 24 hours"
    )
