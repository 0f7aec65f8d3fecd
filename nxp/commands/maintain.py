"""`nxp maintain`: maintain a dataset or a sync here, and print what was cleared away."""

from typing import Annotated, Any

from cyclopts import Parameter

from connectors.clock import utc_now
from nxp.options import Json, Prefect, Tenant
from nxp.output import print_json, print_table, say


def maintain(
    name: Annotated[str, Parameter(help="A dataset or a sync.")],
    *,
    grace: Annotated[
        str, Parameter(help="How long what left the manifest is kept in _old, such as 12h or 7d.")
    ] = "7d",
    dry_run: Annotated[
        bool, Parameter(negative="", help="Show what would be cleared away, and change nothing.")
    ] = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Delete data past its retention, and files that were superseded long ago.

    Dropped units move to _old in the lake and are deleted after the grace. A
    sync's plans, changes and rejects are deleted at once.
    """
    from tasks.upkeep.maintain import plan_upkeep, preview  # noqa: PLC0415 - pyarrow, not for --help

    upkeep = plan_upkeep(name, grace, tenant)
    if dry_run:
        print_cleared(preview(upkeep, utc_now), as_json=as_json)
        return
    from nxp.engine import run_here  # noqa: PLC0415 - not for --help

    def story() -> dict[str, Any]:
        from tasks.stories.maintain import maintain as run  # noqa: PLC0415

        return run(upkeep)

    def flow() -> dict[str, Any]:
        from flows.maintain import maintain as run  # noqa: PLC0415 - prefect, 2 s

        return run(name, tenant, grace)

    print_cleared(run_here(upkeep.settings, prefect, story, flow), as_json=as_json)


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
