"""`nxp export`: run the export flow here, and print its report."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import Parameter

from connectors.errors import PartlyDoneError
from nxp.engine import prefect_ready
from nxp.options import AcceptShrink, Concurrency, DryRun, Json, Tenant
from nxp.output import print_json, print_table, say
from nxp.progress import shown

# A terminal is no place for thousands of windows; --json has them all.
SHOWN = 40


def export(
    dataset: str,
    *,
    from_: Annotated[str | None, Parameter(name="--from", help="First instant to land.")] = None,
    to: Annotated[str | None, Parameter(name="--to", help="The instant to stop before.")] = None,
    full_refresh: Annotated[
        bool, Parameter(negative="", help="Land all windows again, as far as the query reaches.")
    ] = False,
    accept_shrink: AcceptShrink = False,
    concurrency: Concurrency = 4,
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Export DATASET and land it: every window that is missing, or a snapshot of now.

    Windows that late rows may still join are landed again. With dates it lands these windows
    again and leaves the watermark alone; see nxp backfill.
    """
    from tasks.land.plan import Asked, plan_run  # noqa: PLC0415 - polars and httpx, not for --help

    asked = Asked(dataset, from_, to, tenant, accept_shrink, full_refresh, concurrency=concurrency)
    # What can be known without the tenant is checked before a server is started.
    plan = plan_run(asked)
    if dry_run:
        print_units(plan, as_json=as_json)
        return
    with printed_if_partly(as_json=as_json), prefect_ready(plan.settings), shown(len(plan.units)):
        from flows.export import nql_export  # noqa: PLC0415 - prefect, 2 s

        report = nql_export(
            dataset, from_, to, tenant, accept_shrink, full_refresh, concurrency=concurrency
        )
    print_report(report, as_json=as_json)


def print_units(plan: Any, *, as_json: bool) -> None:
    """Print what a plan would land; `plan` is a tasks.land.plan.Plan."""
    planned = [
        {"unit": unit.name, "from": unit.starts_at, "to": unit.ends_at} for unit in plan.units
    ]
    if as_json:
        print_json(planned)
        return
    print_table(["unit", "from", "to"], [tuple(unit.values()) for unit in planned[:SHOWN]])
    _say_left(len(planned))
    if plan.lost:
        say(f"{len(plan.lost)} missing windows from {plan.lost[0]} on are out of reach")


@contextmanager
def printed_if_partly(*, as_json: bool) -> Iterator[None]:
    """Print the report of a run that left something out, before its error ends the command."""
    try:
        yield
    except PartlyDoneError as error:
        if error.report:
            print_report(error.report, as_json=as_json)
            # The report comes first also where both streams are read as one.
            sys.stdout.flush()
        raise


def print_report(report: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print a run's report: JSON, or a table of its units and a line of sums."""
    if as_json:
        print_json(report)
        return
    names = ["unit", "rows_read", "rows_landed", "rows_rejected", "rows_outside", "files"]
    outcomes = report["outcomes"]
    if outcomes:
        print_table(names, [[unit[name] for name in names] for unit in outcomes[:SHOWN]])
        _say_left(len(outcomes))
    for unit in outcomes:
        if unit["skipped"]:
            say(f"{unit['unit']} was landed by another run meanwhile")
        for warning in unit["warnings"]:
            say(f"warning: {unit['unit']}: {warning}")
        if unit["parts"] > 1:
            say(f"{unit['unit']} was too large for one export and took {unit['parts']}")
    if report["watermark"]:
        say(f"watermark {report['watermark']:%Y-%m-%d %H:%M}Z")
    if not outcomes:
        say(f"{report['dataset']}: nothing to land")
        return
    stages = ", ".join(f"{stage} {value:.1f} s" for stage, value in report["seconds"].items())
    say(
        f"{report['dataset']} {report['state']}: {report['rows_landed']:,} rows, "
        f"{report['wire_bytes']:,} bytes received, {report['parquet_bytes']:,} of Parquet "
        f"({stages})"
    )
    say(f"in {report['folder']}")


def _say_left(units: int) -> None:
    if units > SHOWN:
        say(f"… and {units - SHOWN:,} more")
