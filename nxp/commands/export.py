"""`nxp export`: export datasets here, and print their reports."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import DATASETS, Mode, check_all_named, names_in, read_datasets
from connectors.errors import PartlyDoneError, PipelineError, UsageError
from connectors.settings.installation import Settings, load_settings
from nxp.engine import run_here
from nxp.landing import print_plans, print_report, print_units, printed_if_partly
from nxp.options import AcceptShrink, Concurrency, Dataset, DryRun, Json, Prefect, Tenant
from nxp.output import say
from nxp.progress import shown

if TYPE_CHECKING:
    from tasks.land.asked import Asked


def export(
    *dataset: Dataset,
    all_: Annotated[
        bool, Parameter(name="--all", negative="", help="All datasets of the catalogue.")
    ] = False,
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="Land from here on: a date, or a date-time with offset."),
    ] = None,
    to: Annotated[
        str | None,
        Parameter(name="--to", help="Land up to here; this instant itself is not included."),
    ] = None,
    full_refresh: Annotated[
        bool,
        Parameter(
            negative="",
            help="Land all windows again, from the first scheduled one, as far as in reach.",
        ),
    ] = False,
    accept_shrink: AcceptShrink = False,
    concurrency: Concurrency = 4,
    dry_run: DryRun = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Export DATASETs and land them: every missing window, or a snapshot of now.

    Windows that late rows may still join are landed again. With dates, it lands the windows
    between them again and leaves the watermark alone; see nxp backfill. With --all, dates leave
    out snapshots. Each dataset lands on its
    own: one that fails does not stop the others, unless the tenant cannot be reached or refuses
    the credential.
    """
    settings = load_settings()
    names = _names(dataset, settings, all_=all_)
    if all_ and (from_ or to):
        names = _without_snapshots(names, settings)
    from tasks.land.asked import Asked  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.land.plan import plan_run  # noqa: PLC0415 - polars and httpx, not for --help

    asked = [
        Asked(name, from_, to, tenant, accept_shrink, full_refresh, concurrency=concurrency)
        for name in names
    ]
    if dry_run:
        _print_planned(asked, as_json=as_json)
        return

    def story() -> dict[str, Any]:
        from tasks.stories.export import export_dataset, export_datasets  # noqa: PLC0415 - polars

        if len(asked) == 1:
            return export_dataset(asked[0]).plain()
        return export_datasets(asked).plain()

    def flow() -> dict[str, Any]:
        if len(asked) == 1:
            # What can be checked without the tenant is checked before a flow run begins.
            plan_run(asked[0])
        from flows.export import nql_export  # noqa: PLC0415 - prefect, 2 s

        given = names[0] if len(names) == 1 else names
        return nql_export(
            given, from_, to, tenant, accept_shrink, full_refresh, concurrency=concurrency
        )

    with printed_if_partly(as_json=as_json), shown():
        report = run_here(settings, prefect, story, flow)
    print_report(report, as_json=as_json)


def _names(given: Sequence[str], settings: Settings, *, all_: bool) -> list[str]:
    if all_ == bool(given):
        raise UsageError("name the datasets to export, or use --all for the whole catalogue")
    # Those with problems are named too: each fails on its own.
    known = names_in(settings.catalog, DATASETS)
    check_all_named(settings.catalog, given, DATASETS)
    if not known:
        raise UsageError(f"the catalogue {settings.catalog} has no datasets")
    return known if all_ else list(dict.fromkeys(given))


def _without_snapshots(names: Sequence[str], settings: Settings) -> list[str]:
    """Return the datasets that dates can be given for; those with problems fail on their own.

    Raises:
        UsageError: all are snapshots.
    """
    valid = read_datasets(settings.catalog).valid
    left_out = [name for name in names if name in valid and valid[name].mode is Mode.SNAPSHOT]
    chosen = [name for name in names if name not in left_out]
    if not chosen:
        raise UsageError("all datasets are snapshots of how things are now: they take no dates")
    if left_out:
        say(f"left out, as snapshots of how things are now take no dates: {', '.join(left_out)}")
    return chosen


def _print_planned(asked: "Sequence[Asked]", *, as_json: bool) -> None:
    """Print what would land; a dataset that cannot be planned does not hide the others."""
    from tasks.land.plan import Plan, plan_run  # noqa: PLC0415 - polars and httpx, not for --help

    if len(asked) == 1:
        print_units(plan_run(asked[0]), as_json=as_json)
        return
    plans: list[Plan] = []
    failures: dict[str, PipelineError] = {}
    for each in asked:
        try:
            plans.append(plan_run(each))
        except PipelineError as error:
            failures[each.dataset] = error
    if not plans:
        raise next(iter(failures.values()))
    print_plans(plans, as_json=as_json)
    if failures:
        sys.stdout.flush()
        for name, why in failures.items():
            say(f"{name}: {why}")
        raise PartlyDoneError(
            f"{len(failures)} of {len(asked)} datasets cannot be planned: {', '.join(failures)}"
        )
