"""`nxp backfill`: land a stretch of time, and resume it after any interruption."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from connectors.catalogue import DATASETS, check_named
from connectors.counting import number_of
from connectors.errors import PartlyDoneError, UsageError
from connectors.settings.installation import load_settings
from nxp.engine import require_prefect, run_here
from nxp.landing import print_report, print_units, printed_if_partly
from nxp.options import AcceptShrink, Concurrency, Dataset, DryRun, Json, Prefect, Tenant, Whole
from nxp.output import print_json, say
from nxp.progress import shown

if TYPE_CHECKING:
    from tasks.land.estimate import Estimate
    from tasks.land.plan import Plan


def backfill(
    dataset: Dataset,
    *,
    from_: Annotated[
        str, Parameter(name="--from", help="Land from here on: a date, or a date-time with offset.")
    ],
    to: Annotated[
        str, Parameter(name="--to", help="Land up to here; this instant itself is not included.")
    ],
    step: Annotated[
        str | None, Parameter(help="Length of a window, such as 6h; by default the dataset's.")
    ] = None,
    only: Annotated[
        Literal["missing", "failed", "all"],
        Parameter(help="Which windows: missing ones, those whose last try failed, or all again."),
    ] = "missing",
    accept_shrink: AcceptShrink = False,
    concurrency: Concurrency = 4,
    on: Annotated[
        str | None,
        Parameter(help="A work pool whose workers share the windows; without it, land here."),
    ] = None,
    chunk: Annotated[Whole, Parameter(help="With --on: how many windows a run begins with.")] = 25,
    wait: Annotated[
        bool, Parameter(help="With --on: wait until it ends, and show progress.")
    ] = True,
    dry_run: DryRun = False,
    prefect: Prefect = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Land the windows of DATASET between two dates; run it again to resume.

    It never moves the watermark of the scheduled export. With --on POOL, the workers of a Prefect
    work pool share the windows; run again, it starts runs only for windows that no run works on.
    """
    check_named(load_settings().catalog, dataset, DATASETS)
    from tasks.land.asked import Asked, Only  # noqa: PLC0415 - polars and httpx, not for --help
    from tasks.land.plan import plan_run  # noqa: PLC0415

    if chunk < 1:
        raise UsageError("--chunk must be a number of windows, 1 or more")
    asked = Asked(
        dataset,
        from_,
        to,
        tenant,
        accept_shrink,
        step=step,
        only=Only(only),
        concurrency=concurrency,
    )
    plan = plan_run(asked)
    expected = _estimated(plan, dry_run=dry_run)
    idle = dry_run or not plan.units
    if idle and as_json:
        print_json(_plain(plan, expected))
    elif dry_run:
        print_units(plan, as_json=False)
    say_plan(plan, expected)
    if idle:
        _check_in_part(plan)
        return
    if on:
        require_prefect(plan.settings, prefect, "--on")
        from nxp.shared_backfill import run_shared  # noqa: PLC0415 - only with --on

        run_shared(plan, on, chunk, wait=wait, as_json=as_json)
        return

    def story() -> dict[str, Any]:
        from tasks.stories.export import land_plan  # noqa: PLC0415 - polars

        return land_plan(plan).plain()

    def flow() -> dict[str, Any]:
        from flows.export import nql_backfill  # noqa: PLC0415 - prefect, 2 s

        return nql_backfill(
            dataset, from_, to, step, Only(only), concurrency, tenant, accept_shrink
        )

    with printed_if_partly(as_json=as_json), shown(rate=True):
        report = run_here(plan.settings, prefect, story, flow)
    print_report(report, as_json=as_json)


def _estimated(plan: "Plan", *, dry_run: bool) -> "Estimate":
    """Return what a plan asks of the tenant; a back-fill with nothing left to land is finished."""
    from connectors.ledger import open_ledger  # noqa: PLC0415 - SQLAlchemy, not for --help
    from tasks.land.estimate import estimate  # noqa: PLC0415 - polars

    url = plan.settings.ledger_url.get_secret_value()
    with open_ledger(url, plan.tenant.name) as ledger:
        expected = estimate(plan, ledger)
        if plan.backfill and not plan.units and not dry_run:
            # A run killed after its last window could not do this; the back-fill would never end.
            ledger.marks.finish_backfill(plan.asked.dataset, plan.backfill)
    return expected


