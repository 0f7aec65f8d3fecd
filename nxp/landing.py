"""What commands that land share: plans and reports, printed."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from connectors.counting import first_of, number_doing, number_of
from connectors.errors import PartlyDoneError
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.land.plan import Plan

# More windows than this make a table that nobody reads; --json has them all.
SHOWN = 40
COLUMNS_SHOWN = 5


def print_plans(plans: Sequence["Plan"], *, as_json: bool) -> None:
    """Print what several plans would land."""
    if as_json:
        print_json({plan.specification.dataset: planned_units(plan) for plan in plans})
        return
    for plan in plans:
        say(f"{plan.specification.dataset}:")
        print_units(plan, as_json=False)


def planned_units(plan: "Plan") -> list[dict[str, Any]]:
    """Return the units of a plan as rows."""
    return [{"unit": unit.name, "from": unit.starts_at, "to": unit.ends_at} for unit in plan.units]


def print_units(plan: "Plan", *, as_json: bool) -> None:
    """Print what a plan would land."""
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
            name, why = failure["dataset"], failure["error"]
            say(f"{name}: {why.removeprefix(f'{name}: ').removeprefix(f'{name} ')}")
        if not report["failures"]:
            # Otherwise the error that ends the command sums up.
            _say_sum(report["datasets"])
        return
    names = ["unit", "rows_read", "rows_landed", "rows_rejected", "rows_outside", "files"]
    if report["rows_filtered"]:
        names.insert(-1, "rows_filtered")
    outcomes = report["outcomes"]
    if outcomes:
        print_table(names, [[unit[name] for name in names] for unit in outcomes[:SHOWN]])
        _say_left(len(outcomes))
    for unit in outcomes:
        _say_special(report["dataset"], unit)
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


def _say_sum(reports: Sequence[Mapping[str, Any]]) -> None:
    rows = sum(report["rows_landed"] for report in reports)
    idle = sum(not report["outcomes"] for report in reports)
    left = f", {idle} with nothing to land" if idle else ""
    say(f"{number_of(len(reports), 'dataset')}{left}: {number_of(rows, 'row')} landed")


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
    undeclared = f"; undeclared columns came: {first_of(added, COLUMNS_SHOWN)}" if added else ""
    came = number_doing(
        len(absent), "declared column", "did not come and is", "did not come and are"
    )
    say(
        f"warning: {report['dataset']}: {came} null: "
        f"{first_of(absent, COLUMNS_SHOWN)}{undeclared}; compare the "
        f"saved query in Nexthink with nxp datasets {report['dataset']} --nql"
    )


def _say_special(dataset: str, unit: Mapping[str, Any]) -> None:
    if unit["skipped"]:
        say(f"{unit['unit']} was landed by another run first")
    for warning in unit["warnings"]:
        say(f"warning: {dataset} {unit['unit']}: {warning}")
    if unit["parts"] > 1:
        say(f"{unit['unit']} was too large for one export and took {unit['parts']}")


def _say_left(units: int) -> None:
    if units > SHOWN:
        say(f"… and {units - SHOWN:,} more")
