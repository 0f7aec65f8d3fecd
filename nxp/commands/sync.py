"""`nxp sync`: plan and apply a sync under its guards; and how reports of syncs are printed."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import SYNCS, check_named
from connectors.counting import number_of
from connectors.errors import NotApprovedError, UsageError
from connectors.settings.installation import load_settings
from nxp.engine import require_prefect, run_reported
from nxp.options import AcceptGuards, Full, Json, NoVerify, Prefect, Tenant, Why
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.sync.asked import SyncAsked
    from tasks.sync.run import ChosenSync

# Plan, apply and read back are all that a run may have.
STAGES = 3


def sync(
    sync: str,
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

    run_reported(
        chosen.settings,
        prefect,
        stages=STAGES,
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

    from flows.enrichment import enrichment_sync  # noqa: PLC0415

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


def print_report(report: dict[str, Any], *, as_json: bool = False) -> None:
    """Print the report of a run that sends: as JSON, or as tables and a line of sums."""
    if as_json:
        print_json(report)
        return
    values = [
        [action, state, count]
        for action, states in report["values"].items()
        for state, count in states.items()
    ]
    if values:
        print_table(["action", "state", "values"], values)
    if report["codes"]:
        print()
        print_table(["code", "objects"], [[*each] for each in report["codes"].items()])
    if not report["plan_id"]:
        return
    from tasks.sync.report import summary_of  # noqa: PLC0415 - loaded by the run already

    say_source(report)
    if checked := report["verified"]:
        say(
            f"read back: convergence {report['convergence']:.2f} %; of {checked['compared']:,} "
            f"acknowledged values {checked['differs']:,} differ, {checked['not_found']:,} are not "
            f"found, {checked['theirs']:,} were set by others, {checked['waiting']:,} more are "
            "not acknowledged"
        )
    say_met(report)
    sent = f"; {number_of(report['requests'], 'request')}, {report['seconds']['push']:.1f} s"
    plan = f", plan {report['plan_id']}" if not report["objects"] else sent
    say(f"{summary_of(report)}{plan}")


def say_met(report: dict[str, Any]) -> None:
    """Print what the tenant was seen to hold that changed the run, and what could not be seen."""
    from tasks.sync.met import in_words  # noqa: PLC0415 - polars, not for --help

    for line in in_words(report):
        say(line)
    if report["unread"]:
        say(f"WARNING: {report['unread']}")


def say_source(report: dict[str, Any]) -> None:
    """Print what the sources returned, and what was left out of it."""
    source = (report["planned"] or {}).get("source")
    if not source:
        return
    left = {
        "without key": source["without_key"],
        "duplicates": source["duplicates"],
        "unmatched": source["unmatched"],
        "ambiguous": source["ambiguous"],
        "with a bad value": source["bad_values"],
    }
    rejected = ", ".join(f"{count:,} {name}" for name, count in left.items() if count)
    pulled = "all rows" if source["is_full"] else "changes"
    rows, keys = number_of(source["rows"], "row"), number_of(source["keys"], "object")
    say(f"{rows} ({pulled}), {keys}")
    if rejected:
        kept_by = report["planned"].get("made_by") or report["run_id"]
        say(f"left out: {rejected}: nxp rejects {report['dataset']} --run {kept_by}")
    if source["not_clearable"]:
        say(f"{source['not_clearable']:,} objects have a field that cannot be emptied")