def _check_in_part(plan: "Plan") -> None:
    """Raise if windows of a back-fill with nothing left to land have landed in part only."""
    if plan.in_part and not plan.units:
        from tasks.land.doubts import DoubtsFound  # noqa: PLC0415 - polars, not for --help

        names = tuple(str(window) for window in plan.in_part)
        raise PartlyDoneError(DoubtsFound(partial=names).said(plan.asked.dataset) or "")


def say_plan(plan: "Plan", expected: "Estimate") -> None:
    """Print what a plan asks of the tenant, as estimated."""
    done = plan.asked_units - expected.windows
    measured = "as its earlier windows needed" if expected.is_measured else "assumed"
    say(
        f"{plan.asked.dataset}: {number_of(plan.asked_units, 'window')}, {done:,} done already, "
        f"{expected.windows:,} to land, {min(plan.asked.concurrency, expected.windows)} at once"
    )
    if plan.resumed_since:
        again = (
            f"nxp state reset {plan.asked.dataset} lets it start over, but forgets the watermark"
            if plan.units
            else "that was all of it, so the next one starts over"
        )
        say(
            f"resumes the back-fill begun at {plan.resumed_since:%Y-%m-%d %H:%MZ}: {done:,} "
            f"windows were landed since; {again}"
        )
    if expected.windows:
        say(_exports(expected))
    of = "" if expected.limit is None else f", of {expected.limit:,} in 24 hours"
    say(
        f"about {expected.calls:,} API calls ({expected.per_window:.1f} a window, {measured}){of}; "
        f"{expected.used:,} made in the last 24 hours by this ledger"
    )
    if expected.days > 1:
        say(f"more calls than are left for today: it takes about {expected.days} days")
    if expected.exports_now < expected.windows or expected.days > 1:
        say("when the limit stops it, run the same command again")
    if expected.longer_step:
        from connectors.catalogue.specification import describe  # noqa: PLC0415 - httpx, not for --help

        say(
            f"with --step {describe(expected.longer_step)} it would take "
            f"{expected.longer_exports:,} exports, by the rows landed so far"
        )


def _exports(expected: "Estimate") -> str:
    """Return how many exports it takes, and when the last one can be started."""
    number = number_of(expected.windows, "export")
    limit = expected.exports_limit
    if limit is None:
        used = f"{number}; {expected.exports_used:,} started in the last 24 hours by this ledger"
        advice = "; the vendor advises to stay under 24 a day, so take longer windows (--step)"
        return used + (advice if expected.is_advised_against else "")
    if expected.done_at <= expected.planned_at:
        return f"{expected.exports_now:,} of your {limit:,} exports today, done today"
    today = "today" if expected.done_at.date() == expected.planned_at.date() else ""
    soon = expected.done_at - expected.planned_at < timedelta(days=6)
    day = today or f"on {expected.done_at:{'%A' if soon else '%A, %Y-%m-%d'}}"
    return f"{number}: {expected.exports_now:,} of your {limit:,} exports today, done {day}"


def _plain(plan: "Plan", expected: "Estimate") -> dict[str, Any]:
    return {
        "dataset": plan.asked.dataset,
        "windows": plan.asked_units,
        "to_land": expected.windows,
        "calls": expected.calls,
        "calls_per_window": expected.per_window,
        "calls_measured": expected.is_measured,
        "calls_used_today": expected.used,
        "calls_a_day": expected.calls_a_day,
        "exports_used_today": expected.exports_used,
        "exports_a_day": expected.exports_limit,
        "exports_now": expected.exports_now,
        "done_at": expected.done_at,
        "units": [
            {"unit": unit.name, "from": unit.starts_at, "to": unit.ends_at} for unit in plan.units
        ],
    }
