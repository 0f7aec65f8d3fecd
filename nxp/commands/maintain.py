"""`nxp maintain`: run the maintenance flow here, and print what it cleared away."""

from typing import Annotated, Any

from cyclopts import Parameter

from connectors.clock import utc_now
from nxp.options import Json, Tenant
from nxp.output import print_json, print_table, say


def maintain(
    name: Annotated[str, Parameter(help="A dataset or a sync.")],
    *,
    grace: Annotated[
        str, Parameter(help="How long what left the manifest is kept in _old, such as 12h or 7d.")
    ] = "7d",
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would be cleared away, and change nothing.")
    ] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Drop what of a dataset is past its retention, and delete what was replaced long ago.

    Dropped units move to _old in the lake and are deleted after the grace. Of a sync plans,
    changes and rejects are deleted at once.
    """
    from tasks.upkeep.maintain import plan_upkeep, preview  # noqa: PLC0415 - pyarrow, not for --help

    upkeep = plan_upkeep(name, grace, tenant)
    if dry_run:
        print_cleared(preview(upkeep, utc_now), as_json=as_json)
        return
    from nxp.engine import prefect_ready  # noqa: PLC0415 - psutil, only before a flow

    with prefect_ready(upkeep.settings):
        from flows.maintain import maintain as flow  # noqa: PLC0415 - prefect, 2 s

        report = flow(name, tenant, grace)
    print_cleared(report, as_json=as_json)


def print_cleared(report: dict[str, Any], *, as_json: bool) -> None:
    """Print a maintenance's report: JSON, or a table and a line."""
    if as_json:
        print_json(report)
        return
    names = ["what", "units", "rows", "files", "bytes"]
    print_table(names, [[part[name] for name in names] for part in report["cleared"]])
    kept = report["retention"]
    rule = f"kept for {kept}" if kept else "has no retention in the catalogue: nothing is dropped"
    say(f"{report['dataset']} {rule} ({report['state']})")
