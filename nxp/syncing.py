"""What commands about syncs share: how one runs, and how its plan and report are printed."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connectors.counting import number_of
from nxp.engine import run_reported
from nxp.output import print_json, print_table, say

if TYPE_CHECKING:
    from tasks.sync.run import ChosenSync

# Plan, apply and read back are all that a run may have.
STAGES = 3


def run_sync(
    chosen: "ChosenSync",
    prefect: bool | None,
    *,
    story: Callable[[], object],
    flow: Callable[[], object],
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Run a story of a sync, or its flow, with progress; show its report even after an error."""
    run_reported(chosen.settings, prefect, stages=STAGES, story=story, flow=flow, show=show)


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


def print_plan(report: dict[str, Any], *, as_json: bool) -> None:
    """Print a plan: counts, masked samples, and what would stop it."""
    if as_json:
        print_json(report)
    if as_json or not report["planned"]:
        return
    planned = report["planned"]
    counts = planned["counts"]
    actions = ["set", "change", "overwrite", "clear", "settle", "theirs"]
    actions += ["restore"] if counts["restore"] else []
    print_table(["action", "values"], [[action, counts[action]] for action in actions])
    if report["samples"]:
        print()
        print_table(
            list(report["samples"][0]), [list(sample.values()) for sample in report["samples"]]
        )
    if planned["rows"]:
        say(f"to review it: nxp plan show {report['dataset']} --full")
    say_plan(report)


def say_plan(report: dict[str, Any]) -> None:
    """Print in a few lines what a plan was made from, and what would stop it."""
    planned = report["planned"]
    counts = planned["counts"]
    say_source(report)
    waiting, absent = counts["waiting"], counts["absent_keys"] - counts["gone_keys"]
    if waiting:
        say(f"{waiting:,} values were refused before and are not sent for now")
    if absent:
        say(f"{absent:,} objects were missing; after a second time their fields are emptied")
    say_met(report)
    for finding in planned["findings"]:
        say(f"guard {finding['guard']}: {finding['text']}")
    from tasks.sync.report import left_of  # noqa: PLC0415 - loaded by the run already

    say(f"plan {report['plan_id']}: {_verdict(report)}{left_of(report)}")


def _verdict(report: dict[str, Any]) -> str:
    """Return what applying the plan would do."""
    planned = report["planned"]
    if not planned["rows"]:
        return "nothing to send"
    found = f"{number_of(planned['rows'], 'value')} of {number_of(planned['keys'], 'object')}"
    if report["stopped_by"]:
        return f"{found}; nothing was sent: guard {', '.join(report['stopped_by'])}"
    return f"{found}; nxp apply {report['dataset']} sends it within 24 hours"
