"""`nxp export`: run the export flow here, and print its report."""

from typing import Annotated, Any

from cyclopts import Parameter

from nxp.engine import prefect_ready
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, say
from nxp.progress import shown


def export(
    dataset: str,
    *,
    from_: Annotated[str | None, Parameter(name="--from", help="First instant to land.")] = None,
    to: Annotated[str | None, Parameter(name="--to", help="The instant to stop before.")] = None,
    accept_shrink: Annotated[
        bool, Parameter(negative="", help="Publish although far fewer rows came than before.")
    ] = False,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would be exported, and stop.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Export DATASET and land it: without dates its last full window, or a snapshot of now."""
    from tasks.run import Asked, plan_run  # noqa: PLC0415 - polars and httpx, not for --help

    # What can be known without the tenant is checked before a server is started.
    plan = plan_run(Asked(dataset, from_, to, tenant, accept_shrink))
    if dry_run:
        planned = [
            {"unit": unit.name, "from": unit.starts_at, "to": unit.ends_at} for unit in plan.units
        ]
        if as_json:
            print_json(planned)
        else:
            print_table(["unit", "from", "to"], [tuple(unit.values()) for unit in planned])
        return
    with prefect_ready(plan.settings), shown(len(plan.units)):
        from flows.export import nql_export  # noqa: PLC0415 - prefect, 2 s

        report = nql_export(dataset, from_, to, tenant, accept_shrink)
    print_report(report, as_json=as_json)


def print_report(report: dict[str, Any], *, as_json: bool = False) -> None:
    """Print a run's report: JSON, or a table of its units and a line of sums."""
    if as_json:
        print_json(report)
        return
    names = ["unit", "rows_read", "rows_landed", "rows_rejected", "rows_outside", "files"]
    print_table(names, [[unit[name] for name in names] for unit in report["outcomes"]])
    stages = ", ".join(f"{stage} {value:.1f} s" for stage, value in report["seconds"].items())
    say(
        f"{report['dataset']} {report['state']}: {report['rows_landed']:,} rows, "
        f"{report['wire_bytes']:,} bytes received, {report['parquet_bytes']:,} of Parquet "
        f"({stages})"
    )
    say(f"in {report['folder']}")
