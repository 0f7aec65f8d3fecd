"""`nxp export`: export datasets here, and print their reports."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from connectors.catalogue import DATASETS, names_in
from connectors.catalogue.names import unknown
from connectors.counting import number_of
from connectors.errors import PartlyDoneError, PipelineError, UsageError
from connectors.settings.installation import Settings, load_settings
from nxp.engine import run_here
from nxp.options import AcceptShrink, Concurrency, Dataset, DryRun, Json, Prefect, Tenant
from nxp.output import print_json, print_table, say
from nxp.progress import shown

if TYPE_CHECKING:
    from tasks.land.asked import Asked

# A terminal is no place for thousands of windows; --json has them all.
SHOWN = 40
COLUMNS_SHOWN = 5


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
        Parameter(negative="", help="Land all windows again, as far back as the query reaches."),
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
    between them again and leaves the watermark alone; see nxp backfill. Each dataset lands on its
    own: one that fails does not stop the others, unless the tenant cannot be reached or refuses
    the credential.
    """
    settings = load_settings()
    names = _names(dataset, settings, all_=all_)
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
        from tasks.stories.export import export_dataset, export_datasets  # noqa: PLC0415

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
    if not all_ and not set(given) & set(known):
        raise unknown("dataset", given[0], known)
    if not known:
        raise UsageError(f"the catalogue {settings.catalog} has no datasets")
    return known if all_ else list(dict.fromkeys(given))


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


def print_plans(plans: Sequence[Any], *, as_json: bool) -> None:
    """Print what several plans would land; each is a tasks.land.plan.Plan."""
    if as_json:
        print_json({plan.specification.dataset: planned_units(plan) for plan in plans})
        return
    for plan in plans:
        say(f"{plan.specification.dataset}:")
        print_units(plan, as_json=False)


def planned_units(plan: Any) -> list[dict[str, Any]]:
    """Return the units of a plan as rows."""
    return [{"unit": unit.name, "from": unit.starts_at, "to": unit.ends_at} for unit in plan.units]


def print_units(plan: Any, *, as_json: bool) -> None:
    """Print what a plan would land; `plan` is a tasks.land.plan.Plan."""
    planned = planned_units(plan)
    if as_json:
        print_json(planned)
        return
    print_table(["unit", "from", "to"], [tuple(unit.values()) for unit in planned[:SHOWN]])
    _say_left(len(planned))
    if plan.expired:
        say(
            f"{len(plan.expired)} missing windows, from {plan.expired[0]} on, are expired: no row "
            "of them can come any more"
        )
    if plan.in_part:
        say(f"{len(plan.in_part)} windows, from {plan.in_part[0]} on, have landed in part")


@contextmanager
def printed_if_partly(*, as_json: bool) -> Iterator[None]:
    """Print the report of an incomplete run before its error ends the command."""
    try:
        yield
    except PartlyDoneError as error:
        if error.report:
            print_report(error.report, as_json=as_json)
            # The report comes first, even if both streams are read as one.
            sys.stdout.flush()
        raise


def print_report(report: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Print the report of a run, or of several: as JSON, or as tables with a line of sums."""
    if as_json:
        print_json(report)
        return
    if "datasets" in report:
        for each in report["datasets"]:
            print_report(each)
            # Reports stay in order, even if stdout and stderr are read as one.
            sys.stdout.flush()
        for failure in report["failures"]:
            say(f"{failure['dataset']}: {failure['error']}")
        return
    names = ["unit", "rows_read", "rows_landed", "rows_rejected", "rows_outside", "files"]
    if report["rows_filtered"]:
        names.insert(-1, "rows_filtered")
    outcomes = report["outcomes"]
    if outcomes:
        print_table(names, [[unit[name] for name in names] for unit in outcomes[:SHOWN]])
        _say_left(len(outcomes))
    for unit in outcomes:
        _say_special(unit)
    _say_dataset(report)
    if not outcomes:
        say(f"{report['dataset']}: nothing to land")
        return
    stages = ", ".join(f"{stage} {value:.1f} s" for stage, value in report["seconds"].items())
    say(
        f"{report['dataset']} {report['state']}: {number_of(report['rows_landed'], 'row')}, "
        f"{report['wire_bytes']:,} bytes received, {report['parquet_bytes']:,} of Parquet "
        f"({stages})"
    )
    say(f"in {report['folder']}")


def _say_dataset(report: Mapping[str, Any]) -> None:
    _say_columns(report)
    if report["empty"]:
        say(
            f"{len(report['empty'])} windows were empty where their neighbours have thousands of "
            f"rows: {report['empty'][0]} is the first"
        )
    if report["watermark"]:
        say(f"watermark {report['watermark']:%Y-%m-%d %H:%M}Z")


def _say_columns(report: Mapping[str, Any]) -> None:
    """Print which declared columns land as null, since the tenant did not send them."""
    units = report["outcomes"]
    absent = dict.fromkeys(name for unit in units for name in unit["columns_absent"])
    added = dict.fromkeys(name for unit in units for name in unit["columns_added"])
    if not absent:
        return
    undeclared = f"; undeclared columns came: {_some(added)}" if added else ""
    say(
        f"warning: {report['dataset']}: {len(absent):,} declared columns did not come and are "
        f"null: {_some(absent)}{undeclared}; compare the saved query in Nexthink with nxp datasets "
        f"{report['dataset']} --nql"
    )


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:COLUMNS_SHOWN])
    more = len(names) - COLUMNS_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _say_special(unit: Mapping[str, Any]) -> None:
    if unit["skipped"]:
        say(f"{unit['unit']} was landed by another run first")
    for warning in unit["warnings"]:
        say(f"warning: {unit['unit']}: {warning}")
    if unit["parts"] > 1:
        say(f"{unit['unit']} was too large for one export and took {unit['parts']}")


def _say_left(units: int) -> None:
    if units > SHOWN:
        say(f"… and {units - SHOWN:,} more")
