"""`nxp maintain`: maintain a dataset or a sync, and print what was deleted."""

from typing import Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import DATASETS, SYNCS, check_named
from connectors.clock import utc_now
from connectors.errors import UsageError
from connectors.settings.installation import load_settings
from nxp.options import Json, Prefect, Tenant, dataset_names
from nxp.output import print_json, print_table, say


def maintain(
    name: Annotated[
        str | None,
        Parameter(
            completer=dataset_names,
            help="A dataset or a sync; with --layout, none means all datasets.",
        ),
    ] = None,
    *,
    layout: Annotated[
        bool, Parameter(negative="", help="Bring the files to the present layout of the lake.")
    ] = False,
    grace: Annotated[
        str, Parameter(help="How long superseded files are kept in _old, such as 12h or 7d.")
    ] = "7d",
    dry_run: Annotated[
        bool, Parameter(negative="", help="Show what would be deleted, and change nothing.")
    ] = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Delete data past its retention, and files that were superseded long ago.

    Dropped units move to _old in the lake and are deleted after the grace period. A sync's plans,
    changes and rejects are deleted at once. With --layout only the layout is migrated: no row
    changes, and readers and exports may run.
    """
    if name is not None:
        check_named(load_settings().catalog, name, DATASETS, SYNCS)
    if layout:
        _migrate(name, tenant, dry_run=dry_run, as_json=as_json)
        return
    if name is None:
        raise UsageError("nxp maintain needs the name of a dataset or a sync")
    from tasks.upkeep.maintain import plan_upkeep, preview  # noqa: PLC0415 - pyarrow, not for --help

    upkeep = plan_upkeep(name, grace, tenant)
    if dry_run:
        print_cleared(preview(upkeep, utc_now), as_json=as_json)
        return
    from nxp.engine import run_here  # noqa: PLC0415 - not for --help

    def story() -> dict[str, Any]:
        from tasks.stories.maintain import maintain as run  # noqa: PLC0415 - polars

        return run(upkeep)

    def flow() -> dict[str, Any]:
        from flows.maintain import maintain as run  # noqa: PLC0415 - prefect, 2 s

        return run(name, tenant, grace)

    print_cleared(run_here(upkeep.settings, prefect, story, flow), as_json=as_json)


def _migrate(name: str | None, tenant: str | None, *, dry_run: bool, as_json: bool) -> None:
    from tasks.stories.migrate import migrate_layout, preview_layout  # noqa: PLC0415 - polars
    from tasks.upkeep.layout import plan_layout  # noqa: PLC0415

    moving = plan_layout(name, tenant)
    rows = preview_layout(moving) if dry_run else migrate_layout(moving)
    if as_json:
        print_json(rows)
        return
    names = ["dataset", "layout", "units", "files", "bytes"]
    print_table(names, [[row[name] for name in names] for row in rows])


def print_cleared(report: dict[str, Any], *, as_json: bool) -> None:
    """Print the report of a maintenance: as JSON, or as a table and a line."""
    if as_json:
        print_json(report)
        return
    names = ["what", "units", "rows", "files", "bytes"]
    print_table(names, [[part[name] for name in names] for part in report["cleared"]])
    kept = report["retention"]
    rule = f"kept for {kept}" if kept else "has no retention in the catalogue: nothing is dropped"
    say(f"{report['dataset']} {rule} ({report['state']})")
